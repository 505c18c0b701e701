/* onnx_evaluate.h: runs an ONNX model in double, with plain loops, by the text of ONNX's operators (opset 17). It knows those that rgc writes, in
 * the forms that it writes, and nothing of rgc's graphs; a node that it does not know fails the test. */
#ifndef RGC_TEST_ONNX_EVALUATE_H
#define RGC_TEST_ONNX_EVALUATE_H
#include "compiler/base/arena.h"

#include <stdint.h>

enum { ONNX_MAX_RANK = 8 };

/* A tensor; integers and truths are doubles, too. */
typedef struct onnx_value {
  const char *name;
  int rank;
  int64_t shape[ONNX_MAX_RANK];
  double *data; /* row-major */
} onnx_value;

typedef struct onnx_model {
  rgc_arena *arena;
  onnx_value *values; /* initializers; after a run all values */
  int value_count, value_capacity, initializer_count, node_count;
  struct onnx_node *nodes;
  int node_capacity;
} onnx_model;

/* Fails the test where the bytes are no model of opset 17. */
onnx_model *onnx_read(rgc_arena *arena, const void *bytes, size_t size_bytes);
/* Runs all nodes. */
void onnx_run(onnx_model *model, const onnx_value *input);
/* NULL: there is none. */
const onnx_value *onnx_find(const onnx_model *model, const char *name);
int onnx_count_nodes(const onnx_model *model, const char *op);
int64_t onnx_elems(const onnx_value *value);
#endif
