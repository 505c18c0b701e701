/* test_decompose.c: each composite op, decomposed and interpreted, against the formula of its definition written out here in
 * another order of loops, and every value against the reference of composite ops; samples past n_valid are filled with
 * numbers that would show. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "compiler/passes/autodiff.h"
#include "compiler/passes/cost.h"
#include "compiler/passes/decompose.h"
#include "compiler/passes/optimizer.h"
#include "runtime/reference/evaluate.h"
#include "runtime/reference/interpret.h"

enum { BATCH = 5, VALID = 4 };

typedef struct fixture {
  rgc_arena *arena;
  rgc_diagnostics diags;
  rgc_graph *graph, *kernels;
  rgc_interpreter *run;
} fixture;

static fixture *start(void) {
  rgc_arena *arena = rgc_arena_create();
  fixture *f = RGC_NEW(arena, fixture);
  f->arena = arena;
  rgc_diagnostics_init(&f->diags, arena);
  f->graph = rgc_graph_create(arena, "test", BATCH);
  return f;
}

static int value(fixture *f, const char *name, rgc_role role, int64_t n, int64_t h, int64_t w, int64_t c) {
  rgc_dtype dtype = role == RGC_ROLE_LABEL ? RGC_I32 : RGC_F32;
  return rgc_graph_value(f->graph, name, dtype, role, (int64_t[]){n, h, w, c});
}

static int like(fixture *f, const char *name, int other) {
  int64_t shape[RGC_AXES];
  memcpy(shape, f->graph->values[other].shape, sizeof shape);
  return rgc_graph_value(f->graph, name, RGC_F32, RGC_ROLE_TEMP, shape);
}

#define OP(f, kind, ins, outs)                                                                                         \
  rgc_graph_op((f)->graph, (kind), (ins), (int)(sizeof(ins) / sizeof *(ins)), (outs),                                  \
               (int)(sizeof(outs) / sizeof *(outs)))

/* A value of the decomposed graph, once there is one; ids are those of the composite. */
static const rgc_value *value_of(const fixture *f, int id) { return &(f->kernels ? f->kernels : f->graph)->values[id]; }

static const int64_t *shape(const fixture *f, int id) { return value_of(f, id)->shape; }

static double *data(const fixture *f, int id) { return f->run->data[id]; }

static int64_t at(const fixture *f, int id, int64_t n, int64_t h, int64_t w, int64_t c) {
  const int64_t *s = shape(f, id);
  return ((n * s[1] + h) * s[2] + w) * s[3] + c;
}

static double *room(const fixture *f, int id) { return RGC_NEW_ARRAY(f->arena, double, rgc_shape_elems(shape(f, id))); }

/* Fixed numbers in [-1,1); buffers in [0.5,1.5); labels below 7. */
static void fill(fixture *f) {
  uint64_t state = 88172645463325252u;
  for (int i = 0; i < f->graph->value_count; i++) {
    const rgc_value *v = &f->graph->values[i];
    for (int64_t e = 0; v->op < 0 && e < rgc_shape_elems(v->shape); e++) {
      state ^= state << 13, state ^= state >> 7, state ^= state << 17;
      double uniform = (double)(state >> 11) / 9007199254740992.0;
      data(f, i)[e] = v->role == RGC_ROLE_LABEL    ? floor(uniform * 7)
                      : v->role == RGC_ROLE_BUFFER ? 0.5 + uniform
                                                   : 2 * uniform - 1;
    }
  }
}

static void check_valid(fixture *f, const rgc_graph *graph) {
  rgc_text text = {0};
  if (!rgc_graph_verify(graph, &f->diags)) rgc_diag_render(&f->diags, false, &text);
  cr_assert_eq(f->diags.error_count, 0, "%s", rgc_text_chars(&text));
  rgc_text_free(&text);
}

static void decompose(fixture *f) {
  check_valid(f, f->graph);
  f->kernels = rgc_decompose(f->graph, f->arena, &f->diags);
  cr_assert(f->kernels);
  for (int i = 0; i < f->kernels->op_count; i++) cr_assert_eq(f->kernels->ops[i].kind, RGC_OP_KERNEL);
  check_valid(f, f->kernels);
}

static void near(const fixture *f, int id, const double *wanted, int64_t count) {
  double scale = 1e-300;
  for (int64_t e = 0; e < count; e++) scale = fmax(scale, fabs(wanted[e]));
  for (int64_t e = 0; e < count; e++)
    cr_assert(fabs(data(f, id)[e] - wanted[e]) <= 1e-10 * scale, "%s[%lld] is %.17g, and must be %.17g",
              value_of(f, id)->name, (long long)e, data(f, id)[e], wanted[e]);
}

/* Every computed value of the composite graph is what the reference of composite ops makes of the same inputs. */
static void agree_with_reference(const fixture *f) {
  rgc_reference *reference = rgc_reference_create(f->graph);
  rgc_step_numbers numbers = {.seed = f->run->seed, .step = f->run->step};
  memcpy(numbers.scalars, f->run->scalars, sizeof numbers.scalars);
  for (int i = 0; i < f->graph->value_count; i++)
    if (f->graph->values[i].op < 0)
      memcpy(rgc_reference_tensor(reference, i), data(f, i), sizeof(double) * (size_t)rgc_shape_elems(shape(f, i)));
  rgc_reference_step(reference, &numbers);
  for (int i = 0; i < f->graph->value_count; i++)
    if (f->graph->values[i].op >= 0) near(f, i, rgc_reference_tensor(reference, i), rgc_shape_elems(shape(f, i)));
  rgc_reference_destroy(reference);
}

static void prepare(fixture *f) {
  f->run = rgc_interpreter_create(f->kernels, f->arena);
  f->run->seed = 17;
  f->run->step = 3;
  rgc_interpreter_set_valid(f->run, VALID);
  fill(f);
}

static void interpret(fixture *f) {
  prepare(f);
  rgc_interpret(f->run);
  agree_with_reference(f);
}

static void near_all(const fixture *f, int id, const double *wanted) { near(f, id, wanted, rgc_shape_elems(shape(f, id))); }

/* The valid samples only. */
static void near_samples(const fixture *f, int id, const double *wanted) {
  near(f, id, wanted, rgc_shape_elems(shape(f, id)) / BATCH * VALID);
}

/* Convolution: x, w, b -> y; dy -> dx, dw. One scatter loop over all products gives the three. */

typedef struct conv_case {
  int x, w, b, y, dy, dx, dw;
  int64_t stride, pad, dilation, groups;
} conv_case;

static void set_conv(rgc_op *op, const conv_case *c) {
  op->attr[RGC_ATTR_STRIDE] = (double)c->stride;
  op->attr[RGC_ATTR_PAD] = (double)c->pad;
  op->attr[RGC_ATTR_DILATION] = (double)c->dilation;
  op->attr[RGC_ATTR_GROUPS] = (double)c->groups;
}

static void build_conv(fixture *f, conv_case *c, int64_t size, int64_t kernel, int64_t in, int64_t out) {
  int64_t oh = rgc_window_extent(size, kernel, c->stride, c->pad, c->dilation, false);
  c->x = value(f, "x", RGC_ROLE_INPUT, BATCH, size, size, in);
  c->w = value(f, "w", RGC_ROLE_PARAM, out, kernel, kernel, in / c->groups);
  c->b = value(f, "b", RGC_ROLE_PARAM, 1, 1, 1, out);
  c->y = value(f, "y", RGC_ROLE_TEMP, BATCH, oh, oh, out);
  c->dy = value(f, "dy", RGC_ROLE_INPUT, BATCH, oh, oh, out);
  c->dx = like(f, "dx", c->x);
  c->dw = like(f, "dw", c->w);
  set_conv(OP(f, RGC_OP_CONV, ((int[]){c->x, c->w, c->b}), ((int[]){c->y})), c);
  set_conv(OP(f, RGC_OP_CONV_DGRAD, ((int[]){c->dy, c->w}), ((int[]){c->dx})), c);
  set_conv(OP(f, RGC_OP_CONV_WGRAD, ((int[]){c->x, c->dy}), ((int[]){c->dw})), c);
}

/* All products of output pixel (n,p,q,o). */
static void scatter_conv(const fixture *f, const conv_case *c, const int64_t at_y[4], double *y, double *dx, double *dw) {
  const int64_t *ws = shape(f, c->w), *xs = shape(f, c->x);
  int64_t n = at_y[0], o = at_y[3], e = at(f, c->y, n, at_y[1], at_y[2], o);
  int64_t first = o / (ws[0] / c->groups) * ws[3];
  y[e] = data(f, c->b)[o];
  for (int64_t tap = 0; tap < ws[1] * ws[2] * ws[3]; tap++) {
    int64_t r = tap / (ws[2] * ws[3]), s = tap / ws[3] % ws[2], i = tap % ws[3];
    int64_t h = at_y[1] * c->stride + r * c->dilation - c->pad, w = at_y[2] * c->stride + s * c->dilation - c->pad;
    if (h < 0 || w < 0 || h >= xs[1] || w >= xs[2]) continue;
    int64_t ex = at(f, c->x, n, h, w, first + i), ew = at(f, c->w, o, r, s, i);
    y[e] += data(f, c->x)[ex] * data(f, c->w)[ew];
    dx[ex] += data(f, c->dy)[e] * data(f, c->w)[ew];
    dw[ew] += data(f, c->dy)[e] * data(f, c->x)[ex];
  }
}

/* y, dx and dw of all valid samples, from what data() holds now. */
static void scatter_all(const fixture *f, const conv_case *c, double *y, double *dx, double *dw) {
  const int64_t *s = shape(f, c->y);
  for (int64_t n = 0; n < VALID; n++)
    for (int64_t p = 0; p < s[1]; p++)
      for (int64_t q = 0; q < s[2]; q++)
        for (int64_t o = 0; o < s[3]; o++) scatter_conv(f, c, (int64_t[]){n, p, q, o}, y, dx, dw);
}

static void check_conv(conv_case c, int64_t size, int64_t kernel, int64_t in, int64_t out) {
  fixture *f = start();
  build_conv(f, &c, size, kernel, in, out);
  decompose(f);
  bool depthwise = c.groups > 1 && c.groups == in && in == out;
  cr_assert(depthwise || f->kernels->op_count == 3);
  double products = (double)rgc_shape_elems(shape(f, c.y)) * (double)(kernel * kernel * in / c.groups); /* the forward ones; each gradient has as many */
  for (int i = 0; i < f->kernels->op_count; i++) {
    cr_assert_eq(f->kernels->ops[i].kernel->kind == RGC_CONTRACT, !depthwise);
    cr_assert_eq(rgc_kernel_flops(f->kernels->ops[i].kernel), depthwise ? 0 : 2 * products);
  }
  interpret(f);
  double *y = room(f, c.y), *dx = room(f, c.dx), *dw = room(f, c.dw);
  scatter_all(f, &c, y, dx, dw);
  near_samples(f, c.y, y);
  near_samples(f, c.dx, dx);
  near_all(f, c.dw, dw);
  rgc_arena_destroy(f->arena);
}

Test(decompose, convolutions_and_their_gradients) {
  check_conv((conv_case){.stride = 1, .pad = 1, .dilation = 1, .groups = 1}, 5, 3, 3, 4);
  check_conv((conv_case){.stride = 2, .pad = 2, .dilation = 2, .groups = 2}, 8, 3, 4, 6);
  check_conv((conv_case){.stride = 3, .pad = 0, .dilation = 1, .groups = 1}, 8, 1, 3, 5);
  check_conv((conv_case){.stride = 2, .pad = 1, .dilation = 1, .groups = 4}, 7, 3, 4, 8);
}

Test(decompose, depthwise_convolutions_are_windows_and_sums) {
  check_conv((conv_case){.stride = 2, .pad = 1, .dilation = 1, .groups = 4}, 7, 3, 4, 4);
  check_conv((conv_case){.stride = 2, .pad = 1, .dilation = 2, .groups = 4}, 7, 3, 4, 4);
  check_conv((conv_case){.stride = 3, .pad = 0, .dilation = 1, .groups = 5}, 9, 4, 5, 5);
  check_conv((conv_case){.stride = 2, .pad = 0, .dilation = 1, .groups = 2}, 5, 1, 2, 2);
}

Test(decompose, linear_is_a_convolution_of_the_whole_image) {
  check_conv((conv_case){.stride = 1, .pad = 0, .dilation = 1, .groups = 1}, 3, 3, 2, 7);
}

/* What `decompose` leaves to later passes: kernels changed by hand. */

static void add_store(fixture *f, rgc_kernel *kernel, rgc_store_kind kind, int id, int node) {
  rgc_store *stores = RGC_NEW_ARRAY(f->arena, rgc_store, kernel->store_count + 1);
  memcpy(stores, kernel->stores, sizeof *stores * (size_t)kernel->store_count);
  stores[kernel->store_count++] = (rgc_store){.kind = kind, .value = id, .node = node};
  kernel->stores = stores;
}

static int kernel_temp(fixture *f, const char *name, const int64_t extent[RGC_AXES]) {
  return rgc_graph_value(f->kernels, name, RGC_F32, RGC_ROLE_TEMP, extent);
}

Test(interpret, prologue_comes_before_padding_and_may_be_stored) {
  fixture *f = start();
  conv_case c = {.stride = 2, .pad = 1, .dilation = 1, .groups = 1};
  build_conv(f, &c, 5, 3, 3, 4);
  decompose(f);
  rgc_kernel *kernel = f->kernels->ops[0].kernel;
  kernel->a_roots[0] = rgc_body_node(kernel->a, RGC_EXPR_EXP, kernel->a_roots[0], -1, -1);
  int mapped = kernel_temp(f, "mapped", shape(f, c.x)), top = kernel_temp(f, "top", (int64_t[]){1, 1, 1, 4});
  add_store(f, kernel, RGC_SIDE_STORE, mapped, kernel->a_roots[0]);
  add_store(f, kernel, RGC_PARTIAL_MAX, top, kernel->stores[0].node);
  prepare(f);
  rgc_interpret_kernel(f->run, kernel);
  for (int64_t e = 0; e < rgc_shape_elems(shape(f, c.x)); e++) data(f, c.x)[e] = exp(data(f, c.x)[e]);
  near_samples(f, mapped, data(f, c.x));
  double *y = room(f, c.y), *tops = room(f, top);
  scatter_all(f, &c, y, room(f, c.dx), room(f, c.dw));
  near_samples(f, c.y, y);
  for (int64_t o = 0; o < 4; o++) tops[o] = -INFINITY;
  for (int64_t e = 0; e < rgc_shape_elems(shape(f, c.y)) / BATCH * VALID; e++) tops[e % 4] = fmax(tops[e % 4], y[e]);
  near_all(f, top, tops);
  rgc_arena_destroy(f->arena);
}

Test(interpret, a_weight_packed_for_the_data_gradient_gives_the_same) {
  fixture *f = start();
  conv_case c = {.stride = 2, .pad = 1, .dilation = 1, .groups = 2};
  build_conv(f, &c, 5, 3, 4, 6);
  decompose(f);
  int packed = kernel_temp(f, "packed", (int64_t[]){2, 3, 3, 6});
  f->kernels->values[packed].layout = (rgc_layout){.kind = RGC_LAYOUT_PANEL_T, .groups = 2, .lanes = 8, .block = 3};
  f->kernels->ops[1].kernel->weight = packed;
  prepare(f);
  for (int64_t o = 0; o < 6; o++)
    for (int64_t tap = 0; tap < 9; tap++)
      for (int64_t i = 0; i < 2; i++)
        data(f, packed)[at(f, packed, i, tap / 3, tap % 3, o)] =
            data(f, c.w)[at(f, c.w, o, tap / 3, tap % 3, i)];
  rgc_interpret(f->run);
  agree_with_reference(f);
  rgc_arena_destroy(f->arena);
}

/* Batch normalisation. */

typedef struct bn_case {
  int x, gamma, beta, mean, var, y, batch_mean, rstd, next_mean, next_var, dy, dx, dgamma, dbeta;
  bool running;
} bn_case;

enum { BN_H = 3, BN_W = 2, BN_C = 4, BN_PIXELS = VALID * BN_H * BN_W };
static const double eps = 1e-3, momentum = 0.1;

static void build_bn_inputs(fixture *f, bn_case *c) {
  c->x = value(f, "x", RGC_ROLE_INPUT, BATCH, BN_H, BN_W, BN_C);
  c->dy = value(f, "dy", RGC_ROLE_INPUT, BATCH, BN_H, BN_W, BN_C);
  c->gamma = value(f, "gamma", RGC_ROLE_PARAM, 1, 1, 1, BN_C);
  c->beta = value(f, "beta", RGC_ROLE_PARAM, 1, 1, 1, BN_C);
  c->mean = value(f, "mean", RGC_ROLE_BUFFER, 1, 1, 1, BN_C);
  c->var = value(f, "var", RGC_ROLE_BUFFER, 1, 1, 1, BN_C);
  c->y = like(f, "y", c->x);
  c->dx = like(f, "dx", c->x);
  c->dgamma = like(f, "dgamma", c->gamma);
  c->dbeta = like(f, "dbeta", c->gamma);
}

static int next(fixture *f, const char *name, int old) {
  int id = like(f, name, old);
  f->graph->values[id].role = RGC_ROLE_BUFFER;
  f->graph->values[id].updates = old;
  return id;
}

static void build_bn(fixture *f, bn_case *c) {
  build_bn_inputs(f, c);
  const int ins[] = {c->x, c->gamma, c->beta, c->mean, c->var};
  rgc_op *op;
  if (c->running) {
    op = OP(f, RGC_OP_BN, ins, ((int[]){c->y}));
  } else {
    c->batch_mean = like(f, "batch_mean", c->gamma);
    c->rstd = like(f, "rstd", c->gamma);
    c->next_mean = next(f, "next_mean", c->mean);
    c->next_var = next(f, "next_var", c->var);
    op = OP(f, RGC_OP_BN, ins, ((int[]){c->y, c->batch_mean, c->rstd, c->next_mean, c->next_var}));
  }
  op->attr[RGC_ATTR_EPS] = eps;
  op->attr[RGC_ATTR_MOMENTUM] = momentum;
  op->attr[RGC_ATTR_RUNNING] = c->running;
  int mean = c->running ? c->mean : c->batch_mean, spread = c->running ? c->var : c->rstd;
  op = OP(f, RGC_OP_BN_GRAD, ((int[]){c->dy, c->x, c->gamma, mean, spread}), ((int[]){c->dx, c->dgamma, c->dbeta}));
  op->attr[RGC_ATTR_EPS] = eps;
  op->attr[RGC_ATTR_RUNNING] = c->running;
}

static void channel_moments(const double *x, int channel, double *mean, double *variance) {
  *mean = *variance = 0;
  for (int p = 0; p < BN_PIXELS; p++) *mean += x[p * BN_C + channel] / BN_PIXELS;
  for (int p = 0; p < BN_PIXELS; p++) *variance += pow(x[p * BN_C + channel] - *mean, 2) / BN_PIXELS;
}

/* Makes channel k of y, dx, dgamma, dbeta, and next running statistics, by definition. */
static void bn_channel(const fixture *f, const bn_case *c, int k, double *y, double *dx, double *vectors[4]) {
  double mean = data(f, c->mean)[k], variance = data(f, c->var)[k];
  if (!c->running) channel_moments(data(f, c->x), k, &mean, &variance);
  double rstd = 1 / sqrt(variance + eps), gamma = data(f, c->gamma)[k], dgamma = 0, dbeta = 0;
  for (int p = 0, e = k; p < BN_PIXELS; p++, e += BN_C) {
    double normal = (data(f, c->x)[e] - mean) * rstd;
    y[e] = gamma * normal + data(f, c->beta)[k];
    dgamma += data(f, c->dy)[e] * normal;
    dbeta += data(f, c->dy)[e];
  }
  for (int p = 0, e = k; p < BN_PIXELS; p++, e += BN_C) {
    double normal = (data(f, c->x)[e] - mean) * rstd;
    double back = c->running ? 0 : (dbeta + normal * dgamma) / BN_PIXELS;
    dx[e] = gamma * rstd * (data(f, c->dy)[e] - back);
  }
  vectors[0][k] = dgamma;
  vectors[1][k] = dbeta;
  vectors[2][k] = (1 - momentum) * data(f, c->mean)[k] + momentum * mean;
  vectors[3][k] = (1 - momentum) * data(f, c->var)[k] + momentum * variance * BN_PIXELS / (BN_PIXELS - 1);
}

static void check_bn_results(const fixture *f, const bn_case *c) {
  double *y = room(f, c->y), *dx = room(f, c->dx), *vectors[4];
  for (int i = 0; i < 4; i++) vectors[i] = room(f, c->gamma);
  for (int k = 0; k < BN_C; k++) bn_channel(f, c, k, y, dx, vectors);
  near_samples(f, c->y, y);
  near_samples(f, c->dx, dx);
  near_all(f, c->dgamma, vectors[0]);
  near_all(f, c->dbeta, vectors[1]);
  if (c->running) return;
  near_all(f, c->next_mean, vectors[2]);
  near_all(f, c->next_var, vectors[3]);
}

Test(decompose, batch_normalisation_with_statistics_of_the_batch) {
  fixture *f = start();
  bn_case c = {0};
  build_bn(f, &c);
  decompose(f);
  interpret(f);
  check_bn_results(f, &c);
  rgc_arena_destroy(f->arena);
}

Test(decompose, batch_normalisation_with_running_statistics) {
  fixture *f = start();
  bn_case c = {.running = true};
  build_bn(f, &c);
  decompose(f);
  interpret(f);
  check_bn_results(f, &c);
  rgc_arena_destroy(f->arena);
}

/* Cuts every kernel that stores partials into tiles of `rows` rows, and lets its merge read them. */
static void cut_tiles(fixture *f, int64_t rows, int64_t images) {
  int64_t tiles = images ? (BATCH + images - 1) / images : BATCH * ((BN_H + rows - 1) / rows);
  for (int i = 0; i < f->kernels->op_count; i++) {
    rgc_kernel *k = f->kernels->ops[i].kernel;
    if (k->kind == RGC_REDUCE) k->a_extent[RGC_N] = tiles;
    for (int j = 0; j < k->store_count; j++) {
      if (k->stores[j].kind == RGC_STORE) continue;
      k->tile_rows = rows;
      k->tile_images = images;
      f->kernels->values[k->stores[j].value].shape[RGC_N] = tiles;
    }
  }
}

static void check_tiled_bn(int64_t rows, int64_t images) {
  fixture *f = start();
  bn_case c = {0};
  build_bn(f, &c);
  decompose(f);
  cut_tiles(f, rows, images);
  interpret(f);
  check_bn_results(f, &c);
  rgc_arena_destroy(f->arena);
}

Test(decompose, partials_of_tiles_merge_to_the_same_statistics) {
  check_tiled_bn(1, 0);
  check_tiled_bn(2, 0); /* the last tile of an image has fewer rows */
  check_tiled_bn(0, 2);
  check_tiled_bn(0, 1);
}

/* Pools. */

/* kernel_w 0: columns as rows. */
typedef struct pool_case {
  int x, y, tap, dy, dx;
  int64_t size, kernel, stride, pad, kernel_w, stride_w, pad_w;
  bool ceil_mode, count_pad, average;
} pool_case;

static void set_pool(rgc_op *op, const pool_case *c) {
  op->attr[RGC_ATTR_KERNEL] = (double)c->kernel;
  op->attr[RGC_ATTR_STRIDE] = (double)c->stride;
  op->attr[RGC_ATTR_PAD] = (double)c->pad;
  op->attr[RGC_ATTR_KERNEL_W] = (double)c->kernel_w;
  op->attr[RGC_ATTR_STRIDE_W] = (double)c->stride_w;
  op->attr[RGC_ATTR_PAD_W] = (double)c->pad_w;
  op->attr[RGC_ATTR_CEIL] = c->ceil_mode;
  if (c->average) op->attr[RGC_ATTR_COUNT_PAD] = c->count_pad;
}

/* The same along columns, as if they were rows. */
static pool_case columns_of(const pool_case *c) {
  pool_case columns = *c;
  if (c->kernel_w) columns.kernel = c->kernel_w, columns.stride = c->stride_w, columns.pad = c->pad_w;
  return columns;
}

static void build_pool(fixture *f, pool_case *c) {
  pool_case w = columns_of(c);
  int64_t out = rgc_window_extent(c->size, c->kernel, c->stride, c->pad, 1, c->ceil_mode);
  int64_t out_w = rgc_window_extent(w.size, w.kernel, w.stride, w.pad, 1, w.ceil_mode);
  c->x = value(f, "x", RGC_ROLE_INPUT, BATCH, c->size, c->size, 3);
  c->dy = value(f, "dy", RGC_ROLE_INPUT, BATCH, out, out_w, 3);
  c->y = like(f, "y", c->dy);
  c->dx = like(f, "dx", c->x);
  if (c->average) {
    set_pool(OP(f, RGC_OP_AVGPOOL, ((int[]){c->x}), ((int[]){c->y})), c);
    set_pool(OP(f, RGC_OP_AVGPOOL_GRAD, ((int[]){c->dy}), ((int[]){c->dx})), c);
    return;
  }
  c->tap = like(f, "tap", c->y);
  f->graph->values[c->tap].dtype = RGC_U8;
  set_pool(OP(f, RGC_OP_MAXPOOL, ((int[]){c->x}), ((int[]){c->y, c->tap})), c);
  set_pool(OP(f, RGC_OP_MAXPOOL_GRAD, ((int[]){c->dy, c->tap}), ((int[]){c->dx})), c);
}

/* The part of a window along one axis that lies in the input; *counted as PyTorch's avg_pool2d counts it. */
static void window_span(const pool_case *c, int64_t out, int64_t *begin, int64_t *end, int64_t *counted) {
  int64_t start_at = out * c->stride - c->pad, stop = start_at + c->kernel;
  if (stop > c->size + c->pad) stop = c->size + c->pad;
  *begin = start_at < 0 ? 0 : start_at;
  *end = stop > c->size ? c->size : stop;
  *counted = c->count_pad ? stop - start_at : *end - *begin;
}

static void pool_point(const fixture *f, const pool_case *c, const int64_t out[4], double *y, double *tap, double *dx) {
  int64_t h0, h1, w0, w1, rows, columns, e = at(f, c->y, out[0], out[1], out[2], out[3]), best = -1;
  window_span(c, out[1], &h0, &h1, &rows);
  pool_case along = columns_of(c);
  window_span(&along, out[2], &w0, &w1, &columns);
  double dy = data(f, c->dy)[e], sum = 0;
  for (int64_t h = h0; h < h1; h++)
    for (int64_t w = w0; w < w1; w++) {
      int64_t ex = at(f, c->x, out[0], h, w, out[3]);
      sum += data(f, c->x)[ex];
      if (c->average) dx[ex] += dy / (double)(rows * columns);
      if (best >= 0 && !(data(f, c->x)[ex] > data(f, c->x)[best])) continue;
      best = ex;
      tap[e] = (double)((h - out[1] * c->stride + c->pad) * along.kernel + w - out[2] * along.stride + along.pad);
    }
  y[e] = c->average ? sum / (double)(rows * columns) : data(f, c->x)[best];
  if (!c->average) dx[best] += dy;
}

static void check_pool(pool_case c) {
  fixture *f = start();
  build_pool(f, &c);
  decompose(f);
  interpret(f);
  double *y = room(f, c.y), *tap = room(f, c.y), *dx = room(f, c.dx);
  const int64_t *s = shape(f, c.y);
  for (int64_t n = 0; n < VALID; n++)
    for (int64_t p = 0; p < s[1]; p++)
      for (int64_t q = 0; q < s[2]; q++)
        for (int64_t k = 0; k < s[3]; k++) pool_point(f, &c, (int64_t[]){n, p, q, k}, y, tap, dx);
  near_samples(f, c.y, y);
  near_samples(f, c.dx, dx);
  if (!c.average) near_samples(f, c.tap, tap);
  rgc_arena_destroy(f->arena);
}

Test(decompose, max_pools) {
  check_pool((pool_case){.size = 7, .kernel = 3, .stride = 2, .pad = 1});
  check_pool((pool_case){.size = 6, .kernel = 3, .stride = 2, .pad = 0, .ceil_mode = true});
  check_pool((pool_case){.size = 4, .kernel = 2, .stride = 1, .pad = 1, .ceil_mode = true});
}

Test(decompose, oblong_pools) {
  check_pool((pool_case){.size = 7, .kernel = 3, .stride = 2, .pad = 1, .kernel_w = 1, .stride_w = 1, .pad_w = 0});
  check_pool((pool_case){.size = 7, .kernel = 2, .stride = 1, .pad = 0, .kernel_w = 4, .stride_w = 3, .pad_w = 2, .ceil_mode = true});
  check_pool((pool_case){.size = 6, .kernel = 1, .stride = 2, .pad = 0, .kernel_w = 5, .stride_w = 2, .pad_w = 2});
  for (int count_pad = 0; count_pad < 2; count_pad++) {
    check_pool((pool_case){.size = 7, .kernel = 3, .stride = 2, .pad = 1, .kernel_w = 2, .stride_w = 3, .pad_w = 1, .average = true, .count_pad = count_pad});
    check_pool((pool_case){.size = 6, .kernel = 2, .stride = 1, .pad = 0, .kernel_w = 4, .stride_w = 3, .pad_w = 2, .average = true, .ceil_mode = true, .count_pad = count_pad});
  }
}

Test(decompose, average_pools) {
  check_pool((pool_case){.size = 7, .kernel = 3, .stride = 2, .pad = 1, .average = true});
  check_pool((pool_case){.size = 6, .kernel = 3, .stride = 2, .pad = 1, .average = true, .ceil_mode = true});
  check_pool(
      (pool_case){.size = 6, .kernel = 3, .stride = 2, .pad = 1, .average = true, .ceil_mode = true, .count_pad = true});
  check_pool((pool_case){.size = 5, .kernel = 2, .stride = 2, .pad = 0, .average = true, .ceil_mode = true});
}

/* Filters, against the formula: the image is continued pixel by pixel, then the window laid over it. */

static double continued(const fixture *f, int x, int64_t n, int64_t h, int64_t w, int64_t c, bool reflect) {
  int64_t size[] = {shape(f, x)[1], shape(f, x)[2]}, i[] = {h, w};
  for (int k = 0; k < 2; k++) {
    if (!reflect && (i[k] < 0 || i[k] >= size[k])) return 0;
    while (i[k] < 0 || i[k] >= size[k]) i[k] = i[k] < 0 ? -i[k] : 2 * size[k] - 2 - i[k];
  }
  return data(f, x)[at(f, x, n, i[0], i[1], c)];
}

static void check_filter(int64_t size, int taps, int64_t stride, bool reflect) {
  static const double weights[] = {0.25, -0.5, 0.75, 0.4, 0.1, 0.2, -0.3};
  fixture *f = start();
  int64_t pad = (taps - 1) / 2, out = rgc_window_extent(size, taps, stride, pad, 1, false);
  int x = value(f, "x", RGC_ROLE_INPUT, BATCH, size, size, 3), dy = value(f, "dy", RGC_ROLE_INPUT, BATCH, out, out, 3);
  int y = like(f, "y", dy), dx = like(f, "dx", x);
  OP(f, RGC_OP_FILTER, (int[]){x}, (int[]){y});
  OP(f, RGC_OP_FILTER_GRAD, (int[]){dy}, (int[]){dx});
  for (int i = 0; i < 2; i++) {
    double *attr = f->graph->ops[i].attr;
    attr[RGC_ATTR_KERNEL] = taps, attr[RGC_ATTR_STRIDE] = (double)stride, attr[RGC_ATTR_PAD] = (double)pad;
    attr[RGC_ATTR_REFLECT] = reflect;
    for (int k = 0; k < taps; k++) attr[RGC_ATTR_TAP0 + k] = weights[k];
  }
  decompose(f);
  interpret(f);
  double *wanted = room(f, y);
  for (int64_t e = 0; e < VALID * out * out * 3; e++)
    for (int64_t t = 0; t < taps * taps; t++)
      wanted[e] += weights[t / taps] * weights[t % taps] *
                   continued(f, x, e / 3 / out / out, e / 3 / out % out * stride - pad + t / taps, e / 3 % out * stride - pad + t % taps,
                             e % 3, reflect);
  near_samples(f, y, wanted);
  rgc_arena_destroy(f->arena);
}

Test(decompose, fixed_filters) {
  check_filter(7, 3, 2, true);
  check_filter(8, 3, 2, true);
  check_filter(8, 5, 2, true);
  check_filter(4, 7, 1, true); /* mirrored at both borders by one window */
  check_filter(7, 3, 2, false);
  check_filter(6, 4, 2, false);
  check_filter(5, 1, 1, true);
}

/* Reductions and maps. */

static int reduce(fixture *f, int x, unsigned axes, int by, int index) {
  int64_t s[RGC_AXES];
  for (int j = 0; j < RGC_AXES; j++) s[j] = axes >> j & 1 ? 1 : shape(f, x)[j];
  int y = rgc_graph_value(f->graph, "reduced", RGC_F32, RGC_ROLE_TEMP, s);
  int outs[] = {y, index};
  rgc_op *op = rgc_graph_op(f->graph, RGC_OP_REDUCE, &x, 1, outs, index < 0 ? 1 : 2);
  op->attr[RGC_ATTR_AXES] = axes;
  op->attr[RGC_ATTR_BY] = by;
  return y;
}

Test(decompose, reductions) {
  fixture *f = start();
  int x = value(f, "x", RGC_ROLE_INPUT, BATCH, 3, 2, 6);
  int place = value(f, "place", RGC_ROLE_TEMP, BATCH, 1, 1, 6);
  f->graph->values[place].dtype = RGC_I32;
  int mean = reduce(f, x, 1u << RGC_H | 1u << RGC_W, RGC_BY_MEAN, -1);
  int top = reduce(f, x, 1u << RGC_H | 1u << RGC_W, RGC_BY_MAX, place);
  int total = reduce(f, x, 1u << RGC_N | 1u << RGC_H | 1u << RGC_W, RGC_BY_SUM, -1);
  reduce(f, x, 15, RGC_BY_MEAN, -1); /* these three are held against the reference */
  reduce(f, x, 1u << RGC_N, RGC_BY_MAX, -1);
  reduce(f, x, 1u << RGC_C, RGC_BY_MAX, -1);
  decompose(f);
  interpret(f);
  double *means = room(f, mean), *tops = room(f, top), *places = room(f, top), *totals = room(f, total);
  for (int64_t e = 0; e < VALID * 6; e++) {
    tops[e] = -INFINITY;
    for (int64_t p = 0; p < 6; p++) {
      double number = data(f, x)[(e / 6 * 6 + p) * 6 + e % 6];
      means[e] += number / 6;
      totals[e % 6] += number;
      if (number > tops[e]) tops[e] = number, places[e] = (double)p;
    }
  }
  near_samples(f, mean, means);
  near_samples(f, top, tops);
  near_samples(f, place, places);
  near_all(f, total, totals);
  rgc_arena_destroy(f->arena);
}

Test(decompose, maps_become_map_kernels) {
  fixture *f = start();
  int x = value(f, "x", RGC_ROLE_INPUT, BATCH, 3, 2, 4), b = value(f, "b", RGC_ROLE_PARAM, 1, 1, 1, 4);
  int y = like(f, "y", x);
  rgc_body *body = rgc_body_create(f->arena);
  rgc_view same = rgc_view_identity(), vector = rgc_view_broadcast(shape(f, b), shape(f, x));
  int sum = rgc_body_node(body, RGC_EXPR_ADD, rgc_body_load(body, x, &same), rgc_body_load(body, b, &vector), -1);
  rgc_graph_map(f->graph, body, rgc_body_node(body, RGC_EXPR_MAX, sum, rgc_body_const(body, 0), -1), y);
  decompose(f);
  cr_assert_eq(f->kernels->op_count, 1);
  interpret(f);
  double *wanted = room(f, y);
  for (int64_t e = 0; e < rgc_shape_elems(shape(f, y)); e++) wanted[e] = fmax(0, data(f, x)[e] + data(f, b)[e % 4]);
  near_samples(f, y, wanted);
  rgc_arena_destroy(f->arena);
}

Test(decompose, random_numbers_are_those_of_the_reference) {
  fixture *f = start();
  int x = value(f, "x", RGC_ROLE_INPUT, BATCH, 3, 2, 4), dropped = like(f, "dropped", x), path = like(f, "path", x);
  rgc_view same = rgc_view_identity();
  rgc_body *body = rgc_body_create(f->arena);
  int each = rgc_body_random(body, 1, 15);
  rgc_graph_map(f->graph, body, rgc_body_node(body, RGC_EXPR_MUL, rgc_body_load(body, x, &same), each, -1), dropped);
  body = rgc_body_create(f->arena);
  int sample = rgc_body_random(body, 2, 1u << RGC_N);
  rgc_graph_map(f->graph, body, rgc_body_node(body, RGC_EXPR_MUL, rgc_body_load(body, dropped, &same), sample, -1), path);
  decompose(f);
  interpret(f);
  rgc_arena_destroy(f->arena);
}

/* Cross entropy. */

enum { CLASSES = 7 };
typedef struct xent_result {
  double loss, correct;
} xent_result;

/* One row: its probabilities and gradient; adds to the result. */
static void xent_row(const double *z, int label, double smoothing, double *p, double *dz, xent_result *result) {
  double total = 0;
  int best = 0;
  for (int k = 0; k < CLASSES; k++) total += exp(z[k]);
  for (int k = 0; k < CLASSES; k++) {
    double target = (k == label ? 1 - smoothing : 0) + smoothing / CLASSES;
    p[k] = exp(z[k]) / total;
    dz[k] = (p[k] - target) / VALID;
    result->loss -= target * log(p[k]) / VALID;
    if (z[k] > z[best]) best = k;
  }
  result->correct += best == label;
}

static void check_xent(double smoothing) {
  fixture *f = start();
  int z = value(f, "z", RGC_ROLE_INPUT, BATCH, 1, 1, CLASSES), label = value(f, "label", RGC_ROLE_LABEL, BATCH, 1, 1, 1);
  int loss = value(f, "loss", RGC_ROLE_OUTPUT, 1, 1, 1, 1), correct = value(f, "correct", RGC_ROLE_OUTPUT, 1, 1, 1, 1);
  int probs = like(f, "probs", z), dz = like(f, "dz", z);
  OP(f, RGC_OP_XENT, ((int[]){z, label}), ((int[]){loss, correct, probs}))->attr[RGC_ATTR_SMOOTHING] = smoothing;
  OP(f, RGC_OP_XENT_GRAD, ((int[]){probs, label}), ((int[]){dz}))->attr[RGC_ATTR_SMOOTHING] = smoothing;
  decompose(f);
  prepare(f);
  for (int64_t n = VALID; n < BATCH; n++) data(f, z)[n * CLASSES + (int)data(f, label)[n]] = 9; /* right, and not to be counted */
  rgc_interpret(f->run);
  agree_with_reference(f);
  double *p = room(f, probs), *gradient = room(f, dz);
  xent_result result = {0};
  for (int n = 0; n < VALID; n++)
    xent_row(data(f, z) + n * CLASSES, (int)data(f, label)[n], smoothing, p + n * CLASSES, gradient + n * CLASSES, &result);
  near_samples(f, probs, p);
  near_all(f, dz, gradient);
  near_all(f, loss, &result.loss);
  near_all(f, correct, &result.correct);
  rgc_arena_destroy(f->arena);
}

Test(decompose, cross_entropy) {
  check_xent(0);
  check_xent(0.1);
}

Test(decompose, kernels_keep_layer_line_and_direction) {
  fixture *f = start();
  bn_case c = {0};
  build_bn(f, &c);
  f->graph->ops[0].layer = "layer1.0.bn1";
  f->graph->ops[0].line = 12;
  f->graph->ops[1].backward = true;
  decompose(f);
  cr_assert_eq(f->kernels->op_count, 6);
  cr_assert_str_eq(f->kernels->ops[1].layer, "layer1.0.bn1");
  cr_assert_str_eq(f->kernels->ops[2].word, "bn");
  cr_assert_eq(f->kernels->ops[2].line, 12);
  cr_assert(!f->kernels->ops[2].backward && f->kernels->ops[3].backward);
  rgc_arena_destroy(f->arena);
}

/* A small residual network with its gradients and updates, one whole step. */

static int net_conv(fixture *f, int x, int64_t out, int64_t kernel, int64_t stride, int64_t pad) {
  const int64_t *s = shape(f, x);
  int64_t n = s[0], size = rgc_window_extent(s[1], kernel, stride, pad, 1, false), in = s[3];
  const char *name = rgc_arena_printf(f->arena, "w%d", f->graph->value_count);
  int w = value(f, name, RGC_ROLE_PARAM, out, kernel, kernel, in), y = value(f, "conv", RGC_ROLE_TEMP, n, size, size, out);
  rgc_op *op = OP(f, RGC_OP_CONV, ((int[]){x, w}), ((int[]){y}));
  op->attr[RGC_ATTR_STRIDE] = (double)stride;
  op->attr[RGC_ATTR_PAD] = (double)pad;
  return y;
}

static int channel_value(fixture *f, const char *prefix, int x, rgc_role role) {
  return value(f, rgc_arena_printf(f->arena, "%s%d", prefix, x), role, 1, 1, 1, shape(f, x)[RGC_C]);
}

static int net_bn(fixture *f, int x) {
  int gamma = channel_value(f, "gamma", x, RGC_ROLE_PARAM), beta = channel_value(f, "beta", x, RGC_ROLE_PARAM);
  int mean = channel_value(f, "mean", x, RGC_ROLE_BUFFER), var = channel_value(f, "var", x, RGC_ROLE_BUFFER);
  int next_mean = next(f, rgc_arena_printf(f->arena, "next_mean%d", x), mean);
  int next_var = next(f, rgc_arena_printf(f->arena, "next_var%d", x), var);
  int y = like(f, "bn", x), batch_mean = like(f, "batch_mean", gamma), rstd = like(f, "rstd", gamma);
  rgc_op *op = OP(f, RGC_OP_BN, ((int[]){x, gamma, beta, mean, var}),
                  ((int[]){y, batch_mean, rstd, next_mean, next_var}));
  op->attr[RGC_ATTR_EPS] = eps;
  op->attr[RGC_ATTR_MOMENTUM] = momentum;
  return y;
}

/* relu(a + b), or relu(a) for b -1 */
static int net_relu(fixture *f, int a, int b) {
  rgc_body *body = rgc_body_create(f->arena);
  rgc_view same = rgc_view_identity();
  int sum = rgc_body_load(body, a, &same), y = like(f, "relu", a);
  if (b >= 0) sum = rgc_body_node(body, RGC_EXPR_ADD, sum, rgc_body_load(body, b, &same), -1);
  rgc_graph_map(f->graph, body, rgc_body_node(body, RGC_EXPR_MAX, sum, rgc_body_const(body, 0), -1), y);
  return y;
}

static int net_maxpool(fixture *f, int x) {
  const int64_t *s = shape(f, x);
  int64_t n = s[0], size = rgc_window_extent(s[1], 3, 2, 1, 1, false), channels = s[3];
  int y = value(f, "pool", RGC_ROLE_TEMP, n, size, size, channels), tap = like(f, "tap", y);
  f->graph->values[tap].dtype = RGC_U8;
  set_pool(OP(f, RGC_OP_MAXPOOL, ((int[]){x}), ((int[]){y, tap})), &(pool_case){.kernel = 3, .stride = 2, .pad = 1});
  return y;
}

Test(decompose, a_training_step_of_a_residual_network) {
  fixture *f = start();
  int image = value(f, "image", RGC_ROLE_INPUT, BATCH, 9, 9, 3), label = value(f, "label", RGC_ROLE_LABEL, BATCH, 1, 1, 1);
  int stem = net_maxpool(f, net_relu(f, net_bn(f, net_conv(f, image, 4, 3, 1, 1)), -1));
  int body = net_bn(f, net_conv(f, net_relu(f, net_bn(f, net_conv(f, stem, 6, 3, 2, 1)), -1), 6, 3, 1, 1));
  int join = net_relu(f, body, net_bn(f, net_conv(f, stem, 6, 1, 2, 0)));
  int pooled = reduce(f, join, 1u << RGC_H | 1u << RGC_W, RGC_BY_MEAN, -1);
  int logits = net_conv(f, pooled, CLASSES, 1, 1, 0), probs = like(f, "probs", logits);
  int loss = value(f, "loss", RGC_ROLE_OUTPUT, 1, 1, 1, 1), correct = value(f, "correct", RGC_ROLE_OUTPUT, 1, 1, 1, 1);
  OP(f, RGC_OP_XENT, ((int[]){logits, label}), ((int[]){loss, correct, probs}))->attr[RGC_ATTR_SMOOTHING] = 0.1;
  cr_assert(rgc_autodiff(f->graph, loss, &f->diags));
  rgc_append_updates(f->graph, &(rgc_update_settings){.rule = RGC_UPDATE_SGD, .momentum = 0.9, .weight_decay = 1e-4}, NULL,
                     NULL);
  decompose(f);
  interpret(f);
  rgc_arena_destroy(f->arena);
}
