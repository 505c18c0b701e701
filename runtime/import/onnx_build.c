/* onnx_build.c: see onnx_build.h. */
#include "runtime/import/onnx_build.h"

#include <inttypes.h>
#include <string.h>

#include "runtime/import/onnx.h"

enum { PAGE_BYTES = 4096 };

rgc_onnx rgc_onnx_create(rgc_arena *arena) {
  return (rgc_onnx){.arena = arena, .nodes = {.arena = arena}};
}

const char *rgc_onnx_name(rgc_onnx *onnx, const char *base) { return rgc_arena_printf(onnx->arena, "%s/%d", base, ++onnx->made); }

/* ---- nodes ---- */

rgc_onnx_node rgc_onnx_begin(rgc_onnx *onnx, const char *op, const char *output) {
  rgc_onnx_node node = {.onnx = onnx, .message = {.arena = onnx->arena}, .output = output};
  rgc_proto_text(&node.message, ONNX_NODE_OP, op);
  return node;
}

void rgc_onnx_input(rgc_onnx_node *node, const char *name) { rgc_proto_text(&node->message, ONNX_NODE_INPUT, name); }

static rgc_proto attribute_of(const rgc_onnx_node *node, const char *name, int type) {
  rgc_proto message = {.arena = node->onnx->arena};
  rgc_proto_text(&message, ONNX_ATTRIBUTE_NAME, name);
  rgc_proto_number(&message, ONNX_ATTRIBUTE_TYPE, (uint64_t)type);
  return message;
}

static void add_attribute(rgc_onnx_node *node, const rgc_proto *message) { rgc_proto_message(&node->message, ONNX_NODE_ATTRIBUTE, message); }

void rgc_onnx_int(rgc_onnx_node *node, const char *attribute, int64_t number) {
  rgc_proto message = attribute_of(node, attribute, ONNX_TYPE_INT);
  rgc_proto_number(&message, ONNX_ATTRIBUTE_I, (uint64_t)number);
  add_attribute(node, &message);
}

void rgc_onnx_ints(rgc_onnx_node *node, const char *attribute, const int64_t *numbers, int count) {
  rgc_proto message = attribute_of(node, attribute, ONNX_TYPE_INTS);
  for (int i = 0; i < count; i++) rgc_proto_number(&message, ONNX_ATTRIBUTE_INTS, (uint64_t)numbers[i]);
  add_attribute(node, &message);
}

void rgc_onnx_float(rgc_onnx_node *node, const char *attribute, double number) {
  rgc_proto message = attribute_of(node, attribute, ONNX_TYPE_FLOAT);
  rgc_proto_float(&message, ONNX_ATTRIBUTE_F, (float)number);
  add_attribute(node, &message);
}

void rgc_onnx_word(rgc_onnx_node *node, const char *attribute, const char *word) {
  rgc_proto message = attribute_of(node, attribute, ONNX_TYPE_STRING);
  rgc_proto_text(&message, ONNX_ATTRIBUTE_S, word);
  add_attribute(node, &message);
}

const char *rgc_onnx_end(rgc_onnx_node *node) {
  rgc_proto_text(&node->message, ONNX_NODE_OUTPUT, node->output);
  rgc_proto_text(&node->message, ONNX_NODE_NAME, node->output);
  rgc_proto_message(&node->onnx->nodes, ONNX_GRAPH_NODE, &node->message);
  node->onnx->node_count++;
  return node->output;
}

const char *rgc_onnx_unary(rgc_onnx *onnx, const char *op, const char *x, const char *output) {
  rgc_onnx_node node = rgc_onnx_begin(onnx, op, output);
  rgc_onnx_input(&node, x);
  return rgc_onnx_end(&node);
}

const char *rgc_onnx_binary(rgc_onnx *onnx, const char *op, const char *x, const char *y, const char *output) {
  rgc_onnx_node node = rgc_onnx_begin(onnx, op, output);
  rgc_onnx_input(&node, x);
  rgc_onnx_input(&node, y);
  return rgc_onnx_end(&node);
}

/* ---- tensors ---- */

/* All but the numbers. */
static rgc_proto tensor_head(rgc_arena *arena, const rgc_tensor *t) {
  rgc_proto message = {.arena = arena};
  for (int i = 0; i < t->rank; i++) rgc_proto_number(&message, ONNX_TENSOR_DIMS, (uint64_t)t->shape[i]);
  rgc_proto_number(&message, ONNX_TENSOR_TYPE, t->dtype == RGC_TENSOR_I64 ? ONNX_INT64 : ONNX_FLOAT);
  rgc_proto_text(&message, ONNX_TENSOR_NAME, t->name);
  return message;
}

static rgc_proto tensor_message(rgc_arena *arena, const rgc_tensor *t) {
  rgc_proto message = tensor_head(arena, t);
  rgc_proto_lend(&message, ONNX_TENSOR_RAW, t->data, t->size_bytes);
  return message;
}

void rgc_onnx_initializer(rgc_onnx *onnx, const rgc_tensor *tensor) {
  *RGC_PUSH(onnx->arena, onnx->initializers, onnx->initializer_count, onnx->initializer_capacity) = *tensor;
}

void rgc_onnx_add_entry(rgc_proto *message, int field, const char *key, const char *value) {
  rgc_proto entry = {.arena = message->arena};
  rgc_proto_text(&entry, ONNX_ENTRY_KEY, key);
  rgc_proto_text(&entry, ONNX_ENTRY_VALUE, value);
  rgc_proto_message(message, field, &entry);
}

/* Where numbers begin in the file beside the model that come behind `end_bytes`: at pages, so that readers may map them. */
static uint64_t place_behind(uint64_t end_bytes) { return (end_bytes + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES; }

static rgc_proto external_message(rgc_arena *arena, const rgc_tensor *t, const char *location, uint64_t offset_bytes) {
  rgc_proto message = tensor_head(arena, t);
  rgc_onnx_add_entry(&message, ONNX_TENSOR_EXTERNAL, "location", location);
  rgc_onnx_add_entry(&message, ONNX_TENSOR_EXTERNAL, "offset", rgc_arena_printf(arena, "%" PRIu64, offset_bytes));
  rgc_onnx_add_entry(&message, ONNX_TENSOR_EXTERNAL, "length", rgc_arena_printf(arena, "%zu", t->size_bytes));
  rgc_proto_number(&message, ONNX_TENSOR_LOCATION, ONNX_LOCATION_EXTERNAL);
  return message;
}

rgc_proto rgc_onnx_initializer_fields(const rgc_onnx *onnx, const char *location) {
  rgc_proto fields = {.arena = onnx->arena};
  uint64_t end = 0;
  for (int i = 0; i < onnx->initializer_count; i++) {
    const rgc_tensor *t = &onnx->initializers[i];
    uint64_t begin = place_behind(end);
    rgc_proto message = location ? external_message(onnx->arena, t, location, begin) : tensor_message(onnx->arena, t);
    rgc_proto_message(&fields, ONNX_GRAPH_INITIALIZER, &message);
    end = begin + t->size_bytes;
  }
  return fields;
}

bool rgc_onnx_write_numbers(const rgc_onnx *onnx, FILE *file) {
  static const char zeros[PAGE_BYTES];
  uint64_t end = 0;
  for (int i = 0; i < onnx->initializer_count; i++) {
    const rgc_tensor *t = &onnx->initializers[i];
    size_t gap = (size_t)(place_behind(end) - end);
    if (fwrite(zeros, 1, gap, file) != gap || fwrite(t->data, 1, t->size_bytes, file) != t->size_bytes) return false;
    end += gap + t->size_bytes;
  }
  return true;
}

const char *rgc_onnx_constant(rgc_onnx *onnx, const rgc_tensor *tensor) {
  rgc_onnx_node node = rgc_onnx_begin(onnx, "Constant", tensor->name);
  rgc_proto value = attribute_of(&node, "value", ONNX_TYPE_TENSOR), message = tensor_message(onnx->arena, tensor);
  rgc_proto_message(&value, ONNX_ATTRIBUTE_T, &message);
  add_attribute(&node, &value);
  return rgc_onnx_end(&node);
}

/* A constant whose name says its value, so that it need not be made twice. */
static const char *share_constant(rgc_onnx *onnx, rgc_tensor tensor, const char *name) {
  for (int i = 0; i < onnx->constants.count; i++)
    if (!strcmp(onnx->constants.items[i], name)) return onnx->constants.items[i];
  *RGC_PUSH(onnx->arena, onnx->constants.items, onnx->constants.count, onnx->constants.capacity) = name;
  void *data = rgc_arena_alloc(onnx->arena, tensor.size_bytes + 1);
  memcpy(data, tensor.data, tensor.size_bytes);
  tensor.data = data;
  tensor.name = name;
  return rgc_onnx_constant(onnx, &tensor);
}

const char *rgc_onnx_number(rgc_onnx *onnx, double number) {
  float value = (float)number;
  return share_constant(onnx, (rgc_tensor){.dtype = RGC_TENSOR_F32, .data = &value, .size_bytes = sizeof value},
                        rgc_arena_printf(onnx->arena, "number/%.9g", (double)value));
}

const char *rgc_onnx_int64s(rgc_onnx *onnx, const int64_t *numbers, int count) {
  rgc_text name = {0};
  rgc_text_add(&name, "integers");
  for (int i = 0; i < count; i++) rgc_text_printf(&name, "/%" PRId64, numbers[i]);
  rgc_tensor tensor = {.dtype = RGC_TENSOR_I64, .rank = 1, .shape = {count}, .data = numbers, .size_bytes = sizeof *numbers * (size_t)count};
  return share_constant(onnx, tensor, rgc_text_take(&name, onnx->arena));
}
