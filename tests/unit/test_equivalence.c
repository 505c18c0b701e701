/* test_equivalence.c: fusion, scheduling, tiles and layouts change no number: programs of small networks with every structure, before
 * and after, in double, for full batches and for batches with fewer samples. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tests/unit/equivalence.h"
#include "tests/unit/golden_pass.h"

#define HEAD_OF(size) "rgc: 1\nname: small\ninput: {channels: 3, size: " #size "}\nclasses: 4\n"
#define FILE_HEAD HEAD_OF(7)
#define STEM "stem: [conv: {out: 4, kernel: 3}, bn, relu]\n"
#define LINEAR "head: [avgpool: global, linear: {out: classes}]\n"

/* A graph file and a seed of its own for each run, told on failure; RGC_TEST_SEED=n repeats one. */
static uint64_t fresh_seed(void) {
  const char *fixed = getenv("RGC_TEST_SEED");
  return fixed ? strtoull(fixed, NULL, 10) : (uint64_t)time(NULL);
}

/* With 4, 3 and `least` valid samples of 4. */
static void check_training_from(const char *yaml, bool adamw, int least) {
  equivalence *e = equivalence_compile(yaml, RGC_PROGRAM_TRAIN, 4, fresh_seed(), adamw, &golden_target);
  equivalence_check(e, 4);
  equivalence_check(e, 3);
  equivalence_check(e, least);
  traffic before = equivalence_traffic(e->unfused), after = equivalence_traffic(e->done->graph);
  cr_assert(after.kernels < before.kernels && after.bytes < before.bytes, "%d kernels, %lld bytes; unfused %d, %lld", after.kernels,
            (long long)after.bytes, before.kernels, (long long)before.bytes);
  equivalence_destroy(e);
}

static void check_training(const char *yaml, bool adamw) { check_training_from(yaml, adamw, 1); }

static void check_inference(const char *yaml) {
  uint64_t seed = fresh_seed();
  equivalence_check_inference(yaml, 4, 4, seed, &golden_target);
  equivalence_check_inference(yaml, 4, 3, seed, &golden_target);
}

static void check(const char *yaml) {
  check_training(yaml, false);
  check_inference(yaml);
}

Test(equivalence, basic_blocks, .timeout = 300) {
  check(FILE_HEAD STEM "stages: [{block: basic, repeat: 2, width: 4}]\n" LINEAR);
}

Test(equivalence, bottlenecks_with_groups_and_a_projection, .timeout = 300) {
  check(FILE_HEAD STEM "stages: [{block: bottleneck, repeat: 2, width: 4, stride: 2, groups: 2, base_width: 64, expansion: 2}]\n" LINEAR);
}

Test(equivalence, pre_activation, .timeout = 300) {
  check(FILE_HEAD
        "stem: [conv: {out: 4, kernel: 3}]\n"
        "blocks:\n  preact:\n    parameters: {width: required, stride: 1}\n"
        "    body: [bn, relu: {as: pre}, conv: {out: width, kernel: 3, stride: stride}, bn, relu, conv: {out: width, kernel: 3}]\n"
        "    shortcut: [conv: {from: pre, out: width, kernel: 1, stride: stride}]\n    join: [add]\n"
        "stages: [{block: preact, repeat: 2, width: 4}, {block: preact, repeat: 1, width: 6, stride: 2}]\n"
        "head: [bn, relu, avgpool: global, linear: {out: classes}]\n");
}

Test(equivalence, squeeze_and_excitation, .timeout = 300) {
  check(FILE_HEAD STEM "stages: [{block: basic, repeat: 2, width: 4, attn: [se: {rd: 2}]}]\n" LINEAR);
}

Test(equivalence, concat_and_split, .timeout = 300) {
  check(FILE_HEAD "stem: [conv: {out: 6, kernel: 3}, bn, relu, split: {parts: 2, as: [a, b]}, conv: {from: a, out: 5, kernel: 3, as: c}, "
                  "concat: {of: [c, b]}, bn, relu, conv: {out: 4, kernel: 1}]\n" LINEAR);
  check(FILE_HEAD "stem: [conv: {out: 6, kernel: 3}, bn, relu, split: {sizes: [1, 3, 2], as: [a, b, c]}, conv: {from: b, out: 2, kernel: 3, as: d}, "
                  "concat: {of: [d, a, c]}, bn, relu, conv: {out: 4, kernel: 1}]\n" LINEAR);
}

Test(equivalence, fixed_filters, .timeout = 300) {
  check(HEAD_OF(9) "stem: [conv: {out: 4, kernel: 3}, bn, relu, filter: {taps: [1, 2, 1], stride: 2, edge: reflect}, conv: {out: 4, kernel: 3}, "
                   "bn, filter: {taps: [1, 3, 3, 1]}, relu]\n" LINEAR);
}

Test(equivalence, group_norm_and_efficient_channel_attention, .timeout = 300) {
  check(FILE_HEAD "stem: [conv: {out: 6, kernel: 3}, group_norm: 3, relu, conv: {out: 6, kernel: 3}, group_norm: 1, relu, "
                  "conv: {out: 6, kernel: 3}, group_norm: 6, eca]\n" LINEAR);
}

Test(equivalence, selective_kernels_and_split_attention, .timeout = 300) {
  static const char yaml[] = FILE_HEAD STEM "stages: [{block: resnest, repeat: 2, width: 2, base_width: 64, expansion: 2, stride: 2}]\n"
                                            "head: [selective_kernel: {out: 4, rd: 2, divisor: 2}, avgpool: global, linear: {out: classes}]\n";
  check_training_from(yaml, false, 2); /* statistics of 1x1 images: not of one sample */
  check_inference(yaml);
  check(FILE_HEAD STEM "head: [split: {parts: 4, as: [a, b, c, d]}, softmax: {of: [a, b, c, d], as: [e, f, g, h]}, "
                       "map: a * h + b * g + c * f + d * e, avgpool: global, linear: {out: classes}]\n");
}

Test(equivalence, parts_in_a_chain, .timeout = 300) {
  check(FILE_HEAD STEM "stages: [{block: res2net, repeat: 2, width: 2, base_width: 64, scale: 3, expansion: 2, stride: 2}]\n" LINEAR);
}

Test(equivalence, maxima_over_space_and_channels, .timeout = 300) {
  check(FILE_HEAD STEM "head: [tanh: {as: y}, reduce: {over: channels, by: max, as: m}, mul: {of: [y, m]}, reduce: {over: space, by: max}, "
                       "linear: {out: classes}]\n");
}

Test(equivalence, oblong_kernels, .timeout = 300) {
  check(FILE_HEAD "stem: [conv: {out: 4, kernel: [3, 1]}, bn, relu, conv: {out: 4, kernel: [1, 5], stride: 2}, bn, relu, "
                  "conv: {out: 4, kernel: [2, 3], pad: [1, 0], groups: 2, bias: true}, relu]\n" LINEAR);
}

Test(equivalence, dropout_and_drop_path, .timeout = 300) {
  check(FILE_HEAD STEM "stages: [{block: basic, repeat: 2, width: 4, drop_path: 0.4}]\n"
                       "head: [avgpool: global, dropout: 0.3, linear: {out: classes}]\n");
}

/* Random numbers belong to the place where they were drawn, from wherever they are read. */
Test(equivalence, dropped_elements_read_elsewhere, .timeout = 300) {
  check(FILE_HEAD STEM "head: [dropout: 0.4, split: {parts: 2, as: [a, b]}, concat: [b, a], subsample: 2, conv: {out: 5, kernel: 3}, dropout: 0.3, upsample: 2, "
                       "avgpool: {kernel: 3, stride: 2}, linear: {out: classes}]\n");
  check(FILE_HEAD "stem: [dropout: 0.4, subsample: 2, conv: {out: 4, kernel: 3}, relu]\n" LINEAR);
}

Test(equivalence, shortcuts_without_parameters, .timeout = 300) {
  check(FILE_HEAD STEM "stages: [{block: basic, repeat: 2, width: 6, stride: 2, "
                       "shortcut: [subsample: {stride: stride}, pad_channels: {to: width, at: both}]}]\n" LINEAR);
}

Test(equivalence, running_statistics_in_training, .timeout = 300) {
  check(FILE_HEAD STEM "stages: [{block: basic, repeat: 1, width: 6, stride: 2}]\n" LINEAR "train: {bn: running}\n");
}

Test(equivalence, mixed_labels, .timeout = 300) {
  check(FILE_HEAD STEM "stages: [{block: basic, repeat: 1, width: 6, stride: 2}]\n" LINEAR
                       "data: {train: [mixup]}\ntrain: {loss: {cross_entropy: {smoothing: 0.1}}}\n");
}

/* As a decoder: repeated rows and columns in prologues of convolutions, beside other values and behind one pixel; gradients of several readers. */
Test(equivalence, upsampling, .timeout = 300) {
  check(HEAD_OF(12) "stem: [conv: {out: 4, kernel: 3}, bn, relu: {as: a}, maxpool: {kernel: 2, pad: 0}, conv: {out: 6, kernel: 3, as: b}, "
                    "maxpool: {kernel: 3, pad: 0}, silu, upsample: {like: b}, add: [b], upsample: 2, concat: [a], conv: {out: 5, kernel: 3, stride: 2}, bn, "
                    "relu: {as: c}, avgpool: global, conv: {out: 5, kernel: 1}, upsample: {like: c}, mul: [c], upsample: [3, 1], upsample: [2, 4], "
                    "conv: {out: 4, kernel: 3}]\n" LINEAR);
}

Test(equivalence, biases_before_normalisation, .timeout = 300) {
  check(FILE_HEAD "stem: [conv: {out: 4, kernel: 3, bias: true}, bn, relu, conv: {out: 5, kernel: 3, stride: 2, bias: true}, relu]\n" LINEAR);
}

Test(equivalence, oblong_pools, .timeout = 300) {
  check(HEAD_OF(11) "stem: [conv: {out: 4, kernel: 3}, bn, relu, maxpool: {kernel: [3, 2], stride: [2, 1], pad: [1, 0]}, conv: {out: 6, kernel: 1}, "
                    "avgpool: {kernel: [1, 3], stride: [1, 2], pad: [0, 1], count_pad: false}, relu, "
                    "avgpool: {kernel: 2, stride: [2, 3], ceil: true}]\n" LINEAR);
}

Test(equivalence, pools, .timeout = 300) {
  check(HEAD_OF(11) "stem: [conv: {out: 4, kernel: 3}, bn, relu, maxpool: {kernel: 3, stride: 2, pad: 1}, conv: {out: 4, kernel: 3}, bn, "
                    "avgpool: {kernel: 2, stride: 2, ceil: true, count_pad: false}, relu]\n" LINEAR);
}

Test(equivalence, activations, .timeout = 300) {
  check(FILE_HEAD "stem: [conv: {out: 4, kernel: 3}, bn, silu, conv: {out: 4, kernel: 3}, bn, gelu, conv: {out: 4, kernel: 3}, bn, hardswish, "
                  "conv: {out: 4, kernel: 3, groups: 4}, tanh]\n" LINEAR);
}

/* The sum of a convolution and of its own batch normalisation: two outputs of one kernel in one map. */
Test(equivalence, two_readings_of_one_convolution, .timeout = 300) {
  check(FILE_HEAD "stem: [conv: {out: 4, kernel: 3, as: y}, bn: {as: z}, add: {of: [y, z]}, relu, conv: {out: 4, kernel: 3}]\n" LINEAR);
  check(FILE_HEAD "stem: [conv: {out: 4, kernel: 3, as: y}, tanh: {as: t}, bn: {from: y, as: z}, mul: {of: [t, z]}, conv: {out: 4, kernel: 3}]\n" LINEAR);
}

/* One channel more than there is: what stands outside of a value is 0, not what the layers before make of 0. */
Test(equivalence, one_channel_past_the_end, .timeout = 300) {
  check(FILE_HEAD "stem: [conv: {out: 4, kernel: 3}, bn, sigmoid, pad_channels: {to: 5, at: after}, conv: {out: 4, kernel: 3}, bn, "
                  "sigmoid, pad_channels: {to: 5, at: before}, conv: {out: 4, kernel: 1}]\n" LINEAR);
}

Test(equivalence, label_smoothing_and_sgd, .timeout = 300) {
  check(FILE_HEAD STEM "stages: [{block: basic, repeat: 1, width: 4}]\n" LINEAR
                       "train: {loss: {cross_entropy: {smoothing: 0.1}}, "
                       "optimizer: {sgd: {lr: 0.1, momentum: 0.9, nesterov: true, weight_decay: 0.001}}}\n");
  check(FILE_HEAD STEM LINEAR "train: {optimizer: {sgd: {lr: 0.1}}}\n");
}

Test(equivalence, adam_with_decay_and_adamw, .timeout = 300) {
  static const char yaml[] = FILE_HEAD STEM "stages: [{block: basic, repeat: 1, width: 6, stride: 2}]\n" LINEAR
                                            "train: {optimizer: {adam: {weight_decay: 0.01}}}\n";
  check(yaml);
  check_training(yaml, true);
}

Test(equivalence, clipped_averaged_groups, .timeout = 300) {
  check(FILE_HEAD STEM LINEAR "train: {optimizer: {adamw: {lr: 0.01, weight_decay: 0.1}}, clip: {norm: 0.1}, ema: 0.9, no_decay: norm_and_bias, "
                              "groups: [{layers: [conv1], lr: 0.1}]}\n");
  check(FILE_HEAD STEM LINEAR "train: {optimizer: {sgd: {lr: 0.1, momentum: 0.9}}, clip: {value: 0.01}, accumulate: 2}\n");
}

Test(equivalence, losses, .timeout = 300) {
  check(FILE_HEAD STEM LINEAR "train: {loss: {bce: {smoothing: 0.1}}}\n");
  check(FILE_HEAD STEM LINEAR "train: {distill: {plan: teacher.bin, temperature: 2}}\n");
}

Test(equivalence, two_heads_in_inference, .timeout = 300) {
  check_inference("rgc: 1\nname: heads\ninput: {channels: 3, size: 7}\nclasses: {kind: 4, colour: 3}\n" STEM
                  "stages: [{block: basic, repeat: 2, width: 6, stride: 2}]\n"
                  "head: [avgpool: global, dropout: {rate: 0.2, as: f}, linear: {from: f, out: classes.kind, name: fc1, output: kind}, "
                  "linear: {from: f, out: classes.colour, name: fc2, output: colour}]\n");
}

Test(equivalence, frozen_layers, .timeout = 300) {
  check(FILE_HEAD STEM "stages: [{block: basic, repeat: 1, width: 4}]\n" LINEAR "freeze: {layers: [conv1, bn1], bn: running}\n");
}

/* What fusion makes of two basic blocks, the second of them with a projection. */

static const char blocks_yaml[] = FILE_HEAD STEM "stages: [{block: basic, repeat: 1, width: 4}, {block: basic, repeat: 1, width: 8, stride: 2}]\n"
                                  LINEAR "train: {optimizer: {sgd: {lr: 0.1}}}\n";

static void check_traffic(rgc_program_kind kind, const traffic *unfused, const traffic *fused) {
  equivalence *e = equivalence_compile(blocks_yaml, kind, 4, 1, false, &golden_target);
  const traffic got[] = {equivalence_traffic(e->unfused), equivalence_traffic(e->done->graph)}, *wanted[] = {unfused, fused};
  for (int i = 0; i < 2; i++)
    cr_expect(got[i].kernels == wanted[i]->kernels && got[i].contracts == wanted[i]->contracts && got[i].maps == wanted[i]->maps &&
                  got[i].bytes == wanted[i]->bytes,
              "%s %s: %d kernels (%d contracts, %d maps), %lld bytes", rgc_program_word(kind),
              i ? "fused" : "unfused", got[i].kernels, got[i].contracts, got[i].maps, (long long)got[i].bytes);
  equivalence_destroy(e);
}

/* Training. Contracts: 7 forward, 6 data and 7 weight gradients. Maps: 13 pack weights, 7 update weights (a gradient of weights
 * stores in short rows, so an update is not its epilogue), the gradient behind the pooling with the sums of both its normalisations, and
 * the loss's. The first join, whose four readers would read it as two tensors, is stored by the loader of the first. Inference: contracts and the pooling only. */
Test(equivalence, residual_blocks_in_numbers) {
  check_traffic(RGC_PROGRAM_TRAIN, &(traffic){98, 20, 61, 361080}, &(traffic){59, 20, 22, 220712});
  check_traffic(RGC_PROGRAM_EVAL, &(traffic){27, 7, 19, 114992}, &(traffic){21, 7, 13, 57104});
  check_traffic(RGC_PROGRAM_INFER, &(traffic){27, 7, 19, 114992}, &(traffic){8, 7, 0, 45504});
}

/* What is left of the files in graphs/, at batch 2: kernels, contracts, and maps that neither pack nor update weights. In inference
 * there are none: joins behind a gate (se), which needs the whole convolution first, are stored by the loader of the next one. In training of resnet50:
 * the gradient behind the pooling and the loss's (11 joins are stored by loaders, 5 computed by their few readers); of cifar_resnet20 joins whose
 * tiles, of one row of 32 pixels here, would load each row three times. */

typedef struct leftover {
  const char *file;
  rgc_program_kind kind;
  int kernels, contracts, maps;
} leftover;

static bool serves_weights(const rgc_graph *graph, const rgc_op *op) {
  const rgc_value *v = &graph->values[op->outputs[0]];
  return v->updates >= 0 || v->layout.kind != RGC_LAYOUT_NHWC;
}

static void check_leftover(const leftover *wanted) {
  rgc_arena *arena = rgc_arena_create();
  rgc_diagnostics diags;
  rgc_diagnostics_init(&diags, arena);
  rgc_network *network = rgc_network_load(arena, wanted->file, NULL, 0, &diags);
  rgc_compile_options o = {.kind = wanted->kind, .batch = 2, .target = &golden_target};
  rgc_compilation *c = network ? rgc_compile(network, &o, arena, &diags) : NULL;
  cr_assert(c, "%s", wanted->file);
  leftover got = {.kernels = c->graph->op_count};
  for (int i = 0; i < c->graph->op_count; i++) {
    const rgc_op *op = &c->graph->ops[i];
    got.contracts += op->kernel->kind == RGC_CONTRACT;
    got.maps += op->kernel->kind == RGC_MAP && !serves_weights(c->graph, op);
  }
  cr_expect(got.kernels == wanted->kernels && got.contracts == wanted->contracts && got.maps == wanted->maps, "%s %s: %d, %d, %d", wanted->file,
            rgc_program_word(wanted->kind), got.kernels, got.contracts, got.maps);
  rgc_arena_destroy(arena);
}

Test(equivalence, graph_files_in_numbers, .timeout = 300) {
  static const leftover wanted[] = {
      {"graphs/resnet18.yaml", RGC_PROGRAM_INFER, 23, 21, 0},
      {"graphs/resnet50.yaml", RGC_PROGRAM_INFER, 56, 54, 0},
      {"graphs/resnetv2_50.yaml", RGC_PROGRAM_INFER, 56, 54, 0},
      {"graphs/resnet50d.yaml", RGC_PROGRAM_INFER, 61, 56, 0},
      {"graphs/resnext50_32x4d.yaml", RGC_PROGRAM_INFER, 56, 54, 0},
      {"graphs/seresnet50.yaml", RGC_PROGRAM_INFER, 104, 86, 0},
      {"graphs/resnet50.yaml", RGC_PROGRAM_TRAIN, 437, 161, 2},
      {"graphs/resnetv2_50.yaml", RGC_PROGRAM_TRAIN, 430, 161, 3},
      {"graphs/seresnet50.yaml", RGC_PROGRAM_TRAIN, 708, 257, 17},
      {"graphs/cifar_resnet20.yaml", RGC_PROGRAM_TRAIN, 171, 59, 10},
  };
  for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) check_leftover(&wanted[i]);
}
