/* cache.c: see cache.h. */
#include "runtime/device/cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

#include "compiler/base/file.h"

static const int64_t size_limit_bytes = (int64_t)512 << 20;
static const char *const suffixes[] = {".so", ".cubin"}; /* of entries */

bool rgc_cache_refuse(const rgc_cache *cache, const char *why) {
  return rgc_diag_fail(cache->diags, RGC_CODE_DEVICE, cache->dir, "set RGC_CACHE to a folder of your own", "the kernel cache cannot be used: %s", why);
}

/* Folders. */

static bool make_private_dir(const rgc_cache *cache) {
  struct stat found;
  if (mkdir(cache->dir, 0700) && errno != EEXIST) return rgc_cache_refuse(cache, strerror(errno));
  if (stat(cache->dir, &found)) return rgc_cache_refuse(cache, strerror(errno));
  if (found.st_uid != geteuid() || (found.st_mode & 0022)) return rgc_cache_refuse(cache, "belongs to another user, or others may write to it");
  return true;
}

bool rgc_cache_open(rgc_cache *cache, rgc_arena *arena, rgc_diagnostics *diags) {
  const char *own = getenv("RGC_CACHE"), *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
  *cache = (rgc_cache){.arena = arena, .diags = diags};
  if (own && *own) {
    cache->dir = rgc_arena_strdup(arena, own);
  } else {
    cache->dir = xdg && *xdg ? rgc_arena_strdup(arena, xdg) : rgc_arena_printf(arena, "%s/.cache", home && *home ? home : "/tmp");
    if (mkdir(cache->dir, 0700) && errno != EEXIST) return rgc_cache_refuse(cache, strerror(errno));
    cache->dir = rgc_arena_printf(arena, "%s/rgc", cache->dir);
  }
  return make_private_dir(cache);
}

char *rgc_cache_make_work(const rgc_cache *cache) {
  char *path = rgc_arena_printf(cache->arena, "%s/tmp-%ld-XXXXXX", cache->dir, (long)getpid());
  if (!mkdtemp(path)) return rgc_cache_refuse(cache, strerror(errno)), NULL;
  return path;
}

static int remove_entry(const char *path, const struct stat *about, int type, struct FTW *walk) {
  (void)about, (void)type, (void)walk;
  return remove(path);
}

void rgc_cache_remove_work(const char *dir) { nftw(dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS); }

/* A folder tmp-PID-* of a process that is no more, unless it is new: another machine that shares the cache has processes of its own. */
static bool is_left_over(const char *name, const struct stat *about) {
  const time_t young_seconds = 3600;
  long pid = strncmp(name, "tmp-", 4) ? 0 : strtol(name + 4, NULL, 10);
  return S_ISDIR(about->st_mode) && time(NULL) - about->st_mtim.tv_sec > young_seconds && rgc_process_is_gone(pid);
}

/* Entries. */

uint64_t rgc_cache_hash(uint64_t hash, const char *text) { return XXH3_64bits_withSeed(text, strlen(text), hash); }

uint64_t rgc_cache_hash_templates(uint64_t hash, const rgc_template *templates, int count) {
  for (int i = 0; i < count; i++) hash = rgc_cache_hash(rgc_cache_hash(hash, templates[i].name), templates[i].text);
  return hash;
}

char *rgc_cache_path(const rgc_cache *cache, const char *name, uint64_t key, const char *suffix) {
  return rgc_arena_printf(cache->arena, "%s/%s-%016llx.%s", cache->dir, name, (unsigned long long)key, suffix);
}

bool rgc_cache_use(const char *path) { return !utimensat(AT_FDCWD, path, NULL, 0); }

/* Seals. */

static const char seal_format[] = "\nrgc %016zx %016llx\n";
enum { SEAL_BYTES = 39 };

static void print_seal(char seal[SEAL_BYTES + 1], const void *bytes, size_t size_bytes) {
  snprintf(seal, SEAL_BYTES + 1, seal_format, size_bytes, (unsigned long long)XXH3_64bits(bytes, size_bytes));
}

bool rgc_cache_seal(const rgc_cache *cache, const char *made) {
  size_t size_bytes;
  rgc_arena *scratch = rgc_arena_create();
  char seal[SEAL_BYTES + 1], *bytes = rgc_read_bytes(made, scratch, &size_bytes);
  if (bytes) print_seal(seal, bytes, size_bytes);
  FILE *to = bytes ? fopen(made, "ab") : NULL;
  bool good = to && fwrite(seal, 1, SEAL_BYTES, to) == SEAL_BYTES;
  if (to && fclose(to)) good = false;
  int error = errno;
  rgc_arena_destroy(scratch);
  return good || rgc_cache_refuse(cache, strerror(error));
}

bool rgc_cache_use_library(const char *path) {
  size_t size_bytes;
  rgc_arena *scratch = rgc_arena_create();
  char seal[SEAL_BYTES + 1], *bytes = rgc_read_bytes(path, scratch, &size_bytes);
  bool whole = bytes && size_bytes >= SEAL_BYTES;
  if (whole) print_seal(seal, bytes, size_bytes - SEAL_BYTES);
  whole = whole && !memcmp(seal, bytes + size_bytes - SEAL_BYTES, SEAL_BYTES);
  if (bytes && !whole) unlink(path);
  rgc_arena_destroy(scratch);
  return whole && rgc_cache_use(path);
}

bool rgc_cache_publish(const rgc_cache *cache, const char *made, const char *path) {
  return !link(made, path) || errno == EEXIST || rgc_cache_refuse(cache, strerror(errno));
}

typedef struct entry {
  char name[64];
  struct timespec used;
  int64_t bytes;
} entry;

static int older_first(const void *a, const void *b) {
  const struct timespec *x = &((const entry *)a)->used, *y = &((const entry *)b)->used;
  return x->tv_sec != y->tv_sec ? (x->tv_sec > y->tv_sec) - (x->tv_sec < y->tv_sec) : (x->tv_nsec > y->tv_nsec) - (x->tv_nsec < y->tv_nsec);
}

static bool is_entry(const char *name) {
  size_t length = strlen(name);
  for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
    size_t end = strlen(suffixes[i]);
    if (length > end && length < sizeof((entry *)0)->name && !strcmp(name + length - end, suffixes[i])) return true;
  }
  return false;
}

void rgc_cache_bound(const rgc_cache *cache) {
  entry *entries = NULL;
  int count = 0, capacity = 0;
  int64_t total = 0;
  DIR *dir = opendir(cache->dir);
  for (struct dirent *at; dir && (at = readdir(dir));) {
    struct stat found;
    if (fstatat(dirfd(dir), at->d_name, &found, AT_SYMLINK_NOFOLLOW)) continue;
    if (is_left_over(at->d_name, &found)) rgc_cache_remove_work(rgc_arena_printf(cache->arena, "%s/%s", cache->dir, at->d_name));
    if (!is_entry(at->d_name)) continue;
    entry *made = RGC_PUSH(cache->arena, entries, count, capacity);
    *made = (entry){.used = found.st_mtim, .bytes = found.st_blocks * 512 / (found.st_nlink ? (int64_t)found.st_nlink : 1)};
    strcpy(made->name, at->d_name);
    total += made->bytes;
  }
  if (count) qsort(entries, (size_t)count, sizeof *entries, older_first);
  for (int i = 0; i < count && total > size_limit_bytes; i++) {
    unlinkat(dirfd(dir), entries[i].name, 0);
    total -= entries[i].bytes;
  }
  if (dir) closedir(dir);
}
