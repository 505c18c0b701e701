/* onnx_image.c: the two names of a value; see onnx_export.h. */
#include "runtime/import/onnx_export.h"

bool rgc_onnx_is_flat_output(const rgc_value *v) { return v->role == RGC_ROLE_OUTPUT && v->shape[RGC_H] == 1 && v->shape[RGC_W] == 1; }

const char *rgc_onnx_image_name(rgc_onnx_export *x, int value) {
  const rgc_value *v = &x->graph->values[value];
  return rgc_onnx_is_flat_output(v) ? rgc_onnx_name(&x->onnx, v->name) : v->name;
}

static const char *add_axes(rgc_onnx_export *x, const char *name, const char *base, const int64_t *axes, int count) {
  const char *list = rgc_onnx_int64s(&x->onnx, axes, count);
  return rgc_onnx_binary(&x->onnx, "Unsqueeze", name, list, rgc_onnx_name(&x->onnx, base));
}

/* A parameter that an expression or a convolution reads. */
static const char *parameter_image(rgc_onnx_export *x, int value) {
  const rgc_value *v = &x->graph->values[value];
  const char *name = rgc_onnx_weight(x, value);
  if (v->torch_rank == 4) return name;
  if (v->torch_rank == 3) return add_axes(x, name, v->name, (int64_t[]){2}, 1);
  if (v->torch_rank == 1) return add_axes(x, name, v->name, (int64_t[]){0, 2, 3}, 3);
  rgc_internal_error("onnx_export", "%s is read as an image", v->name);
}

const char *rgc_onnx_image(rgc_onnx_export *x, int value) {
  const rgc_value *v = &x->graph->values[value];
  if (x->image[value]) return x->image[value];
  return x->image[value] = x->flat[value] ? add_axes(x, x->flat[value], v->name, (int64_t[]){2, 3}, 2) : parameter_image(x, value);
}

const char *rgc_onnx_flat(rgc_onnx_export *x, int value) {
  const rgc_value *v = &x->graph->values[value];
  if (x->flat[value]) return x->flat[value];
  const char *output = rgc_onnx_is_flat_output(v) ? v->name : rgc_onnx_name(&x->onnx, v->name);
  return x->flat[value] = rgc_onnx_unary(&x->onnx, "Flatten", rgc_onnx_image(x, value), output);
}
