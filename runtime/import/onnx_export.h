/* onnx_export.h: what the files that turn a network into an ONNX graph share; rgc_export_onnx (export.h) is their entry.
 *
 *   onnx_export.c   one function for each kind of op          onnx_map.c      op `map`: views and expressions
 *   onnx_weights.c  parameters, and batch norms folded into them   onnx_image.c  the two names of a value
 *
 * A value [N,H,W,C] is [N,C,H,W] in ONNX; so a convolution's weight [O,KH,KW,I] is [O,I,KH,KW], which PyTorch has, too. A linear layer is Gemm,
 * whose input and output have two axes; so a value has up to two names, as an image and flat, each made when it is asked for first.
 * The graph is the inference graph of batch 2: a value of batch 1 in it (a parameter, or what is computed of parameters alone) is broadcast
 * over the samples. ONNX's batch is the dimension "N". */
#ifndef RGC_IMPORT_ONNX_EXPORT_H
#define RGC_IMPORT_ONNX_EXPORT_H
#include "compiler/plan/plan.h"
#include "runtime/import/onnx_build.h"

typedef struct rgc_onnx_export {
  const rgc_plan *plan;   /* with weights */
  const rgc_graph *graph; /* composite, inference, batch 2 */
  rgc_onnx onnx;
  const char **image;     /* [value_count] the value as [N,C,H,W]; NULL: not made yet */
  const char **flat;      /* [value_count] as [N,C*H*W] */
  bool *is_initializer;   /* [value_count] is there already */
  const rgc_op **folded;  /* [op_count] of a batch norm: the convolution whose weights it goes into; of that: the batch norm; else NULL */
} rgc_onnx_export;

static const int rgc_onnx_axis[RGC_AXES] = {0, 2, 3, 1}; /* where N, H, W, C stand in ONNX */

/* onnx_image.c */
/* Whether ONNX is given the output as a matrix [N,C]. */
bool rgc_onnx_is_flat_output(const rgc_value *v);
/* The value as an image [N,C,H,W], or flat [N,C*H*W]. */
const char *rgc_onnx_image(rgc_onnx_export *x, int value);
const char *rgc_onnx_flat(rgc_onnx_export *x, int value);
/* What the image of a value that an op defines is called: as the value, unless that is the flat output's name. */
const char *rgc_onnx_image_name(rgc_onnx_export *x, int value);

/* onnx_map.c */
void rgc_onnx_map(rgc_onnx_export *x, const rgc_op *op);

/* onnx_weights.c */
/* The name of a parameter's or buffer's initializer, in PyTorch's shape. */
const char *rgc_onnx_weight(rgc_onnx_export *x, int value);
/* Fills x->folded: a batch norm folds into a convolution or linear layer whose output nobody else reads. */
void rgc_onnx_plan_folding(rgc_onnx_export *x);
/* Initializers of weight and bias of `conv` with the batch norm `bn` folded in:
 *   s = gamma / sqrt(var + eps);   w'[o,..] = w[o,..] s[o];   b'[o] = (b[o] - mean[o]) s[o] + beta[o]   (in double) */
void rgc_onnx_folded_weights(rgc_onnx_export *x, const rgc_op *conv, const rgc_op *bn, const char **weight, const char **bias);
#endif
