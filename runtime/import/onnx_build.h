/* onnx_build.h: an ONNX graph being written: nodes in the order in which they run, constants, initializers.
 *
 * Names of values: [A-Za-z0-9._-]+ are the network's own; what is made here has a '/' in its name, so the two cannot meet. A node is called
 * as its output. */
#ifndef RGC_IMPORT_ONNX_BUILD_H
#define RGC_IMPORT_ONNX_BUILD_H
#include "compiler/lang/lang.h"
#include "compiler/plan/safetensors.h"
#include "runtime/import/protobuf.h"

typedef struct rgc_onnx {
  rgc_arena *arena;
  rgc_proto nodes;      /* fields of the GRAPH message */
  rgc_names constants;  /* names of those that are there */
  int node_count, made; /* made: names so far */
  rgc_tensor *initializers;
  int initializer_count, initializer_capacity;
} rgc_onnx;

/* A node being written. */
typedef struct rgc_onnx_node {
  rgc_onnx *onnx;
  rgc_proto message;
  const char *output;
} rgc_onnx_node;

rgc_onnx rgc_onnx_create(rgc_arena *arena);
/* "BASE/3", which no value is called yet. */
const char *rgc_onnx_name(rgc_onnx *onnx, const char *base);

rgc_onnx_node rgc_onnx_begin(rgc_onnx *onnx, const char *op, const char *output);
void rgc_onnx_input(rgc_onnx_node *node, const char *name);
void rgc_onnx_int(rgc_onnx_node *node, const char *attribute, int64_t number);
void rgc_onnx_ints(rgc_onnx_node *node, const char *attribute, const int64_t *numbers, int count);
void rgc_onnx_float(rgc_onnx_node *node, const char *attribute, double number);
void rgc_onnx_word(rgc_onnx_node *node, const char *attribute, const char *word);
/* All return the node's output. */
const char *rgc_onnx_end(rgc_onnx_node *node);
const char *rgc_onnx_unary(rgc_onnx *onnx, const char *op, const char *x, const char *output);
const char *rgc_onnx_binary(rgc_onnx *onnx, const char *op, const char *x, const char *y, const char *output);

/* Constants by value, each made once: a float32 without axes, int64[count]. */
const char *rgc_onnx_number(rgc_onnx *onnx, double number);
const char *rgc_onnx_int64s(rgc_onnx *onnx, const int64_t *numbers, int count);
/* A constant tensor under its name, which must be new; its data must stay until the file was written. */
const char *rgc_onnx_constant(rgc_onnx *onnx, const rgc_tensor *tensor);
/* An initializer, likewise. */
void rgc_onnx_initializer(rgc_onnx *onnx, const rgc_tensor *tensor);
/* All initializers, as fields of the GRAPH message. Their numbers stand in it or, with `location`, in the file of that name beside the model (onnx_external.h), as
 * rgc_onnx_write_numbers writes it. */
rgc_proto rgc_onnx_initializer_fields(const rgc_onnx *onnx, const char *location);
/* False with errno. */
bool rgc_onnx_write_numbers(const rgc_onnx *onnx, FILE *file);
void rgc_onnx_add_entry(rgc_proto *message, int field, const char *key, const char *value);
#endif
