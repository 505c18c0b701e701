/* value_data.h: values as they lie in memory, for those that compare devices (verify.c, beside.c). */
#ifndef RGC_DEVICE_VALUE_DATA_H
#define RGC_DEVICE_VALUE_DATA_H
#include "compiler/graph/graph.h"
#include "runtime/reference/interpret.h"

/* A stored element as a number. */
static inline double rgc_value_number(const rgc_value *value, const void *data, int64_t element) {
  switch (value->dtype) {
    case RGC_I32: return ((const int32_t *)data)[element];
    case RGC_U8: return ((const uint8_t *)data)[element];
    case RGC_BF16: return rgc_bf16_number(((const uint16_t *)data)[element]);
    default: return ((const float *)data)[element];
  }
}

/* Whether an output lies where an input does, so that it must not be overwritten before the op runs. data[v]: where value v lies. */
static inline bool rgc_shares_storage(void *const *data, const rgc_op *op, int output) {
  for (int i = 0; i < op->input_count; i++)
    if (data[op->inputs[i]] == data[output]) return true;
  return false;
}
#endif
