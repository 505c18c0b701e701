/* test_words.c: what layer words mean, number by number, against formulas written out here: activations (Hendrycks & Gimpel 2016 for gelu, Howard et al.
 * 2019 for the hard ones; all as PyTorch has them), and the words that only move elements. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "runtime/reference/evaluate.h"
#include "tests/unit/arena_fixture.h"
#include "tests/unit/network_text.h"

enum { HEIGHT = 3, WIDTH = 5, CHANNELS = 4 };

/* Runs one sample of the network whose stem is `layers`, its input element e being input(e), and returns the value of that name. */
static const rgc_value *run(fixture *f, const char *layers, const char *name, double (*input)(int64_t), const double **data) {
  const char *yaml = rgc_arena_printf(f->arena, "rgc: 1\nname: words\ninput: {channels: %d, height: %d, width: %d}\nclasses: 2\nstem: [%s]\n"
                                                "head: [avgpool: global, linear: {out: classes}]\n", CHANNELS, HEIGHT, WIDTH, layers);
  rgc_network *network = network_of_text(f->arena, yaml, &f->diags);
  rgc_graph *graph = network ? rgc_network_build(network, 1, false, &f->diags) : NULL;
  cr_assert(graph, "%s", layers);
  rgc_reference *reference = rgc_reference_create(graph);
  int in = rgc_graph_find(graph, "input"), out = rgc_graph_find(graph, name);
  cr_assert(out >= 0, "%s of %s", name, layers);
  for (int64_t e = 0; e < rgc_shape_elems(graph->values[in].shape); e++) rgc_reference_tensor(reference, in)[e] = input(e);
  rgc_reference_step(reference, &(rgc_step_numbers){.scalars = {[RGC_SCALAR_N_VALID] = 1, [RGC_SCALAR_INV_N] = 1}});
  size_t bytes = sizeof(double) * (size_t)rgc_shape_elems(graph->values[out].shape);
  *data = memcpy(rgc_arena_alloc(f->arena, bytes), rgc_reference_tensor(reference, out), bytes);
  rgc_reference_destroy(reference);
  return &graph->values[out];
}

/* ---- activations ---- */

/* -7.5 to 7.25, with the places where the hard ones bend. */
static double ramp(int64_t e) { return (double)(e - 30) * 0.25; }

static double relu(double x) { return x > 0 ? x : 0; }
static double relu6(double x) { return fmin(relu(x), 6); }
static double sigmoid(double x) { return 1 / (1 + exp(-x)); }
static double silu(double x) { return x * sigmoid(x); }
static double gelu(double x) { return 0.5 * x * erfc(-x / sqrt(2)); }
static double hardsigmoid(double x) { return relu6(x + 3) / 6; }
static double hardswish(double x) { return x * relu6(x + 3) / 6; }
static double leaky(double x) { return x > 0 ? x : 0.01 * x; }
static double leaky_more(double x) { return x > 0 ? x : 0.2 * x; }

Test(words, activations) {
  static const struct {
    const char *layer, *name;
    double (*meaning)(double);
  } cases[] = {{"relu", "relu1", relu},    {"sigmoid", "sigmoid1", sigmoid}, {"tanh", "tanh1", tanh}, {"silu", "silu1", silu},
               {"gelu", "gelu1", gelu},    {"relu6", "relu61", relu6},       {"hardsigmoid", "hardsigmoid1", hardsigmoid},
               {"hardswish", "hardswish1", hardswish}, {"leaky_relu", "leaky_relu1", leaky}, {"leaky_relu: 0.2", "leaky_relu1", leaky_more}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    fixture f = setup();
    const double *data;
    const rgc_value *v = run(&f, cases[i].layer, cases[i].name, ramp, &data);
    for (int64_t e = 0; e < rgc_shape_elems(v->shape); e++)
      cr_assert_float_eq(data[e], cases[i].meaning(ramp(e)), 1e-14, "%s of %g is %.17g", cases[i].layer, ramp(e), data[e]);
    rgc_arena_destroy(f.arena);
  }
}

/* ---- what moves elements: the input at (h,w,c) is 10000 + 1000 h + 100 w + c ---- */

static double input_at(int64_t h, int64_t w, int64_t c) { return (double)(10000 + 1000 * h + 100 * w + c); }
static double numbered(int64_t e) { return input_at(e / CHANNELS / WIDTH, e / CHANNELS % WIDTH, e % CHANNELS); }

static double padded(int64_t h, int64_t w, int64_t c) { return c >= 0 && c < CHANNELS ? input_at(h, w, c) : 0; }
static double after(int64_t h, int64_t w, int64_t c) { return padded(h, w, c); }
static double before(int64_t h, int64_t w, int64_t c) { return padded(h, w, c - 3); }
static double both(int64_t h, int64_t w, int64_t c) { return padded(h, w, c - 1); } /* of three the odd one is behind */
static double subsampled(int64_t h, int64_t w, int64_t c) { return input_at(2 * h, 2 * w, c); }
static double upsampled(int64_t h, int64_t w, int64_t c) { return input_at(h / 2, w / 3, c); }
static double second_half(int64_t h, int64_t w, int64_t c) { return input_at(h, w, c + 2); }
static double exchanged(int64_t h, int64_t w, int64_t c) { return input_at(h, w, (c + 2) % 4); }
static double turned(int64_t h, int64_t w, int64_t c) { return input_at(h, w, (c + 1) % 4); }
static double beside_itself(int64_t h, int64_t w, int64_t c) { return input_at(h, w, c % 4); }

Test(words, moved_elements) {
  static const struct {
    const char *layers, *name;
    int64_t shape[3]; /* H, W, C */
    double (*meaning)(int64_t h, int64_t w, int64_t c);
  } cases[] = {{"pad_channels: {to: 7, at: after}", "pad_channels1", {3, 5, 7}, after},
               {"pad_channels: {to: 7, at: before}", "pad_channels1", {3, 5, 7}, before},
               {"pad_channels: 7", "pad_channels1", {3, 5, 7}, both},
               {"subsample: 2", "subsample1", {2, 3, 4}, subsampled},
               {"upsample: [2, 3]", "upsample1", {6, 15, 4}, upsampled},
               {"slice: {part: 1, parts: 2}", "slice1", {3, 5, 2}, second_half},
               {"split: {parts: 2, as: [a, b]}, concat: [b, a]", "concat1", {3, 5, 4}, exchanged},
               {"split: {sizes: [1, 3], as: [a, b]}, concat: [b, a]", "concat1", {3, 5, 4}, turned},
               {"split: {parts: 1, as: [a]}, concat: {of: [a, a]}", "concat1", {3, 5, 8}, beside_itself}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    fixture f = setup();
    const double *data;
    const rgc_value *v = run(&f, cases[i].layers, cases[i].name, numbered, &data);
    cr_assert(!memcmp(v->shape + RGC_H, cases[i].shape, sizeof cases[i].shape), "%s", cases[i].layers);
    for (int64_t e = 0; e < rgc_shape_elems(v->shape); e++) {
      int64_t c = e % v->shape[RGC_C], pixel = e / v->shape[RGC_C], h = pixel / v->shape[RGC_W], w = pixel % v->shape[RGC_W];
      cr_assert_eq(data[e], cases[i].meaning(h, w, c), "%s at %d, %d, %d is %g", cases[i].layers, (int)h, (int)w, (int)c, data[e]);
    }
    rgc_arena_destroy(f.arena);
  }
}
