/* target_code.c: see target_code.h. */
#include "runtime/device/target_code.h"

#include <string.h>

#include "runtime/device/cuda_build.h"
#include "runtime/device/emit_files.h"
#include "runtime/device/kernel_cache.h"

static bool is_cuda(const char *name) { return !strncmp(name, "cuda", 4) || !strncmp(name, "sm_", 3); }

const rgc_target *rgc_target_choose(const char *name, rgc_diagnostics *diags) {
  if (name && is_cuda(name)) {
    const rgc_cuda_target *target = rgc_cuda_target_choose(strcmp(name, "cuda") ? name : NULL, diags);
    return target ? &target->facts : NULL;
  }
  const rgc_cpu_target *target = rgc_cpu_target_choose(name && strcmp(name, "cpu") ? name : NULL, diags);
  return target ? &target->facts : NULL;
}

static bool make_cpu(const rgc_graph *graph, const rgc_target *facts, bool compile, const char *emit_dir, rgc_code_facts *told,
                     rgc_arena *scratch, rgc_diagnostics *diags) {
  const rgc_cpu_target *target = rgc_cpu_target_named(facts->name);
  rgc_cpu_code *code = rgc_cpu_emit(graph, target, scratch, diags);
  if (!code) return false;
  rgc_kernel_build *build = compile ? rgc_kernel_build_open(code, target, scratch, diags) : NULL;
  told->functions = code->function_count;
  told->scratch_bytes = code->slab_bytes;
  if (build) told->with_code = true, told->compiled = build->compiled, told->compile_seconds = build->seconds;
  bool good = (build || !compile) && (!emit_dir || rgc_cpu_write_files(code, emit_dir, diags));
  rgc_kernel_build_close(build);
  return good;
}

static bool make_cuda(const rgc_graph *graph, const rgc_target *facts, bool compile, const char *emit_dir, rgc_code_facts *told,
                      rgc_arena *scratch, rgc_diagnostics *diags) {
  const rgc_cuda_target *target = rgc_cuda_target_named(facts->name);
  rgc_cuda_code *code = rgc_cuda_emit(graph, target, scratch, diags);
  if (!code) return false;
  rgc_cuda_build *build = compile ? rgc_cuda_build_open(code, target, scratch, diags) : NULL;
  told->functions = code->function_count;
  told->scratch_bytes = code->workspace_bytes;
  if (build) {
    told->with_code = true;
    told->compiled = build->count;
    told->compile_seconds = build->seconds;
    told->registers = build->most_registers;
    told->spilling = build->spilling;
  }
  bool good = (build || !compile) && (!emit_dir || rgc_cuda_write_files(code, emit_dir, diags));
  rgc_cuda_build_close(build);
  return good;
}

bool rgc_code_make(const rgc_graph *graph, const rgc_target *target, bool compile, const char *emit_dir, rgc_code_facts *facts,
                   rgc_diagnostics *diags) {
  rgc_arena *scratch = rgc_arena_create();
  *facts = (rgc_code_facts){0};
  bool good = (is_cuda(target->name) ? make_cuda : make_cpu)(graph, target, compile, emit_dir, facts, scratch, diags);
  rgc_arena_destroy(scratch);
  return good;
}
