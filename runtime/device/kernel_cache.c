/* kernel_cache.c: see kernel_cache.h. */
#include "runtime/device/kernel_cache.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "codegen/cpu/templates.h"
#include "compiler/base/file.h"
#include "runtime/device/compile.h"
#include "runtime/device/emit_files.h"
#include "runtime/device/function_store.h"

typedef struct builder {
  rgc_function_store store; /* its key is of templates, flags and compiler */
  rgc_arena *arena;
  rgc_diagnostics *diags;
  const rgc_cpu_target *target;
  const char *include; /* where the templates are */
} builder;

/* The templates as files, under a name of their contents; written aside and renamed. */
static bool write_templates(builder *b, uint64_t hash) {
  b->include = rgc_arena_printf(b->arena, "%s/templates-%016llx", b->store.cache.dir, (unsigned long long)hash);
  if (!access(b->include, F_OK)) return true;
  char *aside = rgc_cache_make_work(&b->store.cache);
  bool good = aside && rgc_write_templates(aside, RGC_CPU_TEMPLATE_FOLDER, rgc_cpu_templates, rgc_cpu_template_count, b->diags);
  if (good && !rename(aside, b->include)) return true;
  good = good && (errno == EEXIST || errno == ENOTEMPTY || rgc_cache_refuse(&b->store.cache, strerror(errno))); /* another process was first */
  if (aside) rgc_cache_remove_work(aside);
  return good;
}

static bool open_builder(builder *b) {
  if (!rgc_cache_open(&b->store.cache, b->arena, b->diags)) return false;
  const char *version = rgc_compiler_version(b->arena, b->diags);
  if (!version) return false;
  uint64_t templates = rgc_cache_hash_templates(0, rgc_cpu_templates, rgc_cpu_template_count);
  b->store.key = rgc_cache_hash(rgc_cache_hash(templates, version), b->target->flags);
  return write_templates(b, templates);
}

/* Compiling what is missing. */

static bool write_source(builder *b, const rgc_function_group *g, const char *path) {
  rgc_text text = {0};
  rgc_function_group_print(b->store.functions, g, "c", &text);
  bool good = rgc_write_text_file(path, rgc_text_chars(&text), "is the disk full?", b->diags);
  rgc_text_free(&text);
  return good;
}

static bool compile_groups(void *context, const rgc_function_group *groups, int count, const char *dir) {
  builder *b = context;
  rgc_compile_job *jobs = RGC_NEW_ARRAY(b->arena, rgc_compile_job, count);
  for (int i = 0; i < count; i++) {
    jobs[i] = (rgc_compile_job){.source = rgc_arena_printf(b->arena, "%s/g%d.c", dir, i),
                                .library = rgc_arena_printf(b->arena, "%s/g%d.so", dir, i),
                                .log = rgc_arena_printf(b->arena, "%s/g%d.log", dir, i)};
    if (!write_source(b, &groups[i], jobs[i].source)) return false;
  }
  if (!rgc_compile_all(jobs, count, b->target->flags, b->include, b->diags)) return false;
  for (int i = 0; i < count; i++)
    if (!rgc_cache_seal(&b->store.cache, jobs[i].library) || !rgc_function_publish(&b->store, &groups[i], jobs[i].library)) return false;
  return true;
}

/* Opening. */

static bool open_function(builder *b, rgc_kernel_build *build, int i) {
  build->libraries[i] = dlopen(rgc_function_entry(&b->store, i), RTLD_NOW | RTLD_LOCAL);
  if (!build->libraries[i]) return rgc_cache_refuse(&b->store.cache, dlerror());
  void *found = dlsym(build->libraries[i], b->store.functions[i].name);
  if (!found) return rgc_cache_refuse(&b->store.cache, "holds a library without its kernel");
  memcpy(&build->kernels[i], &found, sizeof found);
  return true;
}

rgc_kernel_build *rgc_kernel_build_open(const rgc_cpu_code *code, const rgc_cpu_target *target, rgc_arena *arena, rgc_diagnostics *diags) {
  builder b = {.arena = rgc_arena_create(), .diags = diags, .target = target,
               .store = {.functions = code->functions, .count = code->function_count, .suffix = "so", .use = rgc_cache_use_library}};
  rgc_kernel_build *build = RGC_NEW(arena, rgc_kernel_build);
  build->count = code->function_count;
  build->kernels = RGC_NEW_ARRAY(arena, rgc_cpu_kernel, build->count + 1);
  build->libraries = RGC_NEW_ARRAY(arena, void *, build->count + 1);
  bool good = open_builder(&b) && rgc_function_store_fill(&b.store, compile_groups, &b, &build->compiled, &build->seconds);
  for (int i = 0; good && i < build->count; i++) good = open_function(&b, build, i);
  if (!good) rgc_kernel_build_close(build);
  rgc_arena_destroy(b.arena);
  return good ? build : NULL;
}

void rgc_kernel_build_close(rgc_kernel_build *build) {
  for (int i = 0; build && i < build->count; i++)
    if (build->libraries[i]) dlclose(build->libraries[i]);
}
