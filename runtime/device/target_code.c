/* target_code.c: see target_code.h. */
#include "runtime/device/target_code.h"

#include <string.h>

#include "runtime/device/cuda_build.h"
#include "runtime/device/emit_files.h"
#include "runtime/device/kernel_cache.h"

static bool is_cuda(const char *name) { return !strncmp(name, "cuda", 4) || !strncmp(name, "sm_", 3); }

const char *rgc_target_family(const char *name) { return is_cuda(name) ? "cuda" : !strncmp(name, "cpu", 3) ? "cpu" : ""; }

const char *rgc_target_list(const char *family, rgc_arena *arena) {
  rgc_text list = {0};
  if (is_cuda(family))
    for (const rgc_cuda_target *t = rgc_cuda_targets; t->arch; t++) rgc_text_printf(&list, "%s%s", list.length ? ", " : "", t->arch);
  else
    for (const rgc_cpu_target *t = rgc_cpu_targets; t->facts.name; t++) rgc_text_printf(&list, "%s%s", list.length ? ", " : "", t->facts.name);
  return rgc_text_take(&list, arena);
}

/* An architecture that rgc has no target for: whether NVRTC, if it is there, knows it. Returns NULL. */
static const rgc_target *refuse_architecture(const char *name, rgc_diagnostics *diags) {
  rgc_arena *scratch = rgc_arena_create();
  rgc_diagnostics unheard;
  rgc_diagnostics_init(&unheard, scratch);
  const char *arch = strncmp(name, "cuda-", 5) ? name : name + 5, *targets = rgc_cuda_target_list(diags->arena);
  rgc_nvrtc *nvrtc = rgc_nvrtc_open(&unheard);
  if (!nvrtc) rgc_cuda_target_choose(name, diags);
  else if (rgc_nvrtc_check_architecture(nvrtc, arch, diags))
    rgc_diag_fail(diags, RGC_CODE_DEVICE, NULL, targets, "NVRTC compiles for '%s', and rgc has no target for it", arch);
  else diags->items[diags->count - 1].help = targets;
  rgc_nvrtc_close(nvrtc);
  rgc_arena_destroy(scratch);
  return NULL;
}

const rgc_target *rgc_target_choose(const char *name, rgc_diagnostics *diags) {
  if (name && is_cuda(name)) {
    const rgc_cuda_target *target = strcmp(name, "cuda") ? rgc_cuda_target_named(name) : rgc_cuda_targets;
    return target ? &target->facts : refuse_architecture(name, diags);
  }
  const rgc_cpu_target *target = rgc_cpu_target_choose(name && strcmp(name, "cpu") ? name : NULL, diags);
  return target ? &target->facts : NULL;
}

static bool make_cpu(const rgc_graph *graph, const rgc_target *facts, bool compile, const char *emit_dir, rgc_code_facts *told,
                     rgc_arena *arena, rgc_diagnostics *diags) {
  const rgc_cpu_target *target = rgc_cpu_target_named(facts->name);
  rgc_cpu_code *code = rgc_cpu_emit(graph, target, arena, diags);
  if (!code) return false;
  rgc_kernel_build *build = compile ? rgc_kernel_build_open(code, target, arena, diags) : NULL;
  told->functions = code->function_count;
  told->scratch_bytes = code->slab_bytes;
  if (build) told->with_code = true, told->compiled = build->compiled, told->compile_seconds = build->seconds;
  bool good = (build || !compile) && (!emit_dir || rgc_cpu_write_files(code, emit_dir, diags));
  rgc_kernel_build_close(build);
  return good;
}

static const rgc_function_facts *function_facts(const rgc_cuda_code *code, const rgc_cuda_build *build, rgc_arena *arena) {
  rgc_function_facts *facts = RGC_NEW_ARRAY(arena, rgc_function_facts, build->count + 1);
  for (int i = 0; i < build->count; i++) {
    const rgc_cubin_kernel *kernel = build->kernels[i];
    facts[i] = (rgc_function_facts){.name = code->functions[i].name, .template_name = code->functions[i].template_name, .layers = code->functions[i].comment,
                                    .registers = kernel->registers, .most_registers = kernel->most_registers,
                                    .spill_bytes = kernel->spill_store_bytes, .shared_bytes = kernel->shared_bytes};
  }
  for (int i = 0; i < code->launch_count; i++) {
    rgc_function_facts *of = &facts[code->launches[i].function];
    int64_t bytes = build->kernels[code->launches[i].function]->shared_bytes + code->launches[i].shared_bytes;
    if (of->shared_bytes < bytes) of->shared_bytes = bytes;
  }
  return facts;
}

static bool make_cuda(const rgc_graph *graph, const rgc_target *facts, bool compile, const char *emit_dir, rgc_code_facts *told,
                      rgc_arena *arena, rgc_diagnostics *diags) {
  const rgc_cuda_target *target = rgc_cuda_target_named(facts->name);
  rgc_cuda_code *code = rgc_cuda_emit(graph, target, arena, diags);
  if (!code) return false;
  rgc_cuda_build *build = compile ? rgc_cuda_build_open(code, target, arena, diags) : NULL;
  told->functions = code->function_count;
  told->scratch_bytes = code->workspace_bytes;
  if (build) {
    told->with_code = true;
    told->compiled = build->compiled;
    told->compile_seconds = build->seconds;
    told->function_facts = function_facts(code, build, arena);
    rgc_cuda_build_warn(build, code, diags);
  }
  return (build || !compile) && (!emit_dir || rgc_cuda_write_files(code, emit_dir, diags));
}

bool rgc_code_make(const rgc_graph *graph, const rgc_target *target, bool compile, const char *emit_dir, rgc_code_facts *facts,
                   rgc_arena *arena, rgc_diagnostics *diags) {
  *facts = (rgc_code_facts){0};
  return (is_cuda(target->name) ? make_cuda : make_cpu)(graph, target, compile, emit_dir, facts, arena, diags);
}
