/* verify_kernel.c: what makes a kernel safe to run: its spaces, its geometry, its weight and the values it writes fit together.
 *
 * An executor trusts these numbers: it writes every point of the output space, reads a weight by geometry and groups alone, and
 * computes indices in int64. So a kernel from a stranger's file must meet all of this before anything is printed or run. Loads
 * through views need no rule but the bounds of their factors, since a view that leaves its value reads the fill. The expressions
 * and ids are right already (verify_body.c). */
#include <string.h>

#include "compiler/graph/kernel.h"
#include "compiler/graph/verify_rules.h"

enum { MAX_PANEL = 1024, MAX_TAP_OPERANDS = 32 }; /* lanes or rows of a panel */

static bool is_zero(const int64_t extent[RGC_AXES]) {
  return !extent[RGC_N] && !extent[RGC_H] && !extent[RGC_W] && !extent[RGC_C];
}

static bool equal(const int64_t x[RGC_AXES], int64_t n, int64_t h, int64_t w, int64_t c) {
  return x[RGC_N] == n && x[RGC_H] == h && x[RGC_W] == w && x[RGC_C] == c;
}

static const rgc_value *value_of(const rgc_verifier *v, int id) { return &v->graph->values[id]; }

/* Spaces: those the kind has, of a sensible size, and no others. */
static bool verify_space(rgc_verifier *v, const char *name, const rgc_body *body, const int64_t extent[RGC_AXES], bool wanted) {
  if (!rgc_verify_rule(v, !body == !wanted, wanted ? "stage %s is missing" : "stage %s does not belong to this kind", name)) return false;
  return rgc_verify_rule(v, wanted ? rgc_shape_fits(extent) : is_zero(extent), wanted ? "the %s space is empty or too large" : "the %s space must be unused",
                         name);
}

static bool verify_spaces(rgc_verifier *v, const rgc_kernel *k) {
  bool weights = k->kind == RGC_CONTRACT && k->form == RGC_WEIGHTS;
  bool ok = rgc_verify_rule(v, rgc_shape_fits(k->extent), "the output space is too large");
  ok = verify_space(v, "a", k->a, k->a_extent, k->kind != RGC_MAP) && ok;
  ok = verify_space(v, "b", k->b, k->b_extent, weights) && ok;
  ok = rgc_verify_rule(v, !k->tap == (k->kind != RGC_WINDOW), "a stage tap belongs to windows, and to nothing else") && ok;
  return ok;
}

/* Tiles: of at least one row or image where they are chosen, and no larger than the space. */
static bool verify_tiles(rgc_verifier *v, const rgc_kernel *k) {
  bool ok = k->tile_rows >= 0 && k->tile_rows <= k->extent[RGC_H] && k->tile_images >= 0 && k->tile_images <= k->extent[RGC_N];
  return rgc_verify_rule(v, ok, "tiles of %lld rows, %lld images", (long long)k->tile_rows, (long long)k->tile_images);
}

/* Accumulators. */

static bool merges_in_triples(const rgc_kernel *k, int i) {
  int first = i - i % 3;
  if (k->combine[i] != RGC_COMBINE_MERGE) return true;
  return first + 2 < k->acc_count && k->combine[first] == RGC_COMBINE_MERGE && k->combine[first + 1] == RGC_COMBINE_MERGE &&
         k->combine[first + 2] == RGC_COMBINE_MERGE;
}

static bool verify_accumulators(rgc_verifier *v, const rgc_kernel *k) {
  bool reduce = k->kind == RGC_REDUCE, window = k->kind == RGC_WINDOW, contract = k->kind == RGC_CONTRACT;
  bool ok = rgc_verify_rule(v, contract ? k->acc_count == 1 : (k->acc_count > 0) == (reduce || window), "%d accumulators", k->acc_count);
  ok = rgc_verify_rule(v, contract ? k->a_root_count == 1 : reduce ? k->a_root_count == k->acc_count : window || !k->a_root_count, "%d roots",
                       k->a_root_count) && ok;
  for (int i = 0; i < k->acc_count && i < RGC_MAX_ROOTS; i++) {
    ok = rgc_verify_rule(v, merges_in_triples(k, i) && (reduce || k->combine[i] != RGC_COMBINE_MERGE), "acc %d: moments merge in threes, in a reduce", i) && ok;
    ok = rgc_verify_rule(v, !contract || k->combine[i] == RGC_COMBINE_SUM, "acc %d: a contract sums", i) && ok;
  }
  for (int i = 0; contract && i < k->a_root_count; i++)
    ok = rgc_verify_rule(v, k->a_fill[i] == 0, "a contract reads 0 outside of A space") && ok;
  return ok;
}

/* Cores. */

static void verify_reduce(rgc_verifier *v, const rgc_kernel *k) {
  rgc_verify_rule(v, k->reduce_axes >= 1 && k->reduce_axes < 1u << RGC_AXES, "reduce_axes is %u", k->reduce_axes);
  for (int j = 0; j < RGC_AXES; j++)
    rgc_verify_rule(v, k->extent[j] == (k->reduce_axes >> j & 1 ? 1 : k->a_extent[j]), "the output has extent %lld on axis %d, A %lld",
                    (long long)k->extent[j], j, (long long)k->a_extent[j]);
}

static bool verify_geometry(rgc_verifier *v, const rgc_geometry *g) {
  return rgc_verify_rule(v, rgc_geometry_in_range(g), "the geometry has a number out of range");
}

/* Whether a window over `in` has `out` places, whichever way the last one is rounded. */
static bool is_window(const rgc_geometry *g, bool columns, int64_t in, int64_t out, bool may_ceil) {
  int64_t kernel = columns ? g->kernel_w : g->kernel_h, stride = columns ? g->stride_w : g->stride, pad = columns ? g->pad_w : g->pad;
  return out == rgc_window_extent(in, kernel, stride, pad, g->dilation, false) ||
         (may_ceil && out == rgc_window_extent(in, kernel, stride, pad, g->dilation, true));
}

/* H and W of what is walked over, and of what is walked: x and y of a forward pass. */
static void verify_walk(rgc_verifier *v, const rgc_geometry *g, const int64_t x[RGC_AXES], const int64_t y[RGC_AXES], bool may_ceil) {
  rgc_verify_rule(v, is_window(g, false, x[RGC_H], y[RGC_H], may_ceil) && is_window(g, true, x[RGC_W], y[RGC_W], may_ceil),
                  "windows over %lld x %lld do not give %lld x %lld", (long long)x[RGC_H], (long long)x[RGC_W], (long long)y[RGC_H],
                  (long long)y[RGC_W]);
  rgc_verify_rule(v, x[RGC_N] == y[RGC_N], "%lld samples and %lld", (long long)x[RGC_N], (long long)y[RGC_N]);
}

static void verify_window(rgc_verifier *v, const rgc_kernel *k) {
  const rgc_geometry *g = &k->geometry;
  if (!verify_geometry(v, g)) return;
  verify_walk(v, g, g->transposed ? k->extent : k->a_extent, g->transposed ? k->a_extent : k->extent, true);
  rgc_verify_rule(v, k->extent[RGC_C] == k->a_extent[RGC_C], "a window keeps the channels");
  int operands = k->tap->operand_count;
  rgc_verify_rule(v, operands <= MAX_TAP_OPERANDS && (operands == MAX_TAP_OPERANDS || !(k->tap_operand >> operands)), "tap_operand is %u",
                  k->tap_operand);
}

static void verify_weight(rgc_verifier *v, const rgc_kernel *k) {
  const rgc_value *w = value_of(v, k->weight);
  const rgc_geometry *g = &k->geometry;
  int64_t out = k->extent[RGC_C], in = k->a_extent[RGC_C];
  bool panel = w->layout.kind != RGC_LAYOUT_NHWC, ok;
  if (!g->transposed) ok = equal(w->shape, out, g->kernel_h, g->kernel_w, in / g->groups);
  else if (panel) ok = equal(w->shape, out / g->groups, g->kernel_h, g->kernel_w, in);
  else ok = equal(w->shape, in, g->kernel_h, g->kernel_w, out / g->groups);
  rgc_verify_rule(v, ok, "the weight %%%s does not have the shape of this contract", w->name);
  rgc_verify_rule(v, w->dtype == (v->graph->precision == RGC_PRECISION_BF16 ? RGC_BF16 : RGC_F32), "the weight %%%s is of the wrong type", w->name);
  if (!panel) return;
  rgc_verify_rule(v, (w->layout.kind == RGC_LAYOUT_PANEL_T) == g->transposed, "the weight %%%s is packed for the other direction", w->name);
  rgc_verify_rule(v, w->layout.groups == g->groups, "the weight %%%s is packed for %d groups", w->name, w->layout.groups);
}

static void verify_contract(rgc_verifier *v, const rgc_kernel *k) {
  const rgc_geometry *g = &k->geometry;
  bool weights = k->form == RGC_WEIGHTS;
  if (!verify_geometry(v, g)) return;
  rgc_verify_rule(v, g->stride_w == g->stride && g->pad_w == g->pad, "a contract steps alike along rows and columns");
  /* Templates go over the samples that count, which the device knows of the batch alone. */
  rgc_verify_rule(v, k->a_extent[RGC_N] == v->graph->batch, "a contract goes over %lld samples, and not over the batch, %lld", (long long)k->a_extent[RGC_N],
                  (long long)v->graph->batch);
  int64_t out = weights ? k->b_extent[RGC_C] : k->extent[RGC_C], in = k->a_extent[RGC_C];
  if (!rgc_verify_rule(v, out % g->groups == 0 && in % g->groups == 0, "%lld and %lld channels do not divide into %lld groups", (long long)in,
                       (long long)out, (long long)g->groups))
    return;
  if (weights) {
    rgc_verify_rule(v, !g->transposed, "a weight gradient is not transposed");
    rgc_verify_rule(v, equal(k->extent, out, g->kernel_h, g->kernel_w, in / g->groups), "the output space is not that of the weight");
    verify_walk(v, g, k->a_extent, k->b_extent, false);
    return;
  }
  verify_walk(v, g, g->transposed ? k->extent : k->a_extent, g->transposed ? k->a_extent : k->extent, false);
  verify_weight(v, k);
}

/* Stores and layouts. */

static void verify_store(rgc_verifier *v, const rgc_kernel *k, const rgc_store *store) {
  const rgc_value *value = value_of(v, store->value);
  const int64_t *e = store->kind == RGC_SIDE_STORE ? k->a_extent : k->extent;
  bool weights = k->kind == RGC_CONTRACT && k->form == RGC_WEIGHTS, ok;
  rgc_verify_rule(v, store->kind != RGC_SIDE_STORE || rgc_kernel_may_side_store(k), "%%%s is a side store of a kernel whose tiles do not load all of A",
                  value->name);
  if (rgc_store_is_partial(store->kind)) {
    ok = equal(value->shape, rgc_kernel_tile_count(k), store->kind == RGC_PARTIAL_MOMENTS ? 3 : 1, 1, e[RGC_C]) && value->dtype == RGC_F32;
    rgc_verify_rule(v, !weights, "a weight gradient has no partials");
  } else {
    ok = equal(value->shape, e[0], e[1], e[2], e[3]);
  }
  rgc_verify_rule(v, ok, "%%%s does not have the shape or type of what is stored in it", value->name);
  rgc_verify_rule(v, value->layout.kind == RGC_LAYOUT_NHWC || (k->kind == RGC_MAP && v->op->output_count == 1 && store->kind == RGC_STORE),
                  "only a map of one output packs, and %%%s is packed", value->name);
}

static void verify_stores(rgc_verifier *v, const rgc_kernel *k) {
  for (int i = 0; i < k->store_count; i++) {
    verify_store(v, k, &k->stores[i]);
    for (int j = 0; j < i; j++)
      rgc_verify_rule(v, k->stores[i].value != k->stores[j].value, "%%%s is stored twice", value_of(v, k->stores[i].value)->name);
  }
}

/* A packed value is the weight of a contract, and nothing reads it otherwise. */
static void verify_loads(rgc_verifier *v, const rgc_body *body) {
  for (int i = 0; body && i < body->operand_count; i++) {
    const rgc_value *value = value_of(v, body->operands[i].value);
    rgc_verify_rule(v, value->layout.kind == RGC_LAYOUT_NHWC, "%%%s is packed and cannot be loaded", value->name);
  }
}

bool rgc_verify_panel(rgc_verifier *v, const rgc_value *value) {
  const rgc_layout *l = &value->layout;
  if (l->kind == RGC_LAYOUT_NHWC) return true;
  bool ok = l->groups >= 1 && l->groups <= RGC_MAX_FACTOR && l->lanes >= 1 && l->lanes <= MAX_PANEL && !(l->lanes & (l->lanes - 1)) &&
            l->block >= 1 && l->block <= MAX_PANEL;
  ok = ok && value->shape[l->kind == RGC_LAYOUT_PANEL ? RGC_N : RGC_C] % l->groups == 0 && value->dtype == RGC_F32;
  return rgc_verify_rule(v, ok, "value %%%s has panels that cannot be", value->name);
}

void rgc_verify_kernel(rgc_verifier *v) {
  const rgc_kernel *k = v->op->kernel;
  bool pixels = k->kind == RGC_CONTRACT && k->form == RGC_PIXELS;
  rgc_verify_rule(v, pixels || k->weight == -1, "a weight belongs to a contract over pixels, and to nothing else");
  if (!verify_spaces(v, k) || !verify_tiles(v, k) || !verify_accumulators(v, k)) return;
  if (k->kind == RGC_REDUCE) verify_reduce(v, k);
  if (k->kind == RGC_WINDOW) verify_window(v, k);
  if (k->kind == RGC_CONTRACT) verify_contract(v, k);
  verify_stores(v, k);
  verify_loads(v, k->a);
  verify_loads(v, k->b);
  verify_loads(v, k->tap);
  verify_loads(v, k->epi);
}
