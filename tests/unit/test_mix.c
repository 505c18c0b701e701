/* test_mix.c: mixup and cutmix of batches, and the loss over two labels that they ask for: against plain arithmetic, the loss of one label,
 * and finite differences. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "compiler/lang/lang.h"
#include "compiler/passes/autodiff.h"
#include "runtime/data/mix.h"
#include "runtime/reference/evaluate.h"
#include "tests/unit/network_text.h"

enum { COUNT = 5, SIDE = 8, ELEMS = SIDE * SIDE * 2 };

typedef struct fixture {
  float images[COUNT * ELEMS], room[ELEMS];
  int32_t labels[COUNT], others[COUNT];
  rgc_data_step step;
  rgc_data_steps steps;
} fixture;

/* Image i is i + 1 everywhere, its label 10 i. */
static void fill(fixture *f, rgc_data_step_kind kind, double alpha, double probability) {
  *f = (fixture){.step = {.kind = kind, .alpha = alpha, .probability = probability}};
  f->steps = (rgc_data_steps){&f->step, 1};
  for (int i = 0; i < COUNT * ELEMS; i++) f->images[i] = (float)(i / ELEMS + 1);
  for (int i = 0; i < COUNT; i++) f->labels[i] = 10 * i, f->others[i] = -1;
}

static double run(fixture *f, int64_t valid, int64_t epoch, int64_t key) {
  rgc_mix_batch b = {f->images, f->labels, f->others, valid, {SIDE, SIDE, 2}, f->room};
  return rgc_mix(&f->steps, 1, epoch, key, &b);
}

static int before(int i, int valid) { return (i + valid - 1) % valid; }

Test(mix, mixup_adds_shares_of_the_sample_before) {
  for (int key = 0; key < 20; key++) {
    fixture f;
    int valid = 2 + key % 4;
    fill(&f, RGC_STEP_MIXUP, 0.7, 1);
    double share = run(&f, valid, 3, key);
    cr_assert(share >= 0 && share <= 1);
    for (int i = 0; i < valid; i++) {
      cr_expect_eq(f.others[i], 10 * before(i, valid));
      for (int e = 0; e < ELEMS; e++)
        cr_assert_float_eq(f.images[i * ELEMS + e], share * (i + 1) + (1 - share) * (before(i, valid) + 1), 1e-5);
    }
    for (int e = valid * ELEMS; e < COUNT * ELEMS; e++) cr_assert_eq(f.images[e], (float)(e / ELEMS + 1), "past the valid samples");
  }
}

Test(mix, cutmix_pastes_a_rectangle_and_tells_its_area) {
  double least = 1, most = 0;
  for (int key = 0; key < 50; key++) {
    fixture f;
    fill(&f, RGC_STEP_CUTMIX, 1, 1);
    double share = run(&f, COUNT, 0, key);
    least = fmin(least, share), most = fmax(most, share);
    for (int i = 0; i < COUNT; i++) {
      int own = 0, other = 0;
      for (int e = 0; e < ELEMS; e++) {
        own += f.images[i * ELEMS + e] == (float)(i + 1);
        other += f.images[i * ELEMS + e] == (float)(before(i, COUNT) + 1);
      }
      cr_assert_eq(own + other, ELEMS);
      cr_assert_float_eq((double)own / ELEMS, share, 1e-12);
    }
  }
  cr_expect(least < 0.5 && most > 0.8, "%f to %f", least, most);
}

/* Rows and columns of the rectangle are the same part of the image's: of 4 x 16, a fourth as many rows. */
Test(mix, cutmix_keeps_the_image_s_proportions) {
  enum { ROWS = 4, COLUMNS = 16 };
  int seen = 0;
  for (int key = 0; key < 200; key++) {
    fixture f;
    fill(&f, RGC_STEP_CUTMIX, 1, 1);
    rgc_mix(&f.steps, 1, 0, key, &(rgc_mix_batch){f.images, f.labels, f.others, COUNT, {ROWS, COLUMNS, 2}, f.room});
    int top = ROWS, left = COLUMNS, bottom = 0, right = 0;
    for (int e = 0; e < ELEMS; e++) {
      int y = e / 2 / COLUMNS, x = e / 2 % COLUMNS;
      if (f.images[e] == 1) continue;
      top = y < top ? y : top, bottom = y + 1 > bottom ? y + 1 : bottom;
      left = x < left ? x : left, right = x + 1 > right ? x + 1 : right;
    }
    if (right <= left || left == 0 || right == COLUMNS) continue; /* none, or cut off at the border */
    cr_assert_leq(bottom - top, 2 * ((right - left) / 2 * ROWS / COLUMNS), "%d x %d", bottom - top, right - left);
    seen++;
  }
  cr_assert_gt(seen, 10);
}

Test(mix, follows_from_seed_epoch_and_key) {
  fixture a, b;
  fill(&a, RGC_STEP_MIXUP, 0.7, 1);
  fill(&b, RGC_STEP_MIXUP, 0.7, 1);
  double share = run(&a, COUNT, 3, 9);
  cr_expect_eq(run(&b, COUNT, 3, 9), share);
  cr_expect_arr_eq(a.images, b.images, sizeof a.images);
  cr_expect_neq(run(&b, COUNT, 4, 9), share);
  cr_expect_neq(run(&b, COUNT, 3, 10), share);
}

Test(mix, may_leave_a_batch_as_it_is) {
  fixture f, untouched;
  int mixed = 0;
  fill(&untouched, RGC_STEP_MIXUP, 1, 0.3);
  for (int key = 0; key < 1000; key++) {
    fill(&f, RGC_STEP_MIXUP, 1, 0.3);
    bool left = run(&f, COUNT, 0, key) == 1;
    mixed += !left;
    if (!left) continue;
    cr_assert_arr_eq(f.images, untouched.images, sizeof f.images);
    cr_assert_arr_eq(f.others, f.labels, sizeof f.labels);
  }
  cr_expect(mixed > 250 && mixed < 350, "%d", mixed);
  fill(&f, RGC_STEP_MIXUP, 1, 1);
  cr_expect_eq(run(&f, 1, 0, 0), 1, "one sample has no other");
  f.steps.count = 0;
  cr_expect_eq(run(&f, COUNT, 0, 0), 1);
}

/* Mean 1/2, variance 1 / (4 (2 alpha + 1)). */
Test(mix, shares_are_beta_distributed) {
  static const double alphas[] = {0.2, 1, 5};
  for (int k = 0; k < 3; k++) {
    double sum = 0, squares = 0;
    enum { DRAWS = 20000 };
    for (int i = 0; i < DRAWS; i++) {
      rgc_draws draws = rgc_draws_begin(5, k, 0, i);
      double x = rgc_draw_beta(&draws, alphas[k]);
      cr_assert(x >= 0 && x <= 1);
      sum += x, squares += (x - 0.5) * (x - 0.5);
    }
    cr_expect_float_eq(sum / DRAWS, 0.5, 0.012);
    cr_expect_float_eq(squares / DRAWS, 1 / (4 * (2 * alphas[k] + 1)), 0.006, "%f", squares / DRAWS);
  }
}

/* ---- the loss ---- */

enum { BATCH = 4, CLASSES = 3 };

typedef struct model {
  rgc_arena *arena;
  rgc_graph *graph;
  rgc_reference *reference;
  int loss, weight;
} model;

#define SMOOTHED "loss: {cross_entropy: {smoothing: 0.1}}"

static model make(const char *data, const char *train) {
  model m = {.arena = rgc_arena_create()};
  rgc_diagnostics diags;
  rgc_diagnostics_init(&diags, m.arena);
  const char *yaml = rgc_arena_printf(m.arena, "rgc: 1\nname: net\ninput: {channels: 2, size: 4}\nclasses: %d\nstem: [conv: {out: 5, kernel: 3}, tanh]\n"
                                      "head: [avgpool: global, linear: {out: classes}]\ntrain: {%s}\n%s", (int)CLASSES, train, data);
  rgc_network *network = network_of_text(m.arena, yaml, &diags);
  cr_assert(network);
  cr_assert_eq(rgc_network_mixes(network), *data != 0);
  m.graph = rgc_network_build(network, BATCH, true, &diags);
  cr_assert(m.graph);
  m.loss = rgc_graph_find(m.graph, "loss");
  m.weight = rgc_graph_find(m.graph, "conv1.weight");
  cr_assert(m.loss >= 0 && m.weight >= 0 && rgc_autodiff(m.graph, m.loss, &diags) && rgc_graph_verify(m.graph, &diags));
  m.reference = rgc_reference_create(m.graph);
  return m;
}

static void destroy(model *m) {
  rgc_reference_destroy(m->reference);
  rgc_arena_destroy(m->arena);
}

static void set_labels(model *m, const char *name, int shift) {
  double *labels = rgc_reference_tensor(m->reference, rgc_graph_find(m->graph, name));
  for (int n = 0; n < BATCH; n++) labels[n] = (n + shift) % CLASSES;
}

/* Numbers by name, alike in every model. */
static void set_numbers(model *m) {
  for (int v = 0; v < m->graph->value_count; v++) {
    const rgc_value *value = &m->graph->values[v];
    if (value->role != RGC_ROLE_INPUT && value->role != RGC_ROLE_PARAM) continue;
    for (int64_t e = 0; e < rgc_shape_elems(value->shape); e++)
      rgc_reference_tensor(m->reference, v)[e] = rgc_philox_uniform(3, (uint32_t)value->name[0], 0, (uint64_t)e) - 0.5;
  }
}

static double loss_of(model *m, double mix) {
  rgc_step_numbers numbers = {.seed = 1};
  numbers.scalars[RGC_SCALAR_N_VALID] = BATCH;
  numbers.scalars[RGC_SCALAR_INV_N] = 1.0 / BATCH;
  numbers.scalars[RGC_SCALAR_MIX] = mix;
  rgc_reference_step(m->reference, &numbers);
  return rgc_reference_tensor(m->reference, m->loss)[0];
}

static void check_shares(const char *train) {
  model plain = make("", train), mixed = make("data: {train: [mixup]}\n", train);
  set_numbers(&plain);
  set_numbers(&mixed);
  set_labels(&mixed, "label", 0);
  set_labels(&mixed, "other_label", 1);
  set_labels(&plain, "label", 0);
  double own = loss_of(&plain, 0);
  set_labels(&plain, "label", 1);
  double other = loss_of(&plain, 0);
  cr_expect_eq(loss_of(&mixed, 1), own, "exact for hard labels");
  cr_expect_float_eq(loss_of(&mixed, 0.3), 0.3 * own + 0.7 * other, 1e-14);
  destroy(&plain);
  destroy(&mixed);
}

Test(mix, the_loss_is_shared_between_two_labels) {
  check_shares(SMOOTHED);
  check_shares("loss: {bce: {smoothing: 0.1}}");
  check_shares("distill: {plan: teacher.bin, temperature: 2, weight: 0.3}");
}

static void check_gradients(const char *train) {
  model m = make("data: {train: [cutmix]}\n", train);
  set_numbers(&m);
  set_labels(&m, "label", 0);
  set_labels(&m, "other_label", 1);
  int gradient = rgc_gradient_of(m.graph, m.weight);
  double *w = rgc_reference_tensor(m.reference, m.weight);
  for (int e = 0; e < 5 * 9 * 2; e += 7) {
    double old = w[e], h = 1e-5;
    loss_of(&m, 0.3);
    double found = rgc_reference_tensor(m.reference, gradient)[e];
    w[e] = old + h;
    double above = loss_of(&m, 0.3);
    w[e] = old - h;
    double below = loss_of(&m, 0.3), expected = (above - below) / (2 * h);
    w[e] = old;
    cr_expect(fabs(found - expected) < 1e-6 * (fabs(expected) + 1e-3), "%d: %g, expected %g", e, found, expected);
  }
  destroy(&m);
}

Test(mix, gradients_agree_with_differences) {
  check_gradients(SMOOTHED);
  check_gradients("loss: bce");
}
