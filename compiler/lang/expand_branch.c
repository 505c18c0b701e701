/* expand_branch.c: layers that take channels or branches apart and weigh them against each other: slice and softmax; see
 * expand.h. Both are maps: a slice is a view, a softmax an expression over its branches. */
#include <string.h>

#include "compiler/lang/expand.h"

enum { MAX_BRANCHES = 16 };

static void name_value(rgc_cell *cell, const char *name, int value) {
  rgc_value_names *v = cell->place->values;
  *RGC_PUSH(cell->x->arena, v->items, v->count, v->capacity) = (rgc_named_value){name, value};
}

/* Channels [part, part + 1) * C / parts. */
int rgc_emit_slice(rgc_cell *cell) {
  int64_t part, parts, shape[RGC_AXES];
  if (!rgc_cell_int(cell, "parts", 0, 1, &parts) || !rgc_cell_int(cell, "part", 0, 0, &part)) return -1;
  memcpy(shape, rgc_cell_shape(cell), sizeof shape);
  if (part >= parts || shape[RGC_C] % parts != 0) {
    rgc_cell_error(cell, rgc_cell_attr(cell, part >= parts ? "part" : "parts"), RGC_CODE_SHAPE, "part %d of %d of %d channels",
                   (int)part, (int)parts, (int)shape[RGC_C])->expected = "equal parts, counted from 0";
    return -1;
  }
  if (parts == 1) return cell->in;
  shape[RGC_C] /= parts;
  rgc_view view = rgc_view_identity();
  view.axis[RGC_C].add = part * shape[RGC_C];
  rgc_body *body = rgc_body_create(cell->x->arena);
  int y = rgc_cell_temp(cell, shape);
  rgc_cell_finish(cell, rgc_graph_map(cell->x->graph, body, rgc_body_load(body, cell->in, &view), y));
  return y;
}

/* The branches that softmax names in `of`, all of one shape. Returns their number, 0 after an error. */
static int find_branches(rgc_cell *cell, int values[MAX_BRANCHES]) {
  const rgc_yaml *of = rgc_cell_attr(cell, "of"), *as = rgc_cell_attr(cell, "as");
  int named = as && as->kind == RGC_YAML_LIST ? as->count : 0, branches = of && of->kind == RGC_YAML_LIST ? of->count : 0;
  if (branches < 2 || branches > MAX_BRANCHES || named != branches) {
    rgc_cell_error(cell, as ? as : of, RGC_CODE_BAD_VALUE, "softmax of %d branches that gives %d names", branches, named)->expected =
        "of: [a, b], as: [p, q]: two to 16 of each";
    return 0;
  }
  const rgc_graph *graph = cell->x->graph;
  for (int i = 0; i < of->count; i++) {
    if ((values[i] = rgc_cell_named(cell, of->items[i])) < 0) return 0;
    const int64_t *first = graph->values[values[0]].shape, *other = graph->values[values[i]].shape;
    if (!memcmp(first, other, sizeof(int64_t) * RGC_AXES)) continue;
    rgc_cell_error(cell, of->items[i], RGC_CODE_SHAPE, "softmax of branches of %dx%dx%d and %dx%dx%d (height, width, channels)",
                   (int)first[RGC_H], (int)first[RGC_W], (int)first[RGC_C], (int)other[RGC_H], (int)other[RGC_W], (int)other[RGC_C]);
    return 0;
  }
  return of->count;
}

/* exp(x_k - max) / sum over the branches of exp(x_i - max); of two branches the same is sigmoid(x_k - x_other). */
static int share(rgc_body *b, const int *loads, int count, int k) {
  if (count == 2)
    return rgc_body_node(b, RGC_EXPR_SIGMOID, rgc_body_node(b, RGC_EXPR_SUB, loads[k], loads[1 - k], -1), -1, -1);
  int most = loads[0], sum = -1, mine = -1;
  for (int i = 1; i < count; i++) most = rgc_body_node(b, RGC_EXPR_MAX, most, loads[i], -1);
  for (int i = 0; i < count; i++) {
    int power = rgc_body_node(b, RGC_EXPR_EXP, rgc_body_node(b, RGC_EXPR_SUB, loads[i], most, -1), -1, -1);
    sum = sum < 0 ? power : rgc_body_node(b, RGC_EXPR_ADD, sum, power, -1);
    if (i == k) mine = power;
  }
  return rgc_body_node(b, RGC_EXPR_DIV, mine, sum, -1);
}

/* Names the shares itself; what follows takes the last. */
int rgc_emit_softmax(rgc_cell *cell) {
  int values[MAX_BRANCHES], loads[MAX_BRANCHES], count = find_branches(cell, values), y = -1;
  const rgc_yaml *as = rgc_cell_attr(cell, "as");
  int64_t shape[RGC_AXES];
  if (count) memcpy(shape, cell->x->graph->values[values[0]].shape, sizeof shape);
  rgc_view identity = rgc_view_identity();
  for (int k = 0; k < count; k++) {
    rgc_body *body = rgc_body_create(cell->x->arena);
    for (int i = 0; i < count; i++) loads[i] = rgc_body_load(body, values[i], &identity);
    y = rgc_cell_temp(cell, shape);
    rgc_cell_finish(cell, rgc_graph_map(cell->x->graph, body, share(body, loads, count, k), y));
    name_value(cell, as->items[k]->text ? as->items[k]->text : "", y);
  }
  return y;
}
