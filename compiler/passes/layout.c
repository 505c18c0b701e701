/* layout.c: see layout.h. A parameter itself stays in its logical order: gradients and optimizers need no panels, and packing
 * costs one pass over the weights, a few percent of what the contract costs at the smallest batch. */
#include "compiler/passes/layout.h"

#include <string.h>

#include "compiler/passes/rewrite.h"

int rgc_panel_lanes(const rgc_target *target, int64_t channels) {
  int lanes = target->panel_lanes;
  while (lanes > target->min_panel_lanes && lanes / 2 >= channels) lanes /= 2;
  return lanes;
}

static rgc_layout choose_layout(const rgc_kernel *kernel, const rgc_target *target) {
  int64_t groups = kernel->geometry.groups, in = kernel->a_extent[RGC_C] / groups, out = kernel->extent[RGC_C] / groups;
  return (rgc_layout){.kind = kernel->geometry.transposed ? RGC_LAYOUT_PANEL_T : RGC_LAYOUT_PANEL,
                      .groups = (int)groups,
                      .lanes = rgc_panel_lanes(target, out),
                      .block = in < target->block ? (int)in : target->block};
}

/* Appends the packing of `weight` for `op`; returns the packed value. */
static int append_pack(rgc_graph *graph, const rgc_op *op, int weight, rgc_layout layout) {
  int64_t shape[RGC_AXES];
  rgc_view view = rgc_view_identity();
  memcpy(shape, graph->values[weight].shape, sizeof shape);
  if (layout.kind == RGC_LAYOUT_PANEL_T) {
    shape[0] = graph->values[weight].shape[3];
    shape[3] = graph->values[weight].shape[0];
    view.axis[0].from = 3;
    view.axis[3].from = 0;
  }
  const char *suffix = layout.kind == RGC_LAYOUT_PANEL_T ? "packed_t" : "packed";
  char *name = rgc_arena_printf(graph->arena, "%s.%s", graph->values[weight].name, suffix);
  int packed = rgc_graph_value(graph, name, RGC_F32, RGC_ROLE_TEMP, shape);
  graph->values[packed].layout = layout;
  rgc_kernel *kernel = rgc_kernel_map(graph, packed, graph->arena);
  kernel->stores[0].node = rgc_body_load(kernel->epi, weight, &view);
  rgc_append_kernel(graph, op, kernel)->word = "pack";
  return packed;
}

void rgc_assign_layouts(rgc_graph *graph, const rgc_target *target) {
  if (!target->panel_lanes) return;
  rgc_old_ops old = rgc_take_ops(graph);
  for (int i = 0; i < old.count; i++) {
    rgc_kernel *kernel = old.items[i].kernel;
    bool contract = kernel->kind == RGC_CONTRACT && kernel->form == RGC_PIXELS;
    if (contract && graph->values[kernel->weight].layout.kind == RGC_LAYOUT_NHWC)
      kernel->weight = append_pack(graph, &old.items[i], kernel->weight, choose_layout(kernel, target));
    rgc_append_kernel(graph, &old.items[i], kernel);
  }
}
