/* host_memory.c: see host_memory.h. What cannot be read does not limit. */
#include "runtime/device/host_memory.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { PATH_CHARS = 4096 };

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

/* The number behind `key` at the start of a line of the file; -1: there is none, or it is a word ("max"). */
static int64_t read_number(const char *path, const char *key) {
  char line[256];
  long long number = -1;
  FILE *file = fopen(path, "r");
  while (file && number < 0 && fgets(line, sizeof line, file))
    if (strncmp(line, key, strlen(key)) || sscanf(line + strlen(key), " %lld", &number) != 1) number = -1;
  if (file) fclose(file);
  return number;
}

static int64_t machine_bytes(void) {
  int64_t kilobytes = read_number("/proc/meminfo", "MemAvailable:");
  return kilobytes < 0 ? INT64_MAX : kilobytes * 1024;
}

static int64_t address_space_bytes(void) {
  struct rlimit limit;
  int64_t pages = read_number("/proc/self/statm", ""), taken = pages * sysconf(_SC_PAGESIZE);
  if (getrlimit(RLIMIT_AS, &limit) || limit.rlim_cur == RLIM_INFINITY || pages < 0) return INT64_MAX;
  return (int64_t)limit.rlim_cur > taken ? (int64_t)limit.rlim_cur - taken : 0;
}

/* What the group of that folder leaves; files that it has read can be dropped, and do not count. */
static int64_t group_bytes(const char *folder) {
  char path[PATH_CHARS];
  snprintf(path, sizeof path, "%s/memory.max", folder);
  int64_t most = read_number(path, "");
  snprintf(path, sizeof path, "%s/memory.current", folder);
  int64_t taken = read_number(path, "");
  snprintf(path, sizeof path, "%s/memory.stat", folder);
  int64_t files = read_number(path, "inactive_file");
  if (most < 0 || taken < 0) return INT64_MAX;
  taken -= files > 0 ? files : 0;
  return most > taken ? most - taken : 0;
}

/* Of all groups from the process's own to the root (cgroup v2). */
static int64_t groups_bytes(void) {
  static const char root[] = "/sys/fs/cgroup";
  char line[PATH_CHARS / 2], folder[PATH_CHARS - 64];
  FILE *groups = fopen("/proc/self/cgroup", "r");
  bool found = false;
  while (groups && !found && fgets(line, sizeof line, groups)) found = !strncmp(line, "0::/", 4);
  if (groups) fclose(groups);
  int64_t bytes = group_bytes(root);
  if (!found) return bytes;
  line[strcspn(line, "\n")] = 0;
  snprintf(folder, sizeof folder, "%s%s", root, line + 3);
  for (char *slash; strlen(folder) > sizeof root && (slash = strrchr(folder, '/')); *slash = 0) bytes = least(bytes, group_bytes(folder));
  return bytes;
}

int64_t rgc_host_free_bytes(void) { return least(machine_bytes(), least(address_space_bytes(), groups_bytes())); }
