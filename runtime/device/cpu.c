/* cpu.c: see cpu.h. */
#include "runtime/device/cpu.h"

#include <omp.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "codegen/cpu/templates/contract_args.h"
#include "runtime/device/kernel_cache.h"

/* How far the tiles of one op are, in this step. */
typedef struct tile_count {
  atomic_llong taken, done;
} tile_count;

struct rgc_cpu_program {
  rgc_arena *arena;
  const rgc_graph *graph;
  rgc_cpu_code *code;
  rgc_kernel_build *build;
  int threads;
  void **slabs; /* [threads], each code->slab_bytes */
  void *shared; /* code->shared_bytes */
  tile_count *counts; /* [op_count] */
};

static bool fits(const rgc_graph *graph, rgc_diagnostics *diags) {
  for (int i = 0; i < graph->op_count; i++) {
    const rgc_op *op = &graph->ops[i];
    if (op->input_count > KERNEL_MAX_OPERANDS || op->output_count > KERNEL_MAX_OUTPUTS)
      return rgc_diag_fail(diags, RGC_CODE_IR_INVALID, NULL, NULL, "op %d (%s) has too many inputs or outputs", i, op->layer);
  }
  return true;
}

static void make_slabs(rgc_cpu_program *p) {
  p->shared = calloc(1, (size_t)p->code->shared_bytes + 64);
  if (!p->shared) rgc_internal_error("cpu", "no memory for %lld bytes that threads share", (long long)p->code->shared_bytes);
  size_t bytes = ((size_t)p->code->slab_bytes + 4095) / 4096 * 4096 + 4096;
  p->slabs = RGC_NEW_ARRAY(p->arena, void *, p->threads);
  for (int i = 0; i < p->threads; i++)
    if (posix_memalign(&p->slabs[i], 1 << 12, bytes)) rgc_internal_error("cpu", "no memory for a slab of %zu bytes", bytes);
}

rgc_cpu_program *rgc_cpu_program_create(const rgc_graph *graph, const rgc_cpu_target *target, void *const *data, int threads,
                                        rgc_diagnostics *diags) {
  rgc_arena *arena = rgc_arena_create();
  rgc_cpu_program *p = RGC_NEW(arena, rgc_cpu_program);
  p->arena = arena;
  p->graph = graph;
  p->threads = threads > 0 ? threads : omp_get_max_threads();
  p->code = fits(graph, diags) ? rgc_cpu_emit(graph, target, arena, diags) : NULL;
  p->build = p->code ? rgc_kernel_build_open(p->code, target, arena, diags) : NULL;
  if (!p->build) {
    rgc_arena_destroy(arena);
    return NULL;
  }
  make_slabs(p);
  for (int i = 0; i < graph->op_count; i++) rgc_cpu_launch_bind(&p->code->launches[i], &graph->ops[i], data, p->shared);
  p->counts = RGC_NEW_ARRAY(arena, tile_count, graph->op_count + 1);
  return p;
}

void rgc_cpu_program_destroy(rgc_cpu_program *p) {
  if (!p) return;
  rgc_kernel_build_close(p->build);
  for (int i = 0; i < p->threads; i++) free(p->slabs[i]);
  free(p->shared);
  rgc_arena_destroy(p->arena);
}

void rgc_cpu_step_set_valid(rgc_cpu_step *step, int64_t valid) {
  step->scalars[RGC_SCALAR_N_VALID] = (float)valid;
  step->scalars[RGC_SCALAR_INV_N] = 1 / (float)valid;
  step->scalars[RGC_SCALAR_FIRST] = step->scalars[RGC_SCALAR_LAST] = step->scalars[RGC_SCALAR_SHARE] = 1;
}

static void tell(rgc_cpu_program *p, const rgc_cpu_step *step, int first, int count) {
  for (int i = first; i < first + count; i++) {
    rgc_cpu_launch *launch = &p->code->launches[i];
    common_args *args = launch->args;
    if (launch->valid_per_sample) args->valid = (int64_t)step->scalars[RGC_SCALAR_N_VALID] * launch->valid_per_sample;
    args->scalars = step->scalars;
    args->seed = (int64_t)step->seed;
    args->step = step->step;
    atomic_store_explicit(&p->counts[i].taken, 0, memory_order_relaxed);
    atomic_store_explicit(&p->counts[i].done, 0, memory_order_relaxed);
  }
}

enum { SPINS_BEFORE_YIELD = 4000 };

static void wait_for(const atomic_llong *done, long long count) {
  for (int spins = 0; atomic_load_explicit(done, memory_order_acquire) < count; spins++) {
#ifdef __x86_64__
    __builtin_ia32_pause();
#endif
    if (spins > SPINS_BEFORE_YIELD) sched_yield();
  }
}

/* All threads come here; tiles are handed out one by one. An op is over when its tiles are done, not when all threads have come: one
 * that the system has put aside holds up nobody unless it has a tile. */
static void share_tiles(const rgc_cpu_program *p, int i, void *slab) {
  const rgc_cpu_launch *launch = &p->code->launches[i];
  rgc_cpu_kernel kernel = p->build->kernels[launch->function];
  tile_count *counts = &p->counts[i];
  for (long long tile; (tile = atomic_fetch_add_explicit(&counts->taken, 1, memory_order_relaxed)) < launch->tile_count;) {
    kernel(launch->args, tile, slab);
    atomic_fetch_add_explicit(&counts->done, 1, memory_order_release);
  }
  wait_for(&counts->done, launch->tile_count);
}

void rgc_cpu_program_run_ops(rgc_cpu_program *p, const rgc_cpu_step *step, int first, int count) {
  tell(p, step, first, count);
#pragma omp parallel num_threads(p->threads)
  for (int i = first; i < first + count; i++) share_tiles(p, i, p->slabs[omp_get_thread_num()]);
}

void rgc_cpu_program_run(rgc_cpu_program *p, const rgc_cpu_step *step) { rgc_cpu_program_run_ops(p, step, 0, p->graph->op_count); }

void rgc_cpu_program_profile(rgc_cpu_program *p, const rgc_cpu_step *step, double *seconds) {
  tell(p, step, 0, p->graph->op_count);
#pragma omp parallel num_threads(p->threads)
  {
    double start = omp_get_wtime();
    for (int i = 0; i < p->graph->op_count; i++) {
      share_tiles(p, i, p->slabs[omp_get_thread_num()]);
      double end = omp_get_wtime();
      if (omp_get_thread_num() == 0) seconds[i] += end - start;
      start = end;
    }
  }
}

const rgc_cpu_code *rgc_cpu_program_code(const rgc_cpu_program *p) { return p->code; }
int rgc_cpu_program_threads(const rgc_cpu_program *p) { return p->threads; }
int rgc_cpu_program_compiled(const rgc_cpu_program *p, double *seconds) {
  if (seconds) *seconds = p->build->seconds;
  return p->build->compiled;
}
