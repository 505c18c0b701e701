/* kernel_cache.c: see kernel_cache.h. */
#include "runtime/device/kernel_cache.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "compiler/base/clock.h"
#include "compiler/base/file.h"
#include "codegen/cpu/templates.h"
#include "runtime/device/compile.h"

enum { LIGHT_GROUP = 12 }; /* functions of little cost that are compiled together */
static const int64_t size_limit_bytes = (int64_t)512 << 20;

typedef struct cache {
  rgc_arena *arena;
  rgc_diagnostics *diags;
  const rgc_cpu_code *code;
  const rgc_cpu_target *target;
  const char *dir;     /* of the cache */
  const char *include; /* where the templates are */
  const char *key;     /* of templates, flags and compiler */
} cache;

static bool refuse(cache *c, const char *why) {
  return rgc_diag_fail(c->diags, RGC_CODE_DEVICE, c->dir, "set RGC_CACHE to a folder of your own", "the kernel cache %s", why);
}

/* Folders. */

static bool make_private_dir(cache *c, const char *path) {
  struct stat found;
  if (mkdir(path, 0700) && errno != EEXIST) return refuse(c, strerror(errno));
  if (stat(path, &found)) return refuse(c, strerror(errno));
  if (found.st_uid != geteuid() || (found.st_mode & 0022)) return refuse(c, "belongs to another user, or others may write to it");
  return true;
}

static bool choose_dir(cache *c) {
  const char *own = getenv("RGC_CACHE"), *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
  if (own && *own) {
    c->dir = rgc_arena_strdup(c->arena, own);
  } else {
    const char *base = xdg && *xdg ? rgc_arena_strdup(c->arena, xdg) : rgc_arena_printf(c->arena, "%s/.cache", home && *home ? home : "/tmp");
    if (mkdir(base, 0700) && errno != EEXIST) return c->dir = base, refuse(c, strerror(errno));
    c->dir = rgc_arena_printf(c->arena, "%s/rgc", base);
  }
  return make_private_dir(c, c->dir);
}

static bool write_file(const cache *c, const char *path, const char *text) {
  return rgc_write_text_file(path, text, "is the disk full?", c->diags);
}

static uint64_t hash_text(uint64_t seed, const char *text) { return XXH3_64bits_withSeed(text, strlen(text), seed); }

static uint64_t hash_templates(void) {
  uint64_t hash = 0;
  for (int i = 0; i < rgc_cpu_template_count; i++)
    hash = hash_text(hash_text(hash, rgc_cpu_templates[i].name), rgc_cpu_templates[i].text);
  return hash;
}

/* A folder of this process's own inside the cache. */
static char *make_temporary(cache *c) {
  char *path = rgc_arena_printf(c->arena, "%s/tmp-XXXXXX", c->dir);
  if (!mkdtemp(path)) return refuse(c, strerror(errno)), NULL;
  return path;
}

/* The templates as files, under a name of their contents; written aside and renamed. */
static bool write_templates(cache *c, uint64_t hash) {
  c->include = rgc_arena_printf(c->arena, "%s/templates-%016llx", c->dir, (unsigned long long)hash);
  if (!access(rgc_arena_printf(c->arena, "%s/codegen/cpu/templates", c->include), F_OK)) return true;
  char *aside = make_temporary(c);
  if (!aside) return false;
  const char *parts[] = {"/codegen", "/codegen/cpu", "/codegen/cpu/templates"};
  for (int i = 0; i < 3; i++)
    if (mkdir(rgc_arena_printf(c->arena, "%s%s", aside, parts[i]), 0700)) return refuse(c, strerror(errno));
  for (int i = 0; i < rgc_cpu_template_count; i++)
    if (!write_file(c, rgc_arena_printf(c->arena, "%s%s/%s", aside, parts[2], rgc_cpu_templates[i].name), rgc_cpu_templates[i].text)) return false;
  return !rename(aside, c->include) || errno == EEXIST || errno == ENOTEMPTY || refuse(c, strerror(errno));
}

static bool open_cache(cache *c) {
  if (!choose_dir(c)) return false;
  const char *version = rgc_compiler_version(c->arena, c->diags);
  if (!version) return false;
  uint64_t templates = hash_templates();
  c->key = rgc_arena_printf(c->arena, "%016llx", (unsigned long long)hash_text(hash_text(templates, version), c->target->flags));
  return write_templates(c, templates);
}

static char *library_path(const cache *c, int function) {
  return rgc_arena_printf(c->arena, "%s/%s-%s.so", c->dir, c->code->functions[function].name, c->key);
}

/* Compiling what is missing. */

typedef struct group {
  int *functions, count, capacity;
} group;

/* Each heavy function by itself, heavy ones first, for they take longest; light ones together. */
static group *make_groups(const cache *c, const bool *missing, int *count) {
  group *groups = NULL;
  int capacity = 0;
  *count = 0;
  for (int heavy = 1; heavy >= 0; heavy--)
    for (int i = 0, first = 1; i < c->code->function_count; i++) {
      if (!missing[i] || c->code->functions[i].heavy != heavy) continue;
      if (heavy || first || groups[*count - 1].count == LIGHT_GROUP) *RGC_PUSH(c->arena, groups, *count, capacity) = (group){0};
      group *to = &groups[*count - 1];
      *RGC_PUSH(c->arena, to->functions, to->count, to->capacity) = i;
      first = 0;
    }
  return groups;
}

static bool write_source(cache *c, const group *g, const char *path) {
  rgc_text text = {0};
  for (int i = 0; i < g->count; i++) rgc_cpu_print_function(&c->code->functions[g->functions[i]], &text);
  bool good = write_file(c, path, rgc_text_chars(&text));
  rgc_text_free(&text);
  return good;
}

static bool publish(cache *c, const group *g, const char *library) {
  for (int i = 0; i < g->count; i++) {
    const char *path = library_path(c, g->functions[i]);
    if (link(library, path) && errno != EEXIST) return refuse(c, strerror(errno));
  }
  return true;
}

static void remove_dir(const char *path) {
  DIR *dir = opendir(path);
  for (struct dirent *entry; dir && (entry = readdir(dir));) unlinkat(dirfd(dir), entry->d_name, 0);
  if (dir) closedir(dir);
  rmdir(path);
}

static bool compile_groups(cache *c, const group *groups, int count, const char *dir) {
  rgc_compile_job *jobs = RGC_NEW_ARRAY(c->arena, rgc_compile_job, count);
  for (int i = 0; i < count; i++) {
    jobs[i] = (rgc_compile_job){.source = rgc_arena_printf(c->arena, "%s/g%d.c", dir, i),
                                .library = rgc_arena_printf(c->arena, "%s/g%d.so", dir, i),
                                .log = rgc_arena_printf(c->arena, "%s/g%d.log", dir, i)};
    if (!write_source(c, &groups[i], jobs[i].source)) return false;
  }
  long processors = sysconf(_SC_NPROCESSORS_ONLN);
  if (!rgc_compile_all(jobs, count, (int)(processors > 1 ? processors : 1), c->target->flags, c->include, c->diags)) return false;
  for (int i = 0; i < count; i++)
    if (!publish(c, &groups[i], jobs[i].library)) return false;
  return true;
}

/* Removes what was used longest ago until the cache is below its limit. */

typedef struct entry {
  char name[64];
  struct timespec used;
  int64_t bytes;
} entry;

static int older_first(const void *a, const void *b) {
  const struct timespec *x = &((const entry *)a)->used, *y = &((const entry *)b)->used;
  return x->tv_sec != y->tv_sec ? (x->tv_sec > y->tv_sec) - (x->tv_sec < y->tv_sec) : (x->tv_nsec > y->tv_nsec) - (x->tv_nsec < y->tv_nsec);
}

static void bound_size(const cache *c) {
  entry *entries = NULL;
  int count = 0, capacity = 0;
  int64_t total = 0;
  DIR *dir = opendir(c->dir);
  for (struct dirent *at; dir && (at = readdir(dir));) {
    struct stat found;
    size_t length = strlen(at->d_name);
    if (length < 4 || length >= sizeof entries->name || strcmp(at->d_name + length - 3, ".so")) continue;
    if (fstatat(dirfd(dir), at->d_name, &found, AT_SYMLINK_NOFOLLOW)) continue;
    entry *made = RGC_PUSH(c->arena, entries, count, capacity);
    *made = (entry){.used = found.st_mtim, .bytes = found.st_blocks * 512 / (found.st_nlink ? (int64_t)found.st_nlink : 1)};
    memcpy(made->name, at->d_name, length + 1);
    total += made->bytes;
  }
  if (count) qsort(entries, (size_t)count, sizeof *entries, older_first);
  for (int i = 0; i < count && total > size_limit_bytes; i++) {
    unlinkat(dirfd(dir), entries[i].name, 0);
    total -= entries[i].bytes;
  }
  if (dir) closedir(dir);
}

static bool compile_missing(cache *c, rgc_kernel_build *build) {
  bool *missing = RGC_NEW_ARRAY(c->arena, bool, build->count + 1);
  int group_count;
  for (int i = 0; i < build->count; i++) {
    missing[i] = access(library_path(c, i), R_OK) != 0;
    build->compiled += missing[i];
  }
  if (!build->compiled) return true;
  double start = rgc_now_seconds();
  bound_size(c);
  group *groups = make_groups(c, missing, &group_count);
  char *dir = make_temporary(c);
  bool good = dir && compile_groups(c, groups, group_count, dir);
  if (dir) remove_dir(dir);
  build->seconds = rgc_now_seconds() - start;
  return good;
}

/* Opening. */

static bool open_function(cache *c, rgc_kernel_build *build, int i) {
  const char *path = library_path(c, i);
  build->libraries[i] = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!build->libraries[i]) return refuse(c, dlerror());
  void *found = dlsym(build->libraries[i], c->code->functions[i].name);
  if (!found) return refuse(c, "holds a library without its kernel");
  utimensat(AT_FDCWD, path, NULL, 0); /* used now */
  memcpy(&build->kernels[i], &found, sizeof found);
  return true;
}

rgc_kernel_build *rgc_kernel_build_open(const rgc_cpu_code *code, const rgc_cpu_target *target, rgc_arena *arena, rgc_diagnostics *diags) {
  cache c = {.arena = rgc_arena_create(), .diags = diags, .code = code, .target = target};
  rgc_kernel_build *build = RGC_NEW(arena, rgc_kernel_build);
  build->count = code->function_count;
  build->kernels = RGC_NEW_ARRAY(arena, rgc_cpu_kernel, build->count + 1);
  build->libraries = RGC_NEW_ARRAY(arena, void *, build->count + 1);
  bool good = open_cache(&c) && compile_missing(&c, build);
  for (int i = 0; good && i < build->count; i++) good = open_function(&c, build, i);
  if (!good) rgc_kernel_build_close(build);
  rgc_arena_destroy(c.arena);
  return good ? build : NULL;
}

void rgc_kernel_build_close(rgc_kernel_build *build) {
  for (int i = 0; build && i < build->count; i++)
    if (build->libraries[i]) dlclose(build->libraries[i]);
}
