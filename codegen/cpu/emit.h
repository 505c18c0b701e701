/* emit.h: the kernels of a graph as C for the host.
 *
 * In: a graph whose ops are all kernels, contract weights in panel layouts. Out: one function for each kernel that differs from
 * those before it, and for each op a launch: which function, and with what arguments. A function holds few numbers (see the
 * templates in codegen/cpu/templates), so layers that differ in size only share it. Text holds no name that came from a graph file
 * but in its comment, and those are of [A-Za-z0-9._-]. */
#ifndef RGC_CODEGEN_CPU_EMIT_H
#define RGC_CODEGEN_CPU_EMIT_H
#include "codegen/cpu/targets.h"
#include "codegen/function.h"
#include "compiler/graph/kernel.h"

typedef struct rgc_cpu_launch {
  int function;              /* index into functions */
  void *args;                /* a kernel_args or contract_args; its pointers, scalars, seed and step are unset */
  size_t args_bytes;
  int64_t tile_count;
  int64_t slab_bytes;        /* scratch of one thread */
  int64_t shared_bytes;      /* scratch of all; a contract's `shared` */
  int64_t valid_per_sample;  /* args->valid = n_valid times this; 0: args->valid stays */
  bool contract;             /* args is a contract_args, its weight is the data of kernel->weight */
} rgc_cpu_launch;

typedef struct rgc_cpu_code {
  rgc_function *functions;
  int function_count, function_capacity;
  rgc_cpu_launch *launches; /* one an op */
  int64_t slab_bytes, shared_bytes; /* the most any launch needs */
} rgc_cpu_code;

/* Points the launch's arguments at the data of `op`'s values: data[v] is that of value v. shared: the code's shared_bytes, all zero at first. */
void rgc_cpu_launch_bind(rgc_cpu_launch *launch, const rgc_op *op, void *const *data, void *shared);
/* NULL with a diagnostic when a kernel is beyond what the templates can do. Everything lives in `arena`. */
rgc_cpu_code *rgc_cpu_emit(const rgc_graph *graph, const rgc_cpu_target *target, rgc_arena *arena, rgc_diagnostics *diags);
#endif
