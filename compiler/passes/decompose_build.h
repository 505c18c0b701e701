/* decompose_build.h: what the files of the pass `decompose` share: building one kernel at a time.
 *
 * A rule opens a kernel with rgc_decompose_kernel, adds nodes to its bodies, names its stores, and closes it with
 * rgc_decompose_emit, which appends the op; the op takes layer, word, line and direction from the composite it serves. */
#ifndef RGC_PASSES_DECOMPOSE_BUILD_H
#define RGC_PASSES_DECOMPOSE_BUILD_H
#include "compiler/passes/decompose.h"

enum { RGC_DECOMPOSE_MAX_STORES = 8 };

typedef struct rgc_decomposer {
  rgc_graph *graph;   /* the new one */
  const rgc_op *op;   /* the composite being rewritten */
} rgc_decomposer;

/* The shape of value `id`. A pointer into the graph: it holds until the next value is added. */
const int64_t *rgc_decompose_shape(const rgc_decomposer *d, int id);
/* A f32 TEMP of `shape`, named after the composite's first output: "NAME.suffix". */
int rgc_decompose_temp(rgc_decomposer *d, const char *suffix, const int64_t shape[RGC_AXES]);
/* A kernel with an empty epilogue and no stores. */
rgc_kernel *rgc_decompose_kernel(rgc_decomposer *d, rgc_kernel_kind kind, const int64_t extent[RGC_AXES]);
/* Gives the kernel an A space of `extent` with an empty body. */
void rgc_decompose_a_space(rgc_decomposer *d, rgc_kernel *kernel, const int64_t extent[RGC_AXES]);
/* Adds `node` of A to the roots, outside of A space `fill`; returns its number. */
int rgc_decompose_root(rgc_kernel *kernel, int node, double fill);
/* The next accumulator: combines root k (REDUCE, k its own number) or tap expression `tap_root` (WINDOW; else -1). */
int rgc_decompose_accumulate(rgc_kernel *kernel, rgc_combine combine, int tap_root);
void rgc_decompose_store(rgc_kernel *kernel, rgc_store_kind kind, int value, int node);
/* Appends the op; its inputs are the operands of all bodies and the weight, each once. */
void rgc_decompose_emit(rgc_decomposer *d, rgc_kernel *kernel);

/* Nodes. */
int rgc_decompose_load(const rgc_decomposer *d, rgc_body *body, int value, const int64_t extent[RGC_AXES]);
int rgc_decompose_unary(rgc_body *body, rgc_expr_kind kind, int a);
int rgc_decompose_binary(rgc_body *body, rgc_expr_kind kind, int a, int b);
int rgc_decompose_scaled(rgc_body *body, int a, double factor); /* a * factor */
/* `node` for samples below n_valid, else `otherwise`. */
int rgc_decompose_masked(rgc_body *body, int node, double otherwise);

/* The rules, one file each. */
void rgc_decompose_conv(rgc_decomposer *d);
void rgc_decompose_conv_dgrad(rgc_decomposer *d);
void rgc_decompose_conv_wgrad(rgc_decomposer *d);
void rgc_decompose_bn(rgc_decomposer *d);
void rgc_decompose_bn_grad(rgc_decomposer *d);
void rgc_decompose_maxpool(rgc_decomposer *d);
void rgc_decompose_maxpool_grad(rgc_decomposer *d);
void rgc_decompose_avgpool(rgc_decomposer *d);
void rgc_decompose_avgpool_grad(rgc_decomposer *d);
void rgc_decompose_filter(rgc_decomposer *d); /* and filter_grad */
void rgc_decompose_reduce(rgc_decomposer *d);
void rgc_decompose_xent(rgc_decomposer *d);
void rgc_decompose_xent_grad(rgc_decomposer *d);
#endif
