/* weights.h: initial values, and parameters and buffers to and from files.
 *
 * A tensor in a file has torchvision's name and PyTorch's axis order ([O,I,KH,KW]); in the graph a weight is [O,KH,KW,I]. */
#ifndef RGC_TRAIN_WEIGHTS_H
#define RGC_TRAIN_WEIGHTS_H
#include "compiler/graph/graph.h"

/* One stored value and where its elements are, row-major over its logical shape; one of the two pointers is set. */
typedef struct rgc_weight {
  const rgc_value *value;
  float *f32;
  double *f64;
} rgc_weight;

bool rgc_is_learnt(const rgc_value *value); /* parameter or buffer */
/* Parameters and buffers as their init says, a stream of random numbers for each by its name; states likewise (zero). */
void rgc_weights_draw(const rgc_weight *weights, int count, uint64_t seed);
/* Parameters and buffers as float32, atomically: a file that was there stays until the new one is whole. */
bool rgc_weights_save(const rgc_weight *weights, int count, const char *network, const char *path, rgc_diagnostics *diags);
/* Every parameter and buffer from a file that has it under that name and shape (WEIGHTS error otherwise; tensors that the network
 * does not have are left alone). */
bool rgc_weights_load(const rgc_weight *weights, int count, const char *path, rgc_diagnostics *diags);
#endif
