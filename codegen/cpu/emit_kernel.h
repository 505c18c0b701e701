/* emit_kernel.h: what the files of codegen/cpu share: one kernel being printed.
 *
 * In the text the kernel's own name is written @, and becomes its name when the text is complete (emit.c). */
#ifndef RGC_CODEGEN_CPU_EMIT_KERNEL_H
#define RGC_CODEGEN_CPU_EMIT_KERNEL_H
#include "codegen/cpu/emit.h"
#include "codegen/expr.h"

typedef struct rgc_kernel_text {
  const rgc_graph *graph;
  const rgc_op *op;
  const rgc_cpu_target *target;
  const bool *samples;  /* by value: axis N counts samples (compiler/passes/decompose_samples.h) */
  rgc_arena *arena;     /* of the args */
  rgc_text text;
  rgc_cpu_launch *launch;
} rgc_kernel_text;

/* Each prints into `text` and fills `launch`; false where the templates cannot do it. */
bool rgc_cpu_emit_map(rgc_kernel_text *k);
bool rgc_cpu_emit_reduce(rgc_kernel_text *k);
bool rgc_cpu_emit_window(rgc_kernel_text *k);
bool rgc_cpu_emit_pack(rgc_kernel_text *k);
bool rgc_cpu_emit_pixels(rgc_kernel_text *k);
bool rgc_cpu_emit_weights(rgc_kernel_text *k);

/* Spaces: coordinates n, h, w, c; extents are args->PREFIX_h and so on. */
rgc_print_space rgc_cpu_emit_space(const int64_t extent[RGC_AXES], bool out);
/* `#define CONTRACT_LANES n` and the includes every kernel begins with. */
void rgc_cpu_emit_head(rgc_kernel_text *k, int lanes);
/* The stores of the epilogue: `vec_store_part(...)` for each STORE and `partial[i] = ...` for each partial. */
void rgc_cpu_emit_stores(rgc_kernel_text *k, const rgc_print_space *space);
/* The side stores: `vec_store_part(...)` for each. */
void rgc_cpu_emit_side_stores(rgc_kernel_text *k, const rgc_print_space *space);
/* Definitions of the nodes of stage a that the root and the side stores of a contract need. */
void rgc_cpu_emit_side_nodes(rgc_kernel_text *k, const rgc_print_space *space);
/* Definitions of the nodes of the epilogue that its stores need. */
void rgc_cpu_emit_epilogue_nodes(rgc_kernel_text *k, const rgc_print_space *space, const char *acc);
/* `#define PREFIX_PARTIALS n` and `PREFIX_PARTIAL_KINDS`. Returns n. */
int rgc_cpu_emit_partials(rgc_kernel_text *k, const char *prefix);
#endif
