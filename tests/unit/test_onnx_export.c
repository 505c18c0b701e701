/* test_onnx_export.c: networks with every layer word, written as ONNX models and run by an evaluator of its own (onnx_evaluate.h), give what the
 * reference gives for the inference graph, for 3 samples and for 1, with batch norms kept and folded. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "compiler/plan/plan_build.h"
#include "runtime/data/slurp.h"
#include "runtime/import/export.h"
#include "runtime/import/import.h"
#include "runtime/reference/evaluate.h"
#include "runtime/reference/philox.h"
#include "runtime/train/weights.h"
#include "tests/unit/network_text.h"
#include "tests/unit/onnx_evaluate.h"
#include "tests/unit/temp_folder.h"

#define HEAD_OF(size) "rgc: 1\nname: small\ninput: {channels: 3, size: " #size "}\nclasses: 4\n"
#define FILE_HEAD HEAD_OF(7)
#define STEM "stem: [conv: {out: 4, kernel: 3}, bn, relu]\n"
#define LINEAR "head: [avgpool: global, linear: {out: classes}]\n"

enum { SEED = 5, DRAWS = 1 << 20 };

/* A network with weights as if it were trained: no batch norm is the identity. */
static rgc_plan *plan_of(fixture *f, const char *yaml) {
  rgc_network *network = network_of_text(f->arena, yaml, &f->diags);
  cr_assert(network, "%s", yaml);
  rgc_plan *plan = rgc_plan_create(network, f->arena, &f->diags);
  cr_assert(plan, "%s", yaml);
  rgc_weight *weights = RGC_NEW_ARRAY(f->arena, rgc_weight, plan->unfused->value_count);
  int count = 0;
  for (int i = 0; i < plan->unfused->value_count; i++) {
    const rgc_value *v = &plan->unfused->values[i];
    if (rgc_is_learnt(v) && v->op < 0) weights[count++] = (rgc_weight){.value = v, .f32 = RGC_NEW_ARRAY(f->arena, float, rgc_shape_elems(v->shape))};
  }
  rgc_weights_draw(weights, count, SEED);
  for (int i = 0; i < count; i++)
    for (int64_t e = 0; weights[i].value->torch_rank == 1 && e < weights[i].value->shape[RGC_C]; e++)
      weights[i].f32[e] += (float)(0.8 * rgc_philox_uniform(SEED, (uint32_t)(DRAWS + i), 0, (uint64_t)e) - 0.3);
  plan->tensors = rgc_weights_tensors(weights, count, f->arena, &plan->tensor_count);
  return plan;
}

/* Image data [n,H,W,C] of the reference and, the same, [n,C,H,W]. */
static void draw_images(double *nhwc, double *nchw, const int64_t shape[RGC_AXES]) {
  int64_t pixels = shape[RGC_H] * shape[RGC_W], channels = shape[RGC_C];
  for (int64_t e = 0; e < rgc_shape_elems(shape); e++) {
    int64_t c = e % channels, pixel = e / channels % pixels, n = e / channels / pixels;
    nhwc[e] = 2 * rgc_philox_uniform(SEED, DRAWS - 1, 0, (uint64_t)e) - 1;
    nchw[(n * channels + c) * pixels + pixel] = nhwc[e];
  }
}

/* Runs both, and compares each output of the network. */
static void compare(fixture *f, const rgc_plan *plan, onnx_model *model, int64_t n) {
  const rgc_graph *graph = rgc_network_build(plan->network, n, false, &f->diags);
  rgc_reference *reference = rgc_reference_create(graph);
  rgc_tensor_file file = {.tensors = plan->tensors, .tensor_count = plan->tensor_count};
  rgc_step_numbers numbers = {.scalars = {[RGC_SCALAR_N_VALID] = (double)n, [RGC_SCALAR_INV_N] = 1 / (double)n}};
  onnx_value input = {.name = "input", .rank = 4};
  for (int i = 0; i < graph->value_count; i++) {
    const rgc_value *v = &graph->values[i];
    rgc_weight weight = {.value = v, .f64 = rgc_reference_tensor(reference, i)};
    if (rgc_is_learnt(v)) cr_assert(rgc_weights_take(&weight, 1, &file, "plan", &f->diags));
    if (v->role != RGC_ROLE_INPUT) continue;
    memcpy(input.shape, (int64_t[]){n, v->shape[RGC_C], v->shape[RGC_H], v->shape[RGC_W]}, 4 * sizeof(int64_t));
    input.data = RGC_NEW_ARRAY(f->arena, double, rgc_shape_elems(v->shape));
    draw_images(rgc_reference_tensor(reference, i), input.data, v->shape);
  }
  rgc_reference_step(reference, &numbers);
  onnx_run(model, &input);
  for (int i = 0; i < graph->value_count; i++) {
    const rgc_value *v = &graph->values[i];
    if (v->role != RGC_ROLE_OUTPUT) continue;
    const onnx_value *out = onnx_find(model, v->name);
    const double *want = rgc_reference_tensor(reference, i);
    double off = 0, norm = 0;
    cr_assert(out && out->rank == 2 && out->shape[0] == n && out->shape[1] == v->shape[RGC_C], "%s", v->name);
    for (int64_t e = 0; e < n * v->shape[RGC_C]; e++) off += pow(out->data[e] - want[e], 2), norm += pow(want[e], 2);
    cr_assert(norm > 0 && sqrt(off / norm) < 1e-6, "%s: %.2e of %.2e", v->name, sqrt(off), sqrt(norm)); /* constants are float32 */
  }
  rgc_reference_destroy(reference);
}

static onnx_model *export_model(fixture *f, const rgc_plan *plan, bool fold) {
  const char *path = rgc_arena_printf(f->arena, "%s/model.onnx", f->dir);
  rgc_file_bytes bytes;
  int nodes = 0;
  cr_assert(rgc_export_onnx(plan, "plan", path, fold, RGC_ONNX_MOST_BYTES, &nodes, &f->diags));
  cr_assert(rgc_file_slurp(path, f->arena, &bytes, &f->diags));
  onnx_model *model = onnx_read(f->arena, bytes.data, bytes.size_bytes);
  cr_assert_eq(model->node_count, nodes);
  return model;
}

/* The initializers are the network's parameters and buffers, under their names and in PyTorch's shapes. */
static void check_initializers(const rgc_plan *plan, const onnx_model *model) {
  cr_assert_eq(model->initializer_count, plan->tensor_count);
  for (int i = 0; i < plan->tensor_count; i++) {
    const rgc_tensor *t = &plan->tensors[i];
    const onnx_value *v = onnx_find(model, t->name);
    cr_assert(v && v->rank == t->rank && !memcmp(v->shape, t->shape, sizeof *t->shape * (size_t)t->rank), "%s", t->name);
  }
}

/* `left`: batch norms that stay where they are, folded or not. Returns the model with batch norms kept. */
static onnx_model *check_left(fixture *f, const char *yaml, int left) {
  const rgc_plan *plan = plan_of(f, yaml);
  onnx_model *kept = export_model(f, plan, false), *folded = export_model(f, plan, true);
  check_initializers(plan, kept);
  cr_assert_eq(onnx_count_nodes(folded, "BatchNormalization"), left, "%d stayed", onnx_count_nodes(folded, "BatchNormalization"));
  for (int64_t n = 1; n <= 3; n += 2) {
    compare(f, plan, kept, n);
    compare(f, plan, folded, n);
  }
  return kept;
}

static void check(const char *yaml) {
  fixture f = setup();
  check_left(&f, yaml, 0);
  teardown(&f);
}

Test(onnx_export, blocks) {
  check(FILE_HEAD STEM "stages: [{block: basic, repeat: 2, width: 4}]\n" LINEAR);
  check(FILE_HEAD STEM "stages: [{block: bottleneck, repeat: 2, width: 4, stride: 2, groups: 2, base_width: 64, expansion: 2}]\n" LINEAR);
  check(FILE_HEAD STEM "stages: [{block: basic, repeat: 2, width: 4, drop_path: 0.4, attn: [se: {rd: 2}]}]\n"
                       "head: [avgpool: global, dropout: 0.3, linear: {out: classes}]\n");
  check(FILE_HEAD STEM "stages: [{block: basic, repeat: 2, width: 6, stride: 2, "
                       "shortcut: [subsample: {stride: stride}, pad_channels: {to: width, at: both}]}]\n" LINEAR);
  check(FILE_HEAD STEM "stages: [{block: res2net, repeat: 2, width: 2, base_width: 64, scale: 3, expansion: 2, stride: 2}]\n" LINEAR);
  check(FILE_HEAD STEM "stages: [{block: resnest, repeat: 2, width: 2, base_width: 64, expansion: 2, stride: 2}]\n"
                       "head: [selective_kernel: {out: 4, rd: 2, divisor: 2}, avgpool: global, linear: {out: classes}]\n");
}

Test(onnx_export, batch_norms_that_cannot_be_folded_stay) {
  fixture f = setup();
  check_left(&f, FILE_HEAD "stem: [conv: {out: 4, kernel: 3}, relu, bn, conv: {out: 4, kernel: 3, bias: true}, bn]\n" LINEAR, 1);
  check_left(&f, FILE_HEAD "stem: [conv: {out: 4, kernel: 3, as: y}, bn: {as: z}, add: {of: [y, z]}, relu]\n" LINEAR, 1);
  check_left(&f, FILE_HEAD STEM "head: [avgpool: global, linear: {out: 6}, bn, relu, linear: {out: classes}, bn]\n", 0);
  teardown(&f);
}

Test(onnx_export, oblong_pools) {
  check(HEAD_OF(11) "stem: [conv: {out: 4, kernel: 3}, bn, maxpool: {kernel: [3, 2], stride: [2, 1], pad: [1, 0]}, avgpool: {kernel: [1, 3], "
                    "stride: [1, 2], pad: [0, 1]}, avgpool: {kernel: [2, 1], stride: [3, 2], ceil: true}]\nhead: [linear: {out: classes}]\n");
}

/* A network of a decoder's kind: by 2, by 3 to the size of another value, rows alone, and an image of one pixel to any size. */
Test(onnx_export, upsampling) {
  check(HEAD_OF(12) "stem: [conv: {out: 4, kernel: 3}, bn, relu: {as: a}, maxpool: {kernel: 2, pad: 0}, conv: {out: 6, kernel: 3, as: b}, "
                    "maxpool: {kernel: 3, pad: 0}, relu, upsample: {like: b}, add: [b], upsample: 2, concat: [a], conv: {out: 5, kernel: 3, stride: 2}, bn, "
                    "relu: {as: c}, avgpool: global, upsample: {like: c}, mul: [c], upsample: [3, 1], conv: {out: 4, kernel: 3}]\nhead: [linear: {out: classes}]\n");
}

Test(onnx_export, windows) {
  check(FILE_HEAD "stem: [conv: {out: 4, kernel: [3, 1]}, bn, relu, conv: {out: 4, kernel: [1, 5], stride: 2}, bn, relu, "
                  "conv: {out: 4, kernel: [2, 3], pad: [1, 0], groups: 2, bias: true}, conv: {out: 4, kernel: 3, dilation: 2}, relu]\n" LINEAR);
  check(HEAD_OF(11) "stem: [conv: {out: 4, kernel: 3}, bn, maxpool: {kernel: 3, stride: 2, pad: 1}]\n" LINEAR);
  check(HEAD_OF(12) "stem: [conv: {out: 4, kernel: 3}, bn, maxpool: {kernel: 3, stride: 2, pad: 1, ceil: true}]\n" LINEAR);
  check(HEAD_OF(12) "stem: [conv: {out: 4, kernel: 3}, bn, maxpool: {kernel: 2, stride: 3, pad: 0, ceil: true}, relu]\nhead: [linear: {out: classes}]\n");
}

/* The four of counting the padding and letting the last window hang over, on images where it does. */
Test(onnx_export, averages) {
  static const char *const counts[] = {"false", "true"}, *const ceils[] = {"false", "true"};
  for (int i = 0; i < 4; i++) {
    fixture f = setup();
    const char *pools = rgc_arena_printf(f.arena, HEAD_OF(12) "stem: [conv: {out: 4, kernel: 3}, avgpool: {kernel: 3, stride: 2, pad: 1, ceil: %s, count_pad: %s}, "
                                                              "avgpool: {kernel: 4, stride: 4, pad: 0, ceil: %s, count_pad: %s}]\nhead: [linear: {out: classes}]\n",
                                         ceils[i / 2], counts[i % 2], ceils[i / 2], counts[i % 2]);
    check_left(&f, pools, 0);
    teardown(&f);
  }
}

Test(onnx_export, fixed_filters) {
  check(HEAD_OF(9) "stem: [conv: {out: 4, kernel: 3}, bn, relu, filter: {taps: [1, 2, 1], stride: 2, edge: reflect}, conv: {out: 4, kernel: 3}, "
                   "bn, filter: {taps: [1, 3, 3, 1]}, relu]\n" LINEAR);
}

Test(onnx_export, norms_and_attention) {
  check(FILE_HEAD "stem: [conv: {out: 6, kernel: 3}, group_norm: 3, relu, conv: {out: 6, kernel: 3}, group_norm: 1, relu, "
                  "conv: {out: 6, kernel: 3}, group_norm: 6, eca]\n" LINEAR);
}

Test(onnx_export, joins_and_slices) {
  fixture f = setup();
  onnx_model *m = check_left(&f, FILE_HEAD "stem: [conv: {out: 6, kernel: 3}, bn, relu, split: {parts: 2, as: [a, b]}, conv: {from: a, out: 5, kernel: 3, as: c}, "
                                           "concat: {of: [c, b]}, bn, relu, conv: {out: 4, kernel: 1}]\n" LINEAR, 1);
  cr_assert(onnx_count_nodes(m, "Concat") == 1 && onnx_count_nodes(m, "Slice") == 2 && onnx_count_nodes(m, "Pad") == 0);
  cr_assert_eq(onnx_count_nodes(m, "Relu"), 2);
  check_left(&f, FILE_HEAD STEM "head: [split: {parts: 4, as: [a, b, c, d]}, softmax: {of: [a, b, c, d], as: [e, f, g, h]}, "
                                "map: a * h + b * g + c * f + d * e, avgpool: global, linear: {out: classes}]\n", 0);
  check_left(&f, FILE_HEAD STEM "head: [tanh: {as: y}, reduce: {over: channels, by: max, as: m}, mul: {of: [y, m]}, reduce: {over: channels, by: sum, as: s}, "
                                "mul: {of: [y, s]}, reduce: {over: channels, by: mean, as: q}, mul: {of: [y, q]}, reduce: {over: space, by: max, as: t}, "
                                "mul: {of: [y, t]}, reduce: {over: space, by: sum}, linear: {out: classes}]\n", 0);
  teardown(&f);
}

/* Every word that a formula may have; one that is the same for every sample, and one that drops what it names. */
Test(onnx_export, expressions) {
  check(FILE_HEAD "stem: [conv: {out: 4, kernel: 3}, bn, silu, conv: {out: 4, kernel: 3}, bn, gelu, conv: {out: 4, kernel: 3}, bn, hardswish, "
                  "conv: {out: 4, kernel: 3, groups: 4}, tanh, leaky_relu: {slope: 0.2}, relu6, sigmoid]\n" LINEAR);
  check(FILE_HEAD STEM "head: [conv: {out: 4, kernel: 1, as: x}, param: {shape: channel, init: 0.5, as: p}, param: {shape: one, init: 2, as: q}, "
                       "map: {of: 'min(max(x, -q), pow(abs(p), q)) - fma(x, p, neg(x)) / (1 + exp(-x)) + sqrt(abs(x) + 1) * log(2 + x * x)', as: a}, "
                       "map: {of: 'floor(3 * x) + recip(2 + abs(x)) + erf(x) + tanh(p) * (x // q) + x % 0.3', as: b}, "
                       "map: {of: 'a if x > p and not b < 0 or x == 0 else select(x <= 0, b, q)', as: c}, "
                       "map: {of: '(p > 0) * c + (c != q) + (x >= b)'}, avgpool: global, linear: {out: classes}]\n");
  check(FILE_HEAD STEM "head: [avgpool: global, linear: {out: 4, as: x}, param: {shape: channel, init: 0.5, as: p}, map: {of: 'select(1, p, x)', as: y}, "
                       "map: {of: 'x + y', as: z}, concat: {of: [y, z]}, linear: {out: classes}]\n");
}

Test(onnx_export, outputs) {
  fixture f = setup();
  check_left(&f, "rgc: 1\nname: heads\ninput: {channels: 3, size: 7}\nclasses: {kind: 4, colour: 3}\n" STEM
                 "head: [avgpool: global, dropout: {rate: 0.2, as: f}, linear: {from: f, out: classes.kind, name: fc1, output: kind}, "
                 "linear: {from: f, out: classes.colour, name: fc2, as: g}, relu: {from: g, output: colour}]\n", 0);
  onnx_model *m = check_left(&f, FILE_HEAD STEM "head: [conv: {out: classes, kernel: 1}, avgpool: global]\n", 0); /* an image of 1x1 */
  cr_assert(onnx_count_nodes(m, "Flatten") == 1 && onnx_count_nodes(m, "Gemm") == 0 && onnx_count_nodes(m, "Identity") == 0);
  teardown(&f);
}

Test(onnx_export, a_plan_without_weights_is_refused) {
  fixture f = setup();
  rgc_plan *plan = plan_of(&f, FILE_HEAD STEM LINEAR);
  const char *path = rgc_arena_printf(f.arena, "%s/none.onnx", f.dir);
  plan->tensor_count = 0;
  cr_assert_not(rgc_export_onnx(plan, "plan.bin", path, false, RGC_ONNX_MOST_BYTES, NULL, &f.diags));
  cr_assert(f.diags.items[0].code == RGC_CODE_WEIGHTS && !strcmp(f.diags.items[0].message, "has no weights yet"));
  cr_assert_not(rgc_file_exists(path));
  teardown(&f);
}

/* Over the limit the weights stand in a file beside the model, each at a page, and come back as they were. */
Test(onnx_export, weights_beside_a_model_that_is_too_large) {
  fixture f = setup();
  const rgc_plan *plan = plan_of(&f, FILE_HEAD STEM LINEAR);
  const char *path = rgc_arena_printf(f.arena, "%s/large.onnx", f.dir), *numbers = rgc_arena_printf(f.arena, "%s.data", path);
  rgc_file_bytes whole, model, beside;
  cr_assert(rgc_export_onnx(plan, "plan", path, false, RGC_ONNX_MOST_BYTES, NULL, &f.diags) && rgc_file_slurp(path, f.arena, &whole, &f.diags));
  cr_assert(rgc_export_onnx(plan, "plan", path, false, whole.size_bytes, NULL, &f.diags) && !rgc_file_exists(numbers) && f.diags.count == 0);
  cr_assert(rgc_export_onnx(plan, "plan", path, false, whole.size_bytes - 1, NULL, &f.diags));
  cr_assert(f.diags.count == 1 && f.diags.items[0].severity == RGC_NOTE && !strcmp(f.diags.items[0].at.file, numbers));
  cr_assert(rgc_file_slurp(path, f.arena, &model, &f.diags) && rgc_file_slurp(numbers, f.arena, &beside, &f.diags));
  cr_assert(memmem(model.data, model.size_bytes, "large.onnx.data", 15) && !memmem(model.data, model.size_bytes, f.dir, strlen(f.dir)));
  rgc_tensor_file *back = rgc_import_open(f.arena, path, &f.diags);
  cr_assert(back && back->tensor_count == plan->tensor_count);
  for (int i = 0; i < plan->tensor_count; i++) {
    const rgc_tensor *t = &plan->tensors[i], *found = rgc_tensor_find(back, t->name);
    cr_assert(found && found->size_bytes == t->size_bytes, "%s", t->name);
    cr_assert_arr_eq(found->data, t->data, t->size_bytes, "%s", t->name);
    cr_assert(i * 4096 + t->size_bytes <= beside.size_bytes && !memcmp(beside.data + i * 4096, t->data, t->size_bytes), "%s", t->name); /* none is over a page */
  }
  teardown(&f);
}
