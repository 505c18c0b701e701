/* compile.c: see compile.h. Processes are spawned, never through a shell, so no name can be taken for a command. */
#include "runtime/device/compile.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "codegen/cpu/targets.h"

extern char **environ;

enum { MAX_ARGS = 40, LOG_CHARS = 2000, WAIT_US = 2000 };
static const char common_flags[] = RGC_CPU_KERNEL_FLAGS " -fPIC -shared -w -lm";

const char *rgc_compiler(void) {
  const char *chosen = getenv("RGC_CC");
  return chosen && *chosen ? chosen : "cc";
}

static bool no_compiler(rgc_diagnostics *diags, int error) {
  return rgc_diag_fail(diags, RGC_CODE_DEVICE, NULL, "install gcc or clang (Debian: apt install gcc), or set RGC_CC to one",
                       "the C compiler '%s' cannot be run: %s", rgc_compiler(), strerror(error));
}

/* Starts argv with both outputs into `log`. */
static int spawn_logged(pid_t *pid, char *const *argv, const char *log) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, log, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
  int error = posix_spawnp(pid, argv[0], &actions, NULL, argv, environ);
  posix_spawn_file_actions_destroy(&actions);
  return error;
}

const char *rgc_compiler_version(rgc_arena *arena, rgc_diagnostics *diags) {
  int ends[2];
  pid_t pid;
  char *argv[] = {(char *)rgc_compiler(), "--version", NULL};
  if (pipe2(ends, O_CLOEXEC)) return no_compiler(diags, errno), NULL;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  int error = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  char line[512] = "";
  FILE *from = fdopen(ends[0], "r");
  if (!fgets(line, sizeof line, from)) line[0] = 0;
  fclose(from);
  int status = 0;
  if (!error) waitpid(pid, &status, 0);
  if (error || !line[0]) return no_compiler(diags, error ? error : ENOEXEC), NULL;
  return rgc_arena_strdup(arena, line);
}

static void split_flags(char *text, char **argv, int *count) {
  char *rest;
  for (char *word = strtok_r(text, " ", &rest); word && *count < MAX_ARGS; word = strtok_r(NULL, " ", &rest)) argv[(*count)++] = word;
}

static int start_job(const rgc_compile_job *job, const char *flags, const char *include, pid_t *pid) {
  char all[1024], *argv[MAX_ARGS + 8];
  int count = 0;
  argv[count++] = (char *)rgc_compiler();
  argv[count++] = (char *)job->source;
  snprintf(all, sizeof all, "%s %s", common_flags, flags);
  split_flags(all, argv, &count);
  argv[count++] = "-I";
  argv[count++] = (char *)include;
  argv[count++] = "-o";
  argv[count++] = (char *)job->library;
  argv[count] = NULL;
  return spawn_logged(pid, argv, job->log);
}

static bool report_failure(const rgc_compile_job *job, int status, rgc_diagnostics *diags) {
  if (WIFSIGNALED(status))
    return rgc_diag_fail(diags, RGC_CODE_DEVICE, NULL, WTERMSIG(status) == SIGINT ? NULL : "is there memory enough for it?",
                         "the C compiler '%s' was stopped: %s", rgc_compiler(), strsignal(WTERMSIG(status)));
  char text[LOG_CHARS + 1] = "";
  FILE *log = fopen(job->log, "r");
  size_t length = log ? fread(text, 1, LOG_CHARS, log) : 0;
  text[length] = 0;
  if (log) fclose(log);
  return rgc_diag_fail(diags, RGC_CODE_DEVICE, job->source, "is it gcc 12 or clang 14, or later? RGC_CC names another compiler",
                       "'%s' does not compile this kernel:\n%s", rgc_compiler(), text);
}

/* Waits until one of the processes has ended, sets its pid to 0 and returns its number. Only these are waited for: the program that we are
 * part of may have children of its own. */
static int wait_for_one(pid_t *pids, int count, int *status) {
  for (;; usleep(WAIT_US))
    for (int i = 0; i < count; i++) {
      if (!pids[i]) continue;
      pid_t got = waitpid(pids[i], status, WNOHANG);
      if (!got || (got < 0 && errno == EINTR)) continue;
      if (got < 0) *status = -1; /* someone else took its end */
      pids[i] = 0;
      return i;
    }
}

bool rgc_compile_all(const rgc_compile_job *jobs, int count, const char *flags, const char *include, rgc_diagnostics *diags) {
  long at_once = sysconf(_SC_NPROCESSORS_ONLN);
  pid_t *pids = calloc((size_t)count + 1, sizeof *pids);
  int started = 0, running = 0, error = 0;
  const rgc_compile_job *failed = NULL;
  int failure = 0;
  while ((started < count && !failed && !error) || running) {
    if (started < count && (!running || running < at_once) && !failed && !error) {
      error = start_job(&jobs[started], flags, include, &pids[started]);
      if (!error) started++, running++;
      continue;
    }
    int status = 0, done = wait_for_one(pids, started, &status);
    running--;
    if ((!WIFEXITED(status) || WEXITSTATUS(status)) && !failed) failed = &jobs[done], failure = status;
  }
  free(pids);
  if (error) return no_compiler(diags, error);
  return !failed || report_failure(failed, failure, diags);
}
