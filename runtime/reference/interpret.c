/* interpret.c: kernels one output point at a time (interpret.h, compiler/graph/kernel.h).
 *
 * A run of a kernel first evaluates stage A (and B) over its whole space into arrays, then walks the output points in
 * row-major order: the core fills the accumulators, the epilogue is evaluated, and each store takes its node. So a prologue
 * is evaluated once a point, before padding, and partials see the points of a tile in order. */
#include "runtime/reference/interpret.h"

#include <math.h>
#include <string.h>

#include "compiler/passes/decompose_samples.h"
#include "runtime/reference/interpret_expr.h"

/* Everything one kernel's run needs; lives in a scratch arena. */
typedef struct run {
  const rgc_interpreter *interpreter;
  const rgc_kernel *kernel;
  rgc_arena *arena;
  double *a[RGC_MAX_ROOTS];      /* roots over A space */
  double *b;                     /* WEIGHTS: B over its space */
  double *tap_nodes, *epi_nodes; /* scratch of one evaluation */
  int64_t in_limit, out_limit;   /* first index along N that is not counted */
} run;

typedef struct accumulators {
  double acc[RGC_MAX_ROOTS];
  double best[RGC_MAX_ROOTS]; /* ARGMAX: the maximum so far */
} accumulators;

static int64_t element_of(const int64_t extent[RGC_AXES], const int64_t point[RGC_AXES]) {
  return ((point[0] * extent[1] + point[1]) * extent[2] + point[2]) * extent[3] + point[3];
}

bool rgc_next_point(int64_t point[RGC_AXES], const int64_t extent[RGC_AXES]) {
  for (int j = RGC_AXES - 1; j >= 0; j--) {
    if (++point[j] < extent[j]) return true;
    point[j] = 0;
  }
  return false;
}

/* Stages A and B. */

/* What is left of a number in memory. */
static double stored(const rgc_interpreter *interpreter, int value, double number) {
  bool rounded = interpreter->graph->values[value].dtype == RGC_BF16 && !interpreter->exact;
  return rounded ? rgc_round_bf16(number) : number;
}

static void side_store(const run *r, int64_t element, const double *nodes) {
  for (int i = 0; i < r->kernel->store_count; i++) {
    const rgc_store *store = &r->kernel->stores[i];
    if (store->kind == RGC_SIDE_STORE) r->interpreter->data[store->value][element] = stored(r->interpreter, store->value, nodes[store->node]);
  }
}

static void evaluate_a(run *r) {
  const rgc_kernel *k = r->kernel;
  if (!k->a) return;
  int64_t count = rgc_shape_elems(k->a_extent);
  for (int i = 0; i < k->a_root_count; i++) r->a[i] = RGC_NEW_ARRAY(r->arena, double, count);
  double *nodes = RGC_NEW_ARRAY(r->arena, double, k->a->node_count);
  rgc_expr_place place = {.interpreter = r->interpreter, .extent = k->a_extent};
  for (int64_t element = 0; element < count; element++, rgc_next_point(place.point, k->a_extent)) {
    if (place.point[RGC_N] >= r->in_limit) break;
    rgc_interpret_body(k->a, &place, nodes);
    for (int i = 0; i < k->a_root_count; i++) r->a[i][element] = nodes[k->a_roots[i]];
    side_store(r, element, nodes);
  }
}

static void evaluate_b(run *r) {
  const rgc_kernel *k = r->kernel;
  if (!k->b) return;
  int64_t count = rgc_shape_elems(k->b_extent);
  r->b = RGC_NEW_ARRAY(r->arena, double, count);
  double *nodes = RGC_NEW_ARRAY(r->arena, double, k->b->node_count);
  rgc_expr_place place = {.interpreter = r->interpreter, .extent = k->b_extent};
  for (int64_t element = 0; element < count; element++, rgc_next_point(place.point, k->b_extent)) {
    if (place.point[RGC_N] >= r->in_limit) break;
    rgc_interpret_body(k->b, &place, nodes);
    r->b[element] = nodes[k->b_root];
  }
}

/* Accumulators. */

static void reset(const rgc_kernel *k, accumulators *a) {
  for (int i = 0; i < RGC_MAX_ROOTS; i++) {
    a->acc[i] = k->combine[i] == RGC_COMBINE_MAX ? -INFINITY : 0;
    a->best[i] = -INFINITY;
  }
}

/* Count, mean and squared distances of two sets together (Chan, Golub, LeVeque 1979). */
static void merge_moments(double into[3], const double more[3]) {
  double count = into[0] + more[0];
  if (more[0] == 0) return;
  double delta = more[1] - into[1];
  into[2] += more[2] + delta * delta * (into[0] * more[0] / count);
  into[1] += delta * (more[0] / count);
  into[0] = count;
}

/* Takes one more set of terms, whose place in the reduction is `number`. */
static void accumulate(const rgc_kernel *k, accumulators *a, const double terms[RGC_MAX_ROOTS], int64_t number) {
  for (int i = 0; i < k->acc_count; i++) switch (k->combine[i]) {
      case RGC_COMBINE_SUM: a->acc[i] += terms[i]; break;
      case RGC_COMBINE_MAX: a->acc[i] = terms[i] > a->acc[i] ? terms[i] : a->acc[i]; break;
      case RGC_COMBINE_ARGMAX:
        if (!(terms[i] > a->best[i])) break;
        a->best[i] = terms[i];
        a->acc[i] = (double)number;
        break;
      case RGC_COMBINE_MERGE:
        if (i % 3 == 0) merge_moments(&a->acc[i], &terms[i]);
        break;
    }
}

/* Cores. */

static void reduce(const run *r, const int64_t out[RGC_AXES], accumulators *a) {
  const rgc_kernel *k = r->kernel;
  int64_t span[RGC_AXES], step[RGC_AXES] = {0}, number = 0;
  for (int j = 0; j < RGC_AXES; j++) span[j] = k->reduce_axes >> j & 1 ? k->a_extent[j] : 1;
  do {
    int64_t point[RGC_AXES];
    double terms[RGC_MAX_ROOTS] = {0};
    for (int j = 0; j < RGC_AXES; j++) point[j] = k->reduce_axes >> j & 1 ? step[j] : out[j];
    if (point[RGC_N] >= r->in_limit) continue;
    for (int i = 0; i < k->a_root_count; i++) terms[i] = r->a[i][element_of(k->a_extent, point)];
    accumulate(k, a, terms, number);
  } while (number++, rgc_next_point(step, span));
}

/* Where output coordinate `out` and tap `tap` meet A, along rows or columns; false where a transposed tap does not reach. */
static bool meet(const rgc_geometry *g, int axis, int64_t out, int64_t tap, int64_t *in) {
  int64_t stride = axis == RGC_H ? g->stride : g->stride_w, pad = axis == RGC_H ? g->pad : g->pad_w;
  if (!g->transposed) {
    *in = out * stride + tap * g->dilation - pad;
    return true;
  }
  int64_t scaled = out + pad - tap * g->dilation;
  *in = scaled / stride;
  return scaled % stride == 0;
}

static bool inside(const int64_t extent[RGC_AXES], const int64_t point[RGC_AXES]) {
  for (int j = 0; j < RGC_AXES; j++)
    if (point[j] < 0 || point[j] >= extent[j]) return false;
  return true;
}

/* Root i of A at `point`, or its fill. */
static double tapped(const run *r, int i, const int64_t point[RGC_AXES]) {
  bool in = inside(r->kernel->a_extent, point);
  return in ? r->a[i][element_of(r->kernel->a_extent, point)] : r->kernel->a_fill[i];
}

static void take_tap(const run *r, rgc_expr_place *place, accumulators *a) {
  const rgc_kernel *k = r->kernel;
  double gathered[RGC_MAX_ROOTS] = {0}, terms[RGC_MAX_ROOTS] = {0};
  for (int i = 0; i < k->a_root_count; i++) gathered[i] = tapped(r, i, place->tap_point);
  place->gather = gathered;
  rgc_interpret_body(k->tap, place, r->tap_nodes);
  for (int i = 0; i < k->acc_count; i++) terms[i] = r->tap_nodes[k->tap_roots[i]];
  accumulate(k, a, terms, place->tap_number);
}

static void window(const run *r, const int64_t out[RGC_AXES], accumulators *a) {
  const rgc_kernel *k = r->kernel;
  const rgc_geometry *g = &k->geometry;
  rgc_expr_place place = {.interpreter = r->interpreter, .extent = k->extent, .tap_operand = k->tap_operand};
  memcpy(place.point, out, sizeof place.point);
  memcpy(place.tap_point, out, sizeof place.tap_point);
  for (int64_t row = 0; row < g->kernel_h; row++)
    for (int64_t column = 0; column < g->kernel_w; column++) {
      if (!meet(g, RGC_H, out[RGC_H], row, &place.tap_point[RGC_H])) continue;
      if (!meet(g, RGC_W, out[RGC_W], column, &place.tap_point[RGC_W])) continue;
      place.tap_row = row;
      place.tap_column = column;
      place.tap_number = row * g->kernel_w + column;
      take_tap(r, &place, a);
    }
}

/* The weight of output channel o, tap (row, column), input channel k of o's group. A transposed contract reads the forward
 * weight, or, once that is packed for it, the weight with channels exchanged. */
static double weight_at(const run *r, int64_t o, int64_t row, int64_t column, int64_t k, int64_t group, int64_t depth) {
  const rgc_kernel *kernel = r->kernel;
  const rgc_value *value = &r->interpreter->graph->values[kernel->weight];
  int64_t point[RGC_AXES] = {o, row, column, k};
  int64_t within = o - group * (kernel->extent[RGC_C] / kernel->geometry.groups);
  if (kernel->geometry.transposed && value->layout.kind == RGC_LAYOUT_NHWC) {
    point[0] = group * depth + k;
    point[3] = within;
  } else if (kernel->geometry.transposed) {
    point[0] = within;
    point[3] = group * depth + k;
  }
  return r->interpreter->data[kernel->weight][element_of(value->shape, point)];
}

static void contract_pixels(const run *r, const int64_t out[RGC_AXES], accumulators *a) {
  const rgc_kernel *kernel = r->kernel;
  const rgc_geometry *g = &kernel->geometry;
  int64_t depth = kernel->a_extent[RGC_C] / g->groups, group = out[RGC_C] / (kernel->extent[RGC_C] / g->groups);
  int64_t point[RGC_AXES] = {out[RGC_N]};
  for (int64_t row = 0; row < g->kernel_h; row++)
    for (int64_t column = 0; column < g->kernel_w; column++) {
      if (!meet(g, RGC_H, out[RGC_H], row, &point[RGC_H]) || !meet(g, RGC_W, out[RGC_W], column, &point[RGC_W])) continue;
      for (int64_t k = 0; k < depth; k++) {
        point[RGC_C] = group * depth + k;
        a->acc[0] += tapped(r, 0, point) * weight_at(r, out[RGC_C], row, column, k, group, depth);
      }
    }
}

/* out is [o, row, column, i] of the weight. */
static void contract_weights(const run *r, const int64_t out[RGC_AXES], accumulators *a) {
  const rgc_kernel *k = r->kernel;
  int64_t pixels[RGC_AXES] = {k->b_extent[RGC_N], k->b_extent[RGC_H], k->b_extent[RGC_W], 1}, pixel[RGC_AXES] = {0};
  int64_t group = out[0] / (k->extent[0] / k->geometry.groups);
  do {
    if (pixel[RGC_N] >= r->in_limit) break;
    int64_t point[RGC_AXES] = {pixel[RGC_N], 0, 0, group * k->extent[3] + out[3]};
    int64_t gradient[RGC_AXES] = {pixel[RGC_N], pixel[RGC_H], pixel[RGC_W], out[0]};
    if (!meet(&k->geometry, RGC_H, pixel[RGC_H], out[1], &point[RGC_H])) continue;
    if (!meet(&k->geometry, RGC_W, pixel[RGC_W], out[2], &point[RGC_W])) continue;
    a->acc[0] += tapped(r, 0, point) * r->b[element_of(k->b_extent, gradient)];
  } while (rgc_next_point(pixel, pixels));
}

static void run_core(const run *r, const int64_t out[RGC_AXES], accumulators *a) {
  reset(r->kernel, a);
  switch (r->kernel->kind) {
    case RGC_MAP: return;
    case RGC_REDUCE: reduce(r, out, a); return;
    case RGC_WINDOW: window(r, out, a); return;
    case RGC_CONTRACT: (r->kernel->form == RGC_PIXELS ? contract_pixels : contract_weights)(r, out, a); return;
  }
}

/* Stores. */

static int64_t tile_of(const rgc_kernel *k, const int64_t out[RGC_AXES]) {
  if (k->tile_images) return out[RGC_N] / k->tile_images;
  int64_t cuts = k->tile_rows ? (k->extent[RGC_H] + k->tile_rows - 1) / k->tile_rows : 0;
  return k->tile_rows ? out[RGC_N] * cuts + out[RGC_H] / k->tile_rows : 0;
}

/* The partial of this point's tile and channel: planes lie `channels` apart. */
static void store_partial(const rgc_store *store, double *partial, int64_t channels, double number) {
  if (store->kind == RGC_PARTIAL_SUM) *partial += number;
  if (store->kind == RGC_PARTIAL_MAX && number > *partial) *partial = number;
  if (store->kind != RGC_PARTIAL_MOMENTS) return;
  double *count = partial, *mean = partial + channels, *squares = partial + 2 * channels;
  double delta = number - *mean;
  *count += 1;
  *mean += delta / *count;
  *squares += delta * (number - *mean);
}

static void store_point(const run *r, const int64_t out[RGC_AXES]) {
  const rgc_kernel *k = r->kernel;
  for (int i = 0; i < k->store_count; i++) {
    const rgc_store *store = &k->stores[i];
    double *data = r->interpreter->data[store->value];
    if (store->kind == RGC_SIDE_STORE) continue;
    double number = r->epi_nodes[store->node];
    int64_t channels = k->extent[RGC_C], planes = store->kind == RGC_PARTIAL_MOMENTS ? 3 : 1;
    if (store->kind == RGC_STORE)
      data[element_of(k->extent, out)] = stored(r->interpreter, store->value, number);
    else
      store_partial(store, data + tile_of(k, out) * planes * channels + out[RGC_C], channels, number);
  }
}

static void clear_partials(const run *r) {
  for (int i = 0; i < r->kernel->store_count; i++) {
    const rgc_store *store = &r->kernel->stores[i];
    if (!rgc_store_is_partial(store->kind)) continue;
    int64_t count = rgc_shape_elems(r->interpreter->graph->values[store->value].shape);
    double start = store->kind == RGC_PARTIAL_MAX ? -INFINITY : 0;
    for (int64_t e = 0; e < count; e++) r->interpreter->data[store->value][e] = start;
  }
}

static void walk_outputs(run *r) {
  const rgc_kernel *k = r->kernel;
  rgc_expr_place place = {.interpreter = r->interpreter, .extent = k->extent};
  do {
    accumulators a;
    if (place.point[RGC_N] >= r->out_limit) break;
    run_core(r, place.point, &a);
    place.acc = a.acc;
    if (k->epi) rgc_interpret_body(k->epi, &place, r->epi_nodes);
    store_point(r, place.point);
  } while (rgc_next_point(place.point, k->extent));
}

void rgc_interpret_kernel(const rgc_interpreter *interpreter, const rgc_kernel *kernel) {
  run r = {.interpreter = interpreter, .kernel = kernel, .arena = rgc_arena_create()};
  int64_t valid = (int64_t)interpreter->scalars[RGC_SCALAR_N_VALID];
  r.in_limit = rgc_kernel_samples_in(kernel, interpreter->samples) ? valid : INT64_MAX;
  r.out_limit = rgc_kernel_samples_out(kernel, interpreter->samples) ? valid : INT64_MAX;
  if (kernel->tap) r.tap_nodes = RGC_NEW_ARRAY(r.arena, double, kernel->tap->node_count);
  if (kernel->epi) r.epi_nodes = RGC_NEW_ARRAY(r.arena, double, kernel->epi->node_count);
  clear_partials(&r);
  evaluate_a(&r);
  evaluate_b(&r);
  walk_outputs(&r);
  rgc_arena_destroy(r.arena);
}

void rgc_interpret(const rgc_interpreter *interpreter) {
  for (int i = 0; i < interpreter->graph->op_count; i++) {
    const rgc_op *op = &interpreter->graph->ops[i];
    if (op->kind != RGC_OP_KERNEL) rgc_internal_error("interpret", "op %d (%s) is no kernel", i, op->word);
    rgc_interpret_kernel(interpreter, op->kernel);
  }
}

rgc_interpreter *rgc_interpreter_create(const rgc_graph *graph, rgc_arena *arena) {
  rgc_interpreter *interpreter = RGC_NEW(arena, rgc_interpreter);
  interpreter->graph = graph;
  interpreter->samples = rgc_sample_values(graph, arena);
  interpreter->data = RGC_NEW_ARRAY(arena, double *, graph->value_count);
  for (int i = 0; i < graph->value_count; i++)
    interpreter->data[i] = RGC_NEW_ARRAY(arena, double, rgc_shape_elems(graph->values[i].shape));
  rgc_interpreter_set_valid(interpreter, graph->batch);
  return interpreter;
}

void rgc_interpreter_set_valid(rgc_interpreter *interpreter, int64_t n_valid) {
  interpreter->scalars[RGC_SCALAR_N_VALID] = (double)n_valid;
  interpreter->scalars[RGC_SCALAR_INV_N] = 1 / (double)n_valid;
}
