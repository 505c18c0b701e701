/* fuzz.c: a small mutational fuzzer without a compiler's help: it builds with any compiler and runs under the sanitizers.
 *
 *   rgc_fuzz TARGET [--seconds S] [--seed N] [--runs N] [--crashes DIR]    (in the source directory)
 *   rgc_fuzz TARGET FILE...                                               runs files, in this process
 *   rgc_fuzz --list                                                       prints the targets
 *
 * A child runs inputs by their numbers; before each it stands in memory shared with the parent. When the child dies (signal,
 * sanitizer, abort, more than CPU_SECONDS on one input), the parent saves that input as DIR/fuzz-crash-TARGET-SEED and ends
 * with 1. Children are replaced every CHILD_RUNS inputs, so that leaks are reported and do not add up. */
#include <glob.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"

enum { CPU_SECONDS = 20, CHILD_RUNS = 2000 };

typedef struct options {
  const fuzz_target *target;
  double seconds;
  uint64_t seed, runs; /* runs 0: by time */
  const char *crashes;
} options;

/* What parent and child share. */
typedef struct progress {
  uint64_t next; /* number of the input that is running, or will be */
  fuzz_input input;
} progress;

#ifdef RGC_SANITIZE
const char *__asan_default_options(void); /* the sanitizer asks for it by this name */
const char *__asan_default_options(void) { return "hard_rss_limit_mb=3000:detect_stack_use_after_return=0"; }
#endif

void fuzz_fail(const char *format, ...) {
  va_list args;
  va_start(args, format);
  fputs("fuzz: ", stderr);
  vfprintf(stderr, format, args);
  fputc('\n', stderr);
  va_end(args);
  abort();
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static bool read_input(const char *path, fuzz_input *input) {
  FILE *f = fopen(path, "rb");
  if (!f) return false;
  input->size = fread(input->bytes, 1, FUZZ_MAX_BYTES, f);
  input->bytes[input->size] = 0;
  bool whole = fgetc(f) == EOF && !ferror(f);
  fclose(f);
  return whole;
}

static fuzz_corpus read_corpus(const fuzz_target *target) {
  fuzz_corpus corpus = {0};
  for (int i = 0; i < FUZZ_MAX_GLOBS && target->globs[i]; i++) {
    glob_t files = {0};
    if (glob(target->globs[i], 0, NULL, &files)) fuzz_fail("no file is called %s here", target->globs[i]);
    corpus.items = realloc(corpus.items, sizeof *corpus.items * ((size_t)corpus.count + files.gl_pathc));
    for (size_t j = 0; j < files.gl_pathc; j++)
      corpus.count += read_input(files.gl_pathv[j], &corpus.items[corpus.count]);
    globfree(&files);
  }
  return corpus;
}

/* ---- the directory ---- */

static char directory[] = "/tmp/rgc_fuzz_XXXXXX";
const char *fuzz_directory(void) { return directory; }

static void make_directory(void) {
  char here[2048], from[4096], to[4096];
  glob_t files = {0};
  if (!mkdtemp(directory) || !getcwd(here, sizeof here)) fuzz_fail("no temporary directory");
  for (size_t i = glob("graphs/*.yaml", 0, NULL, &files) ? files.gl_pathc : 0; i < files.gl_pathc; i++) {
    snprintf(from, sizeof from, "%s/%s", here, files.gl_pathv[i]);
    snprintf(to, sizeof to, "%s/%s", directory, strrchr(files.gl_pathv[i], '/') + 1);
    if (symlink(from, to)) fuzz_fail("%s cannot be linked", from);
  }
  globfree(&files);
}

static void remove_directory(void) {
  char pattern[sizeof directory + 2];
  glob_t files = {0};
  snprintf(pattern, sizeof pattern, "%s/*", directory);
  if (!glob(pattern, 0, NULL, &files))
    for (size_t i = 0; i < files.gl_pathc; i++) unlink(files.gl_pathv[i]);
  globfree(&files);
  rmdir(directory);
}

/* ---- runs ---- */

/* One input may use so much processor time, and (without sanitizers, which reserve all of it) so much address space. */
static void limit_run(void) {
  const struct itimerval limit = {.it_value = {.tv_sec = CPU_SECONDS}};
  setitimer(ITIMER_PROF, &limit, NULL);
}

static void limit_memory(void) {
#ifndef RGC_SANITIZE
  const struct rlimit limit = {(rlim_t)3 << 30, (rlim_t)3 << 30};
  setrlimit(RLIMIT_AS, &limit);
#endif
  const struct rlimit no_core = {0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
}

static _Noreturn void run_child(const options *o, const fuzz_corpus *corpus, progress *shared, double end) {
  limit_memory();
  for (int i = 0; i < CHILD_RUNS && now() < end && (!o->runs || shared->next < o->runs); i++, shared->next++) {
    fuzz_make_input(o->target, corpus, o->seed, shared->next, &shared->input);
    limit_run();
    o->target->run(&shared->input);
  }
  free(corpus->items);
  exit(0);
}

static void save_crash(const options *o, const progress *shared, int status) {
  char path[4096];
  snprintf(path, sizeof path, "%s/fuzz-crash-%s-%" PRIu64, o->crashes, o->target->name, o->seed);
  FILE *f = fopen(path, "wb");
  if (f) fwrite(shared->input.bytes, 1, shared->input.size, f);
  if (f) fclose(f);
  if (WIFSIGNALED(status))
    fprintf(stderr, "fuzz %s: seed %" PRIu64 ", input %" PRIu64 ": %s\n", o->target->name, o->seed, shared->next,
            WTERMSIG(status) == SIGPROF ? "takes too long" : strsignal(WTERMSIG(status)));
  else
    fprintf(stderr, "fuzz %s: seed %" PRIu64 ", input %" PRIu64 ": exit status %d\n", o->target->name, o->seed, shared->next,
            WEXITSTATUS(status));
  fprintf(stderr, "the input is kept: rgc_fuzz %s %s\n", o->target->name, path);
}

static bool fuzz(const options *o) {
  fuzz_corpus corpus = read_corpus(o->target);
  progress *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED || !corpus.count) fuzz_fail("nothing to begin with");
  double begin = now(), end = begin + o->seconds;
  bool good = true;
  printf("fuzz %s: seed %" PRIu64 ", %d files\n", o->target->name, o->seed, corpus.count);
  while (good && now() < end && (!o->runs || shared->next < o->runs)) {
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) run_child(o, &corpus, shared, end);
    int status = 1;
    good = child > 0 && waitpid(child, &status, 0) == child && status == 0;
    if (!good) save_crash(o, shared, status);
  }
  printf("fuzz %s: %" PRIu64 " inputs in %.1f s, %s\n", o->target->name, shared->next, now() - begin, good ? "no fault" : "FAULT");
  free(corpus.items);
  munmap(shared, sizeof *shared);
  return good;
}

static bool run_files(const options *o, char **paths, int count) {
  fuzz_input *input = malloc(sizeof *input);
  bool good = input != NULL;
  for (int i = 0; i < count && good; i++) {
    good = read_input(paths[i], input);
    limit_run();
    if (good) o->target->run(input);
    printf("%s: %s\n", paths[i], good ? "no fault" : "cannot be read");
  }
  free(input);
  return good;
}

/* ---- the command line ---- */

static const fuzz_target *find_target(const char *name) {
  for (const fuzz_target *t = fuzz_targets; t->name; t++)
    if (!strcmp(t->name, name)) return t;
  return NULL;
}

static int list_targets(void) {
  for (const fuzz_target *t = fuzz_targets; t->name; t++) puts(t->name);
  return 0;
}

static int usage(void) {
  fputs("rgc_fuzz TARGET [--seconds S] [--seed N] [--runs N] [--crashes DIR] | rgc_fuzz TARGET FILE...\ntargets:", stderr);
  for (const fuzz_target *t = fuzz_targets; t->name; t++) fprintf(stderr, " %s", t->name);
  fputc('\n', stderr);
  return 2;
}

int main(int argc, char **argv) {
  if (argc == 2 && !strcmp(argv[1], "--list")) return list_targets();
  options o = {.target = argc > 1 ? find_target(argv[1]) : NULL, .seconds = 10, .crashes = "."};
  o.seed = (uint64_t)time(NULL) * 1000003u + (uint64_t)getpid();
  if (!o.target) return usage();
  int at = 2;
  for (; at + 1 < argc && argv[at][0] == '-'; at += 2) {
    if (!strcmp(argv[at], "--seconds")) o.seconds = atof(argv[at + 1]);
    else if (!strcmp(argv[at], "--seed")) o.seed = strtoull(argv[at + 1], NULL, 10);
    else if (!strcmp(argv[at], "--runs")) o.runs = strtoull(argv[at + 1], NULL, 10);
    else if (!strcmp(argv[at], "--crashes")) o.crashes = argv[at + 1];
    else return usage();
  }
  if (o.runs) o.seconds = 1e9;
  make_directory();
  bool good = at < argc ? run_files(&o, argv + at, argc - at) : fuzz(&o);
  remove_directory();
  return good ? 0 : 1;
}
