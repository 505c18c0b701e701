/* test_reference.c: the reference evaluator against numbers worked out by hand or by a second, plainer loop. */
#include <criterion/criterion.h>
#include <math.h>

#include "runtime/reference/evaluate.h"
#include "runtime/reference/philox.h"

typedef struct fixture {
  rgc_arena *arena;
  rgc_graph *graph;
  rgc_reference *reference;
  rgc_step_numbers numbers;
} fixture;

static fixture setup(int64_t batch) {
  fixture f = {.arena = rgc_arena_create(), .numbers = {.seed = 11, .step = 2}};
  f.graph = rgc_graph_create(f.arena, "net", batch);
  f.numbers.scalars[RGC_SCALAR_N_VALID] = (double)batch;
  f.numbers.scalars[RGC_SCALAR_INV_N] = 1 / (double)batch;
  return f;
}

static void teardown(fixture *f) {
  rgc_reference_destroy(f->reference);
  rgc_arena_destroy(f->arena);
}

static int add_value(fixture *f, const char *name, rgc_role role, int64_t n, int64_t h, int64_t w, int64_t c) {
  return rgc_graph_value(f->graph, name, RGC_F32, role, (int64_t[]){n, h, w, c});
}

static double *tensor(fixture *f, int value) { return rgc_reference_tensor(f->reference, value); }

/* Fills inputs and parameters with numbers in [-1,1). */
static void create_and_fill(fixture *f) {
  f->reference = rgc_reference_create(f->graph);
  for (int v = 0; v < f->graph->value_count; v++)
    for (int64_t i = 0; f->graph->values[v].op < 0 && i < rgc_shape_elems(f->graph->values[v].shape); i++)
      tensor(f, v)[i] = 2 * rgc_philox_uniform(5, (uint32_t)v, 0, (uint64_t)i) - 1;
}

Test(reference, draws_the_published_numbers) { /* Random123's known answers */
  uint32_t zero[4] = {0}, ones[4] = {~0u, ~0u, ~0u, ~0u};
  philox_rounds(zero, 0);
  cr_assert(zero[0] == 0x6627e8d5 && zero[1] == 0xe169c58d && zero[2] == 0xbc57ac4c && zero[3] == 0x9b00dbd8);
  philox_rounds(ones, ~(uint64_t)0);
  cr_assert(ones[0] == 0x408f276d && ones[1] == 0x41c83b0e && ones[2] == 0xa20bc7c6 && ones[3] == 0x6d5451fd);
}

/* One output element of a convolution x [1,7,7,4] * w [6,3,3,2], stride 2, pad 2, dilation 2, groups 2. */
static double conv_element(const double *x, const double *w, int oh, int ow, int o) {
  double sum = 0;
  for (int r = 0; r < 3; r++)
    for (int s = 0; s < 3; s++)
      for (int i = 0; i < 2; i++) {
        int ih = oh * 2 + r * 2 - 2, iw = ow * 2 + s * 2 - 2;
        if (ih >= 0 && ih < 7 && iw >= 0 && iw < 7)
          sum += x[(ih * 7 + iw) * 4 + o / 3 * 2 + i] * w[((o * 3 + r) * 3 + s) * 2 + i];
      }
  return sum;
}

Test(reference, convolves_with_stride_dilation_and_groups) {
  fixture f = setup(1);
  int x = add_value(&f, "x", RGC_ROLE_INPUT, 1, 7, 7, 4), w = add_value(&f, "w", RGC_ROLE_PARAM, 6, 3, 3, 2);
  int b = add_value(&f, "b", RGC_ROLE_PARAM, 1, 1, 1, 6), y = add_value(&f, "y", RGC_ROLE_TEMP, 1, 4, 4, 6);
  rgc_op *op = rgc_graph_op(f.graph, RGC_OP_CONV, (int[]){x, w, b}, 3, &y, 1);
  op->attr[RGC_ATTR_STRIDE] = op->attr[RGC_ATTR_PAD] = op->attr[RGC_ATTR_DILATION] = op->attr[RGC_ATTR_GROUPS] = 2;
  create_and_fill(&f);
  rgc_reference_step(f.reference, &f.numbers);
  for (int i = 0; i < 4 * 4 * 6; i++) {
    double expected = conv_element(tensor(&f, x), tensor(&f, w), i / 24, i / 6 % 4, i % 6) + tensor(&f, b)[i % 6];
    cr_assert_float_eq(tensor(&f, y)[i], expected, 1e-13, "element %d", i);
  }
  teardown(&f);
}

Test(reference, takes_the_first_maximum) {
  fixture f = setup(1);
  int x = add_value(&f, "x", RGC_ROLE_INPUT, 1, 3, 3, 1), y = add_value(&f, "y", RGC_ROLE_TEMP, 1, 2, 2, 1);
  int tap = add_value(&f, "tap", RGC_ROLE_TEMP, 1, 2, 2, 1);
  rgc_op *op = rgc_graph_op(f.graph, RGC_OP_MAXPOOL, &x, 1, (int[]){y, tap}, 2);
  op->attr[RGC_ATTR_KERNEL] = 3;
  op->attr[RGC_ATTR_STRIDE] = 2;
  op->attr[RGC_ATTR_PAD] = 1;
  f.reference = rgc_reference_create(f.graph);
  static const double image[9] = {-1, -2, -3, -1, 5, 5, -9, 5, 0}, maxima[4] = {5, 5, 5, 5}, taps[4] = {8, 6, 2, 0};
  for (int i = 0; i < 9; i++) tensor(&f, x)[i] = image[i];
  rgc_reference_step(f.reference, &f.numbers);
  for (int i = 0; i < 4; i++) cr_assert(tensor(&f, y)[i] == maxima[i] && tensor(&f, tap)[i] == taps[i], "window %d", i);
  teardown(&f);
}

/* The corner window of a 2x2 average over an image of ones, padded by 1. */
static double corner_average(bool count_pad) {
  fixture f = setup(1);
  int x = add_value(&f, "x", RGC_ROLE_INPUT, 1, 2, 2, 1), y = add_value(&f, "y", RGC_ROLE_TEMP, 1, 2, 2, 1);
  rgc_op *op = rgc_graph_op(f.graph, RGC_OP_AVGPOOL, &x, 1, &y, 1);
  op->attr[RGC_ATTR_KERNEL] = op->attr[RGC_ATTR_STRIDE] = 2;
  op->attr[RGC_ATTR_PAD] = 1;
  op->attr[RGC_ATTR_COUNT_PAD] = count_pad;
  f.reference = rgc_reference_create(f.graph);
  for (int i = 0; i < 4; i++) tensor(&f, x)[i] = 1;
  rgc_reference_step(f.reference, &f.numbers);
  double corner = tensor(&f, y)[0];
  teardown(&f);
  return corner;
}

Test(reference, averages_with_and_without_padding) {
  cr_assert_eq(corner_average(false), 1);
  cr_assert_eq(corner_average(true), 0.25);
}

Test(reference, normalizes_valid_samples_and_updates_running_statistics) {
  fixture f = setup(3);
  f.numbers.scalars[RGC_SCALAR_N_VALID] = 2;
  int x = add_value(&f, "x", RGC_ROLE_INPUT, 3, 1, 2, 1), y = add_value(&f, "y", RGC_ROLE_TEMP, 3, 1, 2, 1), in[5] = {x};
  int out[5] = {y};
  for (int k = 1; k < 5; k++) in[k] = add_value(&f, rgc_arena_printf(f.arena, "in%d", k), RGC_ROLE_BUFFER, 1, 1, 1, 1);
  for (int k = 1; k < 5; k++) out[k] = add_value(&f, "out", RGC_ROLE_TEMP, 1, 1, 1, 1);
  for (int k = 3; k < 5; k++) f.graph->values[out[k]].updates = in[k];
  rgc_graph_op(f.graph, RGC_OP_BN, in, 5, out, 5)->attr[RGC_ATTR_MOMENTUM] = 0.5;
  f.reference = rgc_reference_create(f.graph);
  static const double samples[6] = {1, 2, 3, 4, 99, 99};
  for (int i = 0; i < 6; i++) tensor(&f, x)[i] = samples[i];
  tensor(&f, in[1])[0] = 2;
  tensor(&f, in[2])[0] = 10;
  tensor(&f, in[4])[0] = 1;
  rgc_reference_step(f.reference, &f.numbers);
  for (int i = 0; i < 4; i++) cr_assert_float_eq(tensor(&f, y)[i], (samples[i] - 2.5) / sqrt(1.25) * 2 + 10, 1e-12);
  cr_assert(tensor(&f, y)[4] == 0 && tensor(&f, y)[5] == 0, "samples past n_valid are not stored");
  cr_assert_float_eq(tensor(&f, in[3])[0], 0.5 * 2.5, 1e-15);
  cr_assert_float_eq(tensor(&f, in[4])[0], 0.5 + 0.5 * 5 / 3.0, 1e-15);
  teardown(&f);
}

Test(reference, keeps_softmax_finite_for_large_logits) {
  fixture f = setup(2);
  int logits = add_value(&f, "z", RGC_ROLE_INPUT, 2, 1, 1, 2), labels = add_value(&f, "l", RGC_ROLE_LABEL, 2, 1, 1, 1);
  int out[3] = {add_value(&f, "loss", RGC_ROLE_OUTPUT, 1, 1, 1, 1), add_value(&f, "correct", RGC_ROLE_OUTPUT, 1, 1, 1, 1),
                add_value(&f, "probs", RGC_ROLE_TEMP, 2, 1, 1, 2)};
  rgc_graph_op(f.graph, RGC_OP_XENT, (int[]){logits, labels}, 2, out, 3)->attr[RGC_ATTR_SMOOTHING] = 0.2;
  f.reference = rgc_reference_create(f.graph);
  const double z[4] = {1000, 0, 0, log(3)};
  for (int i = 0; i < 4; i++) tensor(&f, logits)[i] = z[i];
  rgc_reference_step(f.reference, &f.numbers); /* both labels 0 */
  double first = 0.1 * 1000, second = 0.9 * log(4) + 0.1 * (log(4) - log(3));
  cr_assert_float_eq(tensor(&f, out[0])[0], (first + second) / 2, 1e-12);
  cr_assert_eq(tensor(&f, out[1])[0], 1);
  cr_assert_float_eq(tensor(&f, out[2])[3], 0.75, 1e-15);
  teardown(&f);
}

Test(reference, numbers_random_elements_over_the_axes_asked_for) {
  fixture f = setup(2);
  int y = add_value(&f, "y", RGC_ROLE_TEMP, 2, 1, 1, 3);
  rgc_body *body = rgc_body_create(f.arena);
  rgc_graph_map(f.graph, body, rgc_body_random(body, 4, 1u << RGC_N), y);
  f.reference = rgc_reference_create(f.graph);
  rgc_reference_step(f.reference, &f.numbers);
  for (int i = 0; i < 6; i++)
    cr_assert_eq(tensor(&f, y)[i], rgc_philox_uniform(11, 4, 2, (uint64_t)(i / 3)), "element %d", i);
  teardown(&f);
}
