/* panel.c: see panel.h. */
#include "runtime/device/panel.h"

static int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

int64_t rgc_stored_element(const rgc_value *value, const int64_t point[RGC_AXES]) {
  const int64_t *shape = value->shape;
  const rgc_layout *l = &value->layout;
  if (l->kind == RGC_LAYOUT_NHWC) return ((point[0] * shape[1] + point[1]) * shape[2] + point[2]) * shape[3] + point[3];
  bool swapped = l->kind == RGC_LAYOUT_PANEL_T;
  int64_t out = swapped ? shape[0] : shape[0] / l->groups, in = swapped ? shape[3] / l->groups : shape[3];
  int64_t group = swapped ? point[3] / in : point[0] / out, o = point[0] % out, i = point[3] % in;
  int64_t panel = group * ceil_div(out, l->lanes) + o / l->lanes, block = panel * ceil_div(in, l->block) + i / l->block;
  return (((block * shape[1] + point[1]) * shape[2] + point[2]) * l->block + i % l->block) * l->lanes + o % l->lanes;
}
