/* cuda_build.c: see cuda_build.h. A thread compiles one group at a time, in an arena of its own, so that threads share nothing but NVRTC. */
#include "runtime/device/cuda_build.h"

#include <sys/stat.h>

#include "codegen/cuda/templates.h"
#include "runtime/device/function_store.h"

/* What is fused is said by fmaf, so the compiler adds none. */
static const char *const options[] = {"--fmad=false"};
enum { OPTIONS = sizeof options / sizeof *options };

typedef struct builder {
  rgc_function_store store; /* its key is of templates, options, NVRTC (version and library) and architecture */
  rgc_arena *arena;         /* of this file's own */
  rgc_diagnostics *diags;
  const rgc_cuda_target *target;
  rgc_nvrtc *nvrtc;
} builder;

static bool open_builder(builder *b) {
  b->nvrtc = rgc_nvrtc_open(b->diags);
  if (!b->nvrtc || !rgc_nvrtc_check_architecture(b->nvrtc, b->target->arch, b->diags) || !rgc_cache_open(&b->store.cache, b->arena, b->diags)) return false;
  b->store.key = rgc_cache_hash_templates((uint64_t)rgc_nvrtc_version(b->nvrtc), rgc_cuda_templates, rgc_cuda_template_count);
  for (int i = 0; i < OPTIONS; i++) b->store.key = rgc_cache_hash(b->store.key, options[i]);
  b->store.key = rgc_cache_hash(rgc_cache_hash(b->store.key, b->target->arch), rgc_nvrtc_name(b->nvrtc));
  return true;
}

/* Compiling what is missing. */

/* One group; its diagnostics are the job's own until it is over. */
typedef struct job {
  const rgc_function_group *group;
  rgc_arena *arena;
  rgc_diagnostics diags;
  const char *path; /* of the cubin */
  bool good;
} job;

static rgc_cubin *compile_text(const builder *b, const rgc_function_group *group, const char *name, job *to) {
  rgc_text text = {0};
  rgc_function_group_print(b->store.functions, group, "cu", &text);
  rgc_template source = {.name = name, .text = rgc_text_chars(&text)};
  rgc_cubin *cubin = rgc_nvrtc_compile(b->nvrtc, &source, rgc_cuda_templates, rgc_cuda_template_count, b->target->arch, options, OPTIONS, to->arena, &to->diags);
  rgc_text_free(&text);
  return cubin;
}

/* A message of NVRTC tells the template's line, and not which kernel included it: the functions of a refused group are tried one by one. */
static void blame(const builder *b, job *to) {
  for (int i = 0; i < to->group->count; i++) {
    const rgc_function *function = &b->store.functions[to->group->functions[i]];
    rgc_function_group one = {.functions = &to->group->functions[i], .count = 1};
    rgc_diagnostics_init(&to->diags, to->arena);
    if (compile_text(b, &one, rgc_arena_printf(to->arena, "%s.cu", function->name), to)) continue;
    rgc_diagnostic *why = &to->diags.items[0];
    why->message = rgc_arena_printf(to->arena, "kernel %s of %s: %s", function->name, function->comment, why->message);
    return;
  }
}

static void compile_group(const builder *b, job *to) {
  to->arena = rgc_arena_create();
  rgc_diagnostics_init(&to->diags, to->arena);
  rgc_cubin *cubin = compile_text(b, to->group, "kernels.cu", to);
  to->good = cubin && rgc_cubin_write(cubin, to->path, &to->diags);
  if (!cubin) blame(b, to);
}

/* Hands on why a group was refused. */
static bool refuse(const builder *b, const job *from) {
  const rgc_diagnostic *why = &from->diags.items[0];
  return rgc_diag_fail(b->diags, why->code, NULL, why->help ? rgc_arena_strdup(b->diags->arena, why->help) : NULL, "%s", why->message);
}

/* What was compiled is kept at once, whether another group is refused or the process is stopped. */
static bool compile_groups(void *context, const rgc_function_group *groups, int count, const char *dir) {
  const builder *b = context;
  job *jobs = RGC_NEW_ARRAY(b->arena, job, count + 1);
  bool good = true;
  for (int i = 0; i < count; i++) jobs[i] = (job){.group = &groups[i], .path = rgc_arena_printf(b->arena, "%s/g%d.cubin", dir, i)};
#pragma omp parallel for schedule(dynamic)
  for (int i = 0; i < count; i++) {
    compile_group(b, &jobs[i]);
#pragma omp critical /* unnamed, for a name would be a symbol of the library; paths are made in one arena, for all threads */
    if (jobs[i].good && !rgc_function_publish(&b->store, jobs[i].group, jobs[i].path)) good = false;
  }
  for (int i = 0; i < count; i++) {
    if (good && !jobs[i].good) good = refuse(b, &jobs[i]);
    rgc_arena_destroy(jobs[i].arena);
  }
  return good;
}

/* Opening. */

/* Entries of one group are one file. */
static const rgc_cubin *find_same_file(const rgc_cuda_build *build, const struct stat *files, int function) {
  for (int i = 0; i < function; i++)
    if (files[i].st_ino == files[function].st_ino && files[i].st_dev == files[function].st_dev) return build->cubins[i];
  return NULL;
}

static bool open_function(const builder *b, rgc_cuda_build *build, struct stat *files, int i, rgc_arena *arena) {
  const char *path = rgc_function_entry(&b->store, i);
  const rgc_cubin *cubin = stat(path, &files[i]) ? NULL : find_same_file(build, files, i);
  build->cubins[i] = cubin ? cubin : rgc_cubin_read(path, arena);
  build->kernels[i] = build->cubins[i] ? rgc_cubin_kernel_named(build->cubins[i], b->store.functions[i].name) : NULL;
  if (!build->kernels[i])
    return rgc_diag_fail(b->diags, RGC_CODE_DEVICE, path, "remove the file", "this entry of the kernel cache is not whole, or without its kernel");
  const rgc_cubin_kernel *kernel = build->kernels[i];
  if (kernel->registers > build->most_registers) build->most_registers = kernel->registers, build->widest = i;
  build->spilling += kernel->spill_store_bytes > 0;
  return true;
}

rgc_cuda_build *rgc_cuda_build_open(const rgc_cuda_code *code, const rgc_cuda_target *target, rgc_arena *arena, rgc_diagnostics *diags) {
  builder b = {.arena = rgc_arena_create(), .diags = diags, .target = target,
               .store = {.functions = code->functions, .count = code->function_count, .suffix = "cubin", .use = rgc_cache_use}};
  rgc_cuda_build *build = RGC_NEW(arena, rgc_cuda_build);
  build->count = code->function_count;
  build->cubins = RGC_NEW_ARRAY(arena, const rgc_cubin *, build->count + 1);
  build->kernels = RGC_NEW_ARRAY(arena, const rgc_cubin_kernel *, build->count + 1);
  struct stat *files = RGC_NEW_ARRAY(b.arena, struct stat, build->count + 1);
  bool good = open_builder(&b) && rgc_function_store_fill(&b.store, compile_groups, &b, &build->compiled, &build->seconds);
  for (int i = 0; good && i < build->count; i++) good = open_function(&b, build, files, i, arena);
  rgc_nvrtc_close(b.nvrtc);
  rgc_arena_destroy(b.arena);
  return good ? build : NULL;
}

/* NULL: nothing is wrong with it. */
static const char *what_is_wrong(const rgc_cubin_kernel *kernel, rgc_arena *arena) {
  if (kernel->spill_store_bytes || (kernel->most_registers && kernel->registers > kernel->most_registers))
    return rgc_arena_printf(arena, "takes %d registers of the %d that its template declares, and spills %d bytes a thread", kernel->registers,
                            kernel->most_registers, kernel->spill_store_bytes);
  return kernel->loss;
}

int rgc_cuda_build_warn(const rgc_cuda_build *build, const rgc_cuda_code *code, rgc_diagnostics *diags) {
  int count = 0;
  for (int i = 0; i < build->count; i++) {
    const char *wrong = what_is_wrong(build->kernels[i], diags->arena);
    if (!wrong) continue;
    rgc_diagnostic *d = rgc_diag_add(diags, RGC_WARNING, RGC_CODE_KERNEL, (rgc_location){0}, "kernel %s (%s) of %s: %s", build->kernels[i]->name,
                                     code->functions[i].template_name, code->functions[i].comment, wrong);
    d->help = "it will run, and slowly; rgc compile --emit DIR writes its text";
    count++;
  }
  return count;
}
