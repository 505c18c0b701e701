/* weights.h: initial values, and parameters and buffers to and from files.
 *
 * A tensor in a file has torchvision's name and PyTorch's axis order ([O,I,KH,KW]); in the graph a weight is [O,KH,KW,I]. */
#ifndef RGC_TRAIN_WEIGHTS_H
#define RGC_TRAIN_WEIGHTS_H
#include "compiler/graph/graph.h"
#include "compiler/plan/safetensors.h"

/* One stored value and where its elements are, row-major over its logical shape; one of the two pointers is set. */
typedef struct rgc_weight {
  const rgc_value *value;
  float *f32;
  double *f64;
} rgc_weight;

bool rgc_is_learnt(const rgc_value *value); /* parameter or buffer */
/* Parameters and buffers as their init says, a stream of random numbers for each by its name; states likewise (zero). */
void rgc_weights_draw(const rgc_weight *weights, int count, uint64_t seed);
/* Copies as a file holds them, in `arena`. */
rgc_tensor *rgc_weights_tensors(const rgc_weight *weights, int count, rgc_arena *arena, int *tensor_count);
/* Every weight from the tensor of its name and shape (WEIGHTS error naming `path` otherwise; tensors that no weight has are left
 * alone). */
bool rgc_weights_take(const rgc_weight *weights, int count, const rgc_tensor_file *file, const char *path, rgc_diagnostics *diags);
bool rgc_weights_load(const rgc_weight *weights, int count, const char *path, rgc_diagnostics *diags);
#endif
