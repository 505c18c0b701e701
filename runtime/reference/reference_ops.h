/* reference_ops.h: what the files of runtime/reference share: the state of an evaluation and one function an op kind.
 *
 * An op function finds its outputs zeroed and writes only the first `rows` samples of those that follow the batch. */
#ifndef RGC_REFERENCE_REFERENCE_OPS_H
#define RGC_REFERENCE_REFERENCE_OPS_H
#include "runtime/reference/evaluate.h"

struct rgc_reference {
  const rgc_graph *graph;
  double **tensors; /* [value_count] */
  bool *batched;    /* [value_count]: axis N is the batch */
  const rgc_step_numbers *numbers; /* of the running step */
};

/* A tensor and its shape. */
typedef struct rgc_tensor_view {
  double *data;         /* [shape] */
  const int64_t *shape; /* N,H,W,C */
  int64_t rows;         /* samples that count: n_valid, or shape[0] where N is no batch */
} rgc_tensor_view;

rgc_tensor_view rgc_reference_input(const rgc_reference *reference, const rgc_op *op, int index);
rgc_tensor_view rgc_reference_output(const rgc_reference *reference, const rgc_op *op, int index);

void rgc_reference_conv(rgc_reference *reference, const rgc_op *op);
void rgc_reference_conv_dgrad(rgc_reference *reference, const rgc_op *op);
void rgc_reference_conv_wgrad(rgc_reference *reference, const rgc_op *op);
void rgc_reference_bn(rgc_reference *reference, const rgc_op *op);
void rgc_reference_bn_grad(rgc_reference *reference, const rgc_op *op);
void rgc_reference_maxpool(rgc_reference *reference, const rgc_op *op);
void rgc_reference_maxpool_grad(rgc_reference *reference, const rgc_op *op);
void rgc_reference_avgpool(rgc_reference *reference, const rgc_op *op);
void rgc_reference_avgpool_grad(rgc_reference *reference, const rgc_op *op);
void rgc_reference_filter(rgc_reference *reference, const rgc_op *op);
void rgc_reference_filter_grad(rgc_reference *reference, const rgc_op *op);
void rgc_reference_reduce(rgc_reference *reference, const rgc_op *op);
void rgc_reference_map(rgc_reference *reference, const rgc_op *op);
void rgc_reference_xent(rgc_reference *reference, const rgc_op *op);
void rgc_reference_xent_grad(rgc_reference *reference, const rgc_op *op);
#endif
