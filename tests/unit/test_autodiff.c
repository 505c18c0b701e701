/* test_autodiff.c: every gradient of a small residual network against central differences of the reference, in double; and
 * the optimizers against PyTorch's formulas written out. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#include "compiler/lang/lang.h"
#include "compiler/passes/autodiff.h"
#include "compiler/passes/optimizer.h"
#include "runtime/reference/evaluate.h"
#include "runtime/reference/philox.h"

enum { BATCH = 3, CLASSES = 5 };

typedef struct fixture {
  rgc_arena *arena;
  rgc_diagnostics diags;
  rgc_graph *graph;
  int loss, labels;
  int64_t valid;
  double tolerance; /* relative */
} fixture;

static fixture setup(void) {
  fixture f = {.arena = rgc_arena_create(), .valid = BATCH, .labels = -1, .tolerance = 1e-6};
  rgc_diagnostics_init(&f.diags, f.arena);
  f.graph = rgc_graph_create(f.arena, "net", BATCH);
  return f;
}

static int add_value(fixture *f, const char *name, rgc_role role, int64_t n, int64_t h, int64_t w, int64_t c) {
  return rgc_graph_value(f->graph, name, RGC_F32, role, (int64_t[]){n, h, w, c});
}

static int temp(fixture *f, const char *name, int64_t n, int64_t h, int64_t w, int64_t c) {
  return add_value(f, name, RGC_ROLE_TEMP, n, h, w, c);
}

static int param(fixture *f, const char *name, int64_t n, int64_t h, int64_t w, int64_t c) {
  return add_value(f, name, RGC_ROLE_PARAM, n, h, w, c);
}

static const int64_t *shape_of(const fixture *f, int value) { return f->graph->values[value].shape; }

typedef struct window {
  int stride, pad, dilation, groups;
} window;

static int conv(fixture *f, int x, int weight, int bias, int out_extent, window w) {
  int y = temp(f, "conv", BATCH, out_extent, out_extent, shape_of(f, weight)[0]);
  rgc_op *op = rgc_graph_op(f->graph, RGC_OP_CONV, (int[]){x, weight, bias}, bias < 0 ? 2 : 3, &y, 1);
  op->attr[RGC_ATTR_STRIDE] = w.stride;
  op->attr[RGC_ATTR_PAD] = w.pad;
  op->attr[RGC_ATTR_DILATION] = w.dilation;
  op->attr[RGC_ATTR_GROUPS] = w.groups;
  return y;
}

static int buffer(fixture *f, const char *name, int64_t channels, double number) {
  int value = add_value(f, name, RGC_ROLE_BUFFER, 1, 1, 1, channels);
  f->graph->values[value].init.number = number;
  return value;
}

static int bn(fixture *f, const char *name, int x, bool running) {
  const int64_t *s = shape_of(f, x);
  int64_t c = s[3];
  int y = temp(f, "bn", s[0], s[1], s[2], c);
  int gamma = param(f, rgc_arena_printf(f->arena, "%s.weight", name), 1, 1, 1, c);
  int beta = param(f, rgc_arena_printf(f->arena, "%s.bias", name), 1, 1, 1, c);
  int mean = buffer(f, rgc_arena_printf(f->arena, "%s.mean", name), c, 0.1);
  int var = buffer(f, rgc_arena_printf(f->arena, "%s.var", name), c, 1.3);
  int outputs[5] = {y, -1, -1, -1, -1};
  for (int k = 1; k < 5 && !running; k++) outputs[k] = temp(f, "stats", 1, 1, 1, c);
  if (!running) f->graph->values[outputs[3]].updates = mean, f->graph->values[outputs[4]].updates = var;
  rgc_op *op = rgc_graph_op(f->graph, RGC_OP_BN, (int[]){x, gamma, beta, mean, var}, 5, outputs, running ? 1 : 5);
  op->attr[RGC_ATTR_EPS] = 1e-5;
  op->attr[RGC_ATTR_MOMENTUM] = 0.1;
  op->attr[RGC_ATTR_RUNNING] = running;
  return y;
}

/* kind(a[, b]) with b broadcast to the shape of a; b -1: a function. */
static int elementwise(fixture *f, rgc_expr_kind kind, int a, int b) {
  const int64_t *s = shape_of(f, a);
  int y = temp(f, rgc_expr_word(kind), s[0], s[1], s[2], s[3]);
  rgc_body *body = rgc_body_create(f->arena);
  rgc_view identity = rgc_view_identity();
  int left = rgc_body_load(body, a, &identity), right = -1;
  if (b >= 0) {
    rgc_view view = rgc_view_broadcast(shape_of(f, b), shape_of(f, a));
    right = rgc_body_load(body, b, &view);
  }
  if (kind == RGC_EXPR_MAX) right = rgc_body_const(body, 0);
  rgc_graph_map(f->graph, body, rgc_body_node(body, kind, left, right, -1), y);
  return y;
}

static int reduce(fixture *f, int x, unsigned axes, int by) {
  int64_t s[RGC_AXES];
  for (int j = 0; j < RGC_AXES; j++) s[j] = axes & 1u << j ? 1 : shape_of(f, x)[j];
  int y = temp(f, "reduce", s[0], s[1], s[2], s[3]);
  int index = by == RGC_BY_MAX ? rgc_graph_value(f->graph, "index", RGC_I32, RGC_ROLE_TEMP, s) : -1;
  rgc_op *op = rgc_graph_op(f->graph, RGC_OP_REDUCE, &x, 1, (int[]){y, index}, index < 0 ? 1 : 2);
  op->attr[RGC_ATTR_AXES] = axes;
  op->attr[RGC_ATTR_BY] = by;
  return y;
}

static int pool(fixture *f, rgc_op_kind kind, int x, int out_extent, int kernel, int stride, int pad) {
  int64_t c = shape_of(f, x)[3];
  int y = temp(f, "pool", BATCH, out_extent, out_extent, c);
  int tap = -1;
  if (kind == RGC_OP_MAXPOOL)
    tap = rgc_graph_value(f->graph, "tap", RGC_I32, RGC_ROLE_TEMP, (int64_t[]){BATCH, out_extent, out_extent, c});
  rgc_op *op = rgc_graph_op(f->graph, kind, &x, 1, (int[]){y, tap}, tap < 0 ? 1 : 2);
  op->attr[RGC_ATTR_KERNEL] = kernel;
  op->attr[RGC_ATTR_STRIDE] = stride;
  op->attr[RGC_ATTR_PAD] = pad;
  return y;
}

static int filter(fixture *f, int x, int out_extent, int taps, int stride, bool reflect) {
  static const double weights[] = {0.3, 0.9, -0.4, 0.1, 0.6};
  int y = pool(f, RGC_OP_FILTER, x, out_extent, taps, stride, (taps - 1) / 2);
  rgc_op *op = &f->graph->ops[f->graph->values[y].op];
  op->attr[RGC_ATTR_REFLECT] = reflect;
  for (int i = 0; i < taps; i++) op->attr[RGC_ATTR_TAP0 + i] = weights[i];
  return y;
}

/* Channels of a, then every second pixel of b: concat and subsampling as views. */
static int concat_subsampled(fixture *f, int a, int b) {
  const int64_t *s = shape_of(f, a);
  int64_t channels = s[3];
  int y = temp(f, "concat", s[0], s[1], s[2], channels + shape_of(f, b)[3]);
  rgc_body *body = rgc_body_create(f->arena);
  rgc_view first = rgc_view_identity(), second = rgc_view_identity();
  second.axis[RGC_H].mul = second.axis[RGC_W].mul = 2;
  second.axis[RGC_C].add = -channels;
  int left = rgc_body_load(body, a, &first), right = rgc_body_load(body, b, &second);
  rgc_graph_map(f->graph, body, rgc_body_node(body, RGC_EXPR_ADD, left, right, -1), y);
  return y;
}

static int xent(fixture *f, int logits) {
  f->labels = rgc_graph_value(f->graph, "labels", RGC_I32, RGC_ROLE_LABEL, (int64_t[]){BATCH, 1, 1, 1});
  int outputs[3] = {add_value(f, "loss", RGC_ROLE_OUTPUT, 1, 1, 1, 1), add_value(f, "correct", RGC_ROLE_OUTPUT, 1, 1, 1, 1),
                    temp(f, "probs", BATCH, 1, 1, CLASSES)};
  rgc_graph_op(f->graph, RGC_OP_XENT, (int[]){logits, f->labels}, 2, outputs, 3)->attr[RGC_ATTR_SMOOTHING] = 0.1;
  return outputs[0];
}

static int linear(fixture *f, int x) {
  const int64_t *s = shape_of(f, x);
  int weight = param(f, "fc.weight", CLASSES, s[1], s[2], s[3]), bias = param(f, "fc.bias", 1, 1, 1, CLASSES);
  return conv(f, x, weight, bias, 1, (window){1, 0, 1, 1});
}

static void build_residual(fixture *f) {
  int x = add_value(f, "input", RGC_ROLE_INPUT, BATCH, 9, 9, 4);
  int y = conv(f, x, param(f, "conv1.weight", 6, 3, 3, 4), param(f, "conv1.bias", 1, 1, 1, 6), 5, (window){2, 1, 1, 1});
  int shortcut = elementwise(f, RGC_EXPR_MAX, bn(f, "bn1", y, false), -1);
  y = conv(f, shortcut, param(f, "conv2.weight", 6, 3, 3, 3), -1, 5, (window){1, 2, 2, 2});
  y = bn(f, "bn2", y, true);
  int gate = elementwise(f, RGC_EXPR_SIGMOID, reduce(f, y, 1u << RGC_H | 1u << RGC_W, RGC_BY_MEAN), -1);
  y = elementwise(f, RGC_EXPR_MUL, y, gate);
  y = elementwise(f, RGC_EXPR_MUL, y, param(f, "scale", 1, 1, 1, 6));
  y = elementwise(f, RGC_EXPR_ADD, y, shortcut);
  int pooled = pool(f, RGC_OP_MAXPOOL, elementwise(f, RGC_EXPR_TANH, y, -1), 3, 3, 2, 1);
  y = concat_subsampled(f, pooled, y);
  y = pool(f, RGC_OP_AVGPOOL, y, 2, 2, 2, 1);
  f->loss = xent(f, linear(f, y));
}

/* Numbers in [low,high) for every input, parameter; labels in order. */
static void fill(fixture *f, rgc_reference *reference) {
  for (int v = 0; v < f->graph->value_count; v++) {
    const rgc_value *value = &f->graph->values[v];
    if (value->role != RGC_ROLE_INPUT && value->role != RGC_ROLE_PARAM) continue;
    double *tensor = rgc_reference_tensor(reference, v);
    for (int64_t i = 0; i < rgc_shape_elems(value->shape); i++)
      tensor[i] = 2 * rgc_philox_uniform(7, (uint32_t)v, 0, (uint64_t)i) - 0.9;
  }
  for (int64_t n = 0; f->labels >= 0 && n < BATCH; n++)
    rgc_reference_tensor(reference, f->labels)[n] = (double)((n * 3 + 1) % CLASSES);
}

static double loss_of(const fixture *f, rgc_reference *reference) {
  rgc_step_numbers numbers = {.seed = 3};
  numbers.scalars[RGC_SCALAR_N_VALID] = (double)f->valid;
  numbers.scalars[RGC_SCALAR_INV_N] = 1 / (double)f->valid;
  rgc_reference_step(reference, &numbers);
  return rgc_reference_tensor(reference, f->loss)[0];
}

static void check_element(const fixture *f, rgc_reference *reference, int value, int64_t i) {
  double *p = &rgc_reference_tensor(reference, value)[i], old = *p, h = 1e-5;
  loss_of(f, reference);
  int gradient = rgc_gradient_of(f->graph, value);
  cr_assert(gradient >= 0, "%s", f->graph->values[value].name);
  double found = rgc_reference_tensor(reference, gradient)[i];
  *p = old + h;
  double above = loss_of(f, reference);
  *p = old - h;
  double below = loss_of(f, reference);
  *p = old;
  double expected = (above - below) / (2 * h);
  cr_assert(fabs(found - expected) <= f->tolerance * (fabs(expected) + 1e-3), "%s[%d]: %.12g, expected %.12g",
            f->graph->values[value].name, (int)i, found, expected);
}

/* Differentiates, then checks up to 40 elements of every parameter. */
static void check_gradients(fixture *f) {
  cr_assert(rgc_autodiff(f->graph, f->loss, &f->diags));
  rgc_text text = {0};
  bool valid = rgc_graph_verify(f->graph, &f->diags);
  rgc_diag_render(&f->diags, false, &text);
  cr_assert(valid, "%s", rgc_text_chars(&text));
  rgc_reference *reference = rgc_reference_create(f->graph);
  fill(f, reference);
  for (int v = 0; v < f->graph->value_count; v++) {
    if (f->graph->values[v].role != RGC_ROLE_PARAM) continue;
    int64_t count = rgc_shape_elems(f->graph->values[v].shape);
    for (int64_t i = 0; i < count; i += 1 + count / 40) check_element(f, reference, v, i);
  }
  rgc_reference_destroy(reference);
  rgc_arena_destroy(f->arena);
}

Test(autodiff, differentiates_a_residual_network) {
  fixture f = setup();
  build_residual(&f);
  check_gradients(&f);
}

Test(autodiff, ignores_samples_past_n_valid) {
  fixture f = setup();
  f.valid = BATCH - 1;
  build_residual(&f);
  check_gradients(&f);
}

Test(autodiff, takes_any_scalar_loss) {
  fixture f = setup();
  int w = param(&f, "w", 1, 3, 4, 2);
  int best = reduce(&f, elementwise(&f, RGC_EXPR_TANH, w, -1), 1u << RGC_H | 1u << RGC_W, RGC_BY_MAX);
  int square = elementwise(&f, RGC_EXPR_MUL, elementwise(&f, RGC_EXPR_EXP, w, -1), best);
  f.loss = reduce(&f, square, 15, RGC_BY_SUM);
  check_gradients(&f);
}

/* Unequal taps; an odd and an even number of pixels; mirrored at both borders, and at once where the image is small. */
Test(autodiff, differentiates_fixed_filters) {
  fixture f = setup();
  int x = add_value(&f, "input", RGC_ROLE_INPUT, BATCH, 9, 9, 2);
  int y = conv(&f, x, param(&f, "conv1.weight", 3, 3, 3, 2), -1, 9, (window){1, 1, 1, 1});
  y = elementwise(&f, RGC_EXPR_TANH, filter(&f, y, 5, 5, 2, true), -1);
  y = elementwise(&f, RGC_EXPR_TANH, filter(&f, y, 4, 2, 1, false), -1);
  y = filter(&f, y, 4, 5, 1, true);
  f.loss = xent(&f, linear(&f, filter(&f, y, 2, 3, 2, true)));
  check_gradients(&f);
}

/* Layers that the graph language makes of the ops that are checked above: their views and constants are what is new. */
Test(autodiff, differentiates_the_words_of_the_family) {
  fixture f = setup();
  const char *sets[] = {"input.size=12", "classes=5", "stages.0.width=4", "stages.1.width=4", "stages.2.width=4", "stages.3.width=4"};
  rgc_network *network = rgc_network_load(f.arena, "tests/data/curves/words_sgd.yaml", sets, 6, &f.diags);
  f.graph = network ? rgc_network_build(network, BATCH, true, &f.diags) : NULL;
  cr_assert(f.graph);
  f.loss = rgc_graph_find(f.graph, "loss");
  f.labels = rgc_graph_find(f.graph, "label");
  f.tolerance = 1e-4; /* steep: differences err by their third derivative */
  check_gradients(&f);
}

/* The slope of max(x, c) is read off the output, of max(f(x), c) it cannot be. */
Test(autodiff, differentiates_a_clamp_of_an_expression) {
  fixture f = setup();
  int x = param(&f, "w", BATCH, 2, 2, 3), y = temp(&f, "clamped", BATCH, 2, 2, 3);
  rgc_body *body = rgc_body_create(f.arena);
  rgc_view identity = rgc_view_identity();
  int falling = rgc_body_node(body, RGC_EXPR_SUB, rgc_body_const(body, 0.3), rgc_body_load(body, x, &identity), -1);
  rgc_graph_map(f.graph, body, rgc_body_node(body, RGC_EXPR_MAX, falling, rgc_body_const(body, 0.1), -1), y);
  f.loss = xent(&f, linear(&f, y));
  check_gradients(&f);
}

/* Each pixel is read by 2 x 3 others, a row and a column of the block being cut off. */
Test(autodiff, differentiates_upsampling) {
  fixture f = setup();
  int x = param(&f, "w", BATCH, 3, 2, 4), y = temp(&f, "large", BATCH, 6, 6, 4);
  rgc_body *body = rgc_body_create(f.arena);
  rgc_view view = rgc_view_identity();
  view.axis[RGC_H] = (rgc_axis_view){.from = RGC_H, .mul = 1, .add = 1, .div = 2, .whole = true};
  view.axis[RGC_W] = (rgc_axis_view){.from = RGC_W, .mul = 1, .add = -1, .div = 3, .whole = true};
  rgc_graph_map(f.graph, body, rgc_body_load(body, x, &view), y);
  f.loss = xent(&f, linear(&f, elementwise(&f, RGC_EXPR_TANH, y, -1)));
  check_gradients(&f);
}

Test(autodiff, scales_by_what_follows_the_cross_entropy) {
  fixture f = setup();
  int x = add_value(&f, "input", RGC_ROLE_INPUT, BATCH, 2, 2, 3);
  int loss = xent(&f, linear(&f, x));
  f.loss = elementwise(&f, RGC_EXPR_EXP, loss, -1);
  check_gradients(&f);
}

Test(autodiff, averages_over_the_valid_batch) {
  fixture f = setup();
  f.valid = BATCH - 1;
  int x = add_value(&f, "input", RGC_ROLE_INPUT, BATCH, 2, 2, 3);
  int y = elementwise(&f, RGC_EXPR_TANH, linear(&f, x), -1);
  f.loss = reduce(&f, y, 15, RGC_BY_MEAN);
  check_gradients(&f);
}

/* Optimizers: one parameter w [1,1,1,1] of the loss exp(w). */

typedef struct run {
  fixture f;
  rgc_reference *reference;
  int w;
} run;

static run begin(const rgc_update_settings *settings) {
  run r = {.f = setup()};
  r.w = param(&r.f, "w", 1, 1, 1, 1);
  int x = elementwise(&r.f, RGC_EXPR_EXP, r.w, -1);
  r.f.loss = reduce(&r.f, x, 15, RGC_BY_SUM);
  cr_assert(rgc_autodiff(r.f.graph, r.f.loss, &r.f.diags));
  rgc_append_updates(r.f.graph, settings, NULL, NULL);
  cr_assert(rgc_graph_verify(r.f.graph, &r.f.diags));
  r.reference = rgc_reference_create(r.f.graph);
  rgc_reference_tensor(r.reference, r.w)[0] = 0.5;
  return r;
}

static double step(run *r, const rgc_update_settings *settings, double lr, int t) {
  rgc_step_numbers numbers = {0};
  numbers.scalars[RGC_SCALAR_LR] = lr;
  numbers.scalars[RGC_SCALAR_BIAS1] = 1 / (1 - pow(settings->beta1, t));
  numbers.scalars[RGC_SCALAR_BIAS2] = 1 / (1 - pow(settings->beta2, t));
  numbers.scalars[RGC_SCALAR_N_VALID] = BATCH;
  numbers.scalars[RGC_SCALAR_INV_N] = 1.0 / BATCH;
  rgc_reference_step(r->reference, &numbers);
  return rgc_reference_tensor(r->reference, r->w)[0];
}

static void end(run *r) {
  rgc_reference_destroy(r->reference);
  rgc_arena_destroy(r->f.arena);
}

static void check_adam(rgc_update_rule rule) {
  rgc_update_settings s = {.rule = rule, .weight_decay = 0.01, .beta1 = 0.9, .beta2 = 0.99, .eps = 1e-8};
  run r = begin(&s);
  double w = 0.5, m = 0, v = 0, lr = 0.1;
  for (int t = 1; t <= 5; t++) {
    double g = exp(w);
    if (rule == RGC_UPDATE_ADAM) g += s.weight_decay * w;
    if (rule == RGC_UPDATE_ADAMW) w *= 1 - lr * s.weight_decay;
    m = s.beta1 * m + (1 - s.beta1) * g;
    v = s.beta2 * v + (1 - s.beta2) * g * g;
    w -= lr / (1 - pow(s.beta1, t)) * m / (sqrt(v) / sqrt(1 - pow(s.beta2, t)) + s.eps);
    double found = step(&r, &s, lr, t);
    cr_assert_float_eq(found, w, 1e-14, "step %d: %.17g, expected %.17g", t, found, w);
  }
  end(&r);
}

Test(optimizer, steps_adam) { check_adam(RGC_UPDATE_ADAM); }

Test(optimizer, steps_adamw) { check_adam(RGC_UPDATE_ADAMW); }

static void check_sgd(double momentum, bool nesterov) {
  rgc_update_settings s = {.rule = RGC_UPDATE_SGD, .momentum = momentum, .nesterov = nesterov, .weight_decay = 0.05};
  run r = begin(&s);
  double w = 0.5, velocity = 0;
  for (int t = 1; t <= 5; t++) {
    double g = exp(w) + s.weight_decay * w;
    velocity = momentum * velocity + g;
    w -= 0.1 * (nesterov ? g + momentum * velocity : velocity);
    double found = step(&r, &s, 0.1, t);
    cr_assert_float_eq(found, w, 1e-14, "step %d: %.17g, expected %.17g", t, found, w);
  }
  end(&r);
}

Test(optimizer, steps_sgd) { check_sgd(0, false); }

Test(optimizer, steps_sgd_with_momentum) { check_sgd(0.9, false); }

Test(optimizer, steps_sgd_with_nesterov) { check_sgd(0.9, true); }

/* A parameter of a group: a rate below or above the optimizer's, and a decay of its own. */
static void choose_group(const void *context, const rgc_value *parameter, double *lr_factor, double *weight_decay) {
  (void)context, (void)parameter;
  *lr_factor = 0.1;
  *weight_decay = 0.2;
}

Test(optimizer, steps_a_group_by_its_own_numbers) {
  rgc_update_settings s = {.rule = RGC_UPDATE_SGD, .weight_decay = 0.05, .choose = choose_group};
  run r = begin(&s);
  double w = 0.5;
  for (int t = 1; t <= 3; t++) {
    w -= 0.3 * 0.1 * (exp(w) + 0.2 * w);
    double found = step(&r, &s, 0.3, t);
    cr_assert_float_eq(found, w, 1e-14, "step %d: %.17g, expected %.17g", t, found, w);
  }
  end(&r);
}

/* As clip_grad_norm_: by norm / (norm + 1e-6) even where the norm is the bound; and not at all below it. */
Test(optimizer, clips_the_norm_of_the_gradient) {
  const double bounds[] = {0.25, exp(0.5), 100};
  for (int i = 0; i < 3; i++) {
    rgc_update_settings s = {.rule = RGC_UPDATE_SGD, .clip_norm = bounds[i]};
    run r = begin(&s);
    double norm = exp(0.5), factor = fmin(1, bounds[i] / (norm + 1e-6)), wanted = 0.5 - 0.3 * factor * norm, found = step(&r, &s, 0.3, 1);
    cr_assert_float_eq(found, wanted, 1e-14, "%.17g, expected %.17g", found, wanted);
    end(&r);
  }
}
