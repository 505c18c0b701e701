/* evaluate.h: runs a composite graph (ops.def) op by op, in double, with plain loops: the meaning of the ops.
 *
 * Every value has a row-major NHWC tensor of doubles (labels, taps and indices too), whatever its dtype and layout. Samples at
 * and past n_valid are zero in every value that follows the batch, and counted nowhere. Values whose `updates` is set have a
 * tensor of their own until the step ends; then they are copied over the value they update.
 *
 * Use: create, fill inputs, labels, parameters and buffers through rgc_reference_tensor, then step as often as wanted. */
#ifndef RGC_REFERENCE_EVALUATE_H
#define RGC_REFERENCE_EVALUATE_H
#include "compiler/graph/graph.h"

typedef struct rgc_reference rgc_reference;

/* What an executor hands to a step. */
typedef struct rgc_step_numbers {
  double scalars[RGC_SCALAR_COUNT];
  uint64_t seed; /* of the run: the key of Philox */
  uint32_t step; /* from 0 */
} rgc_step_numbers;

/* The graph must be valid, without kernel ops, and outlive the result. Constant initial values are filled in; the rest is
 * zero. */
rgc_reference *rgc_reference_create(const rgc_graph *graph);
void rgc_reference_destroy(rgc_reference *reference); /* NULL is allowed */
/* rgc_shape_elems(shape) doubles, NHWC. */
double *rgc_reference_tensor(rgc_reference *reference, int value);

/* All ops in order, then the updates. n_valid is scalars[RGC_SCALAR_N_VALID]. */
void rgc_reference_step(rgc_reference *reference, const rgc_step_numbers *numbers);
/* The parts of a step, for checking one kernel on given inputs. */
void rgc_reference_run_op(rgc_reference *reference, int op, const rgc_step_numbers *numbers);
void rgc_reference_apply_updates(rgc_reference *reference);
#endif
