/* test_equivalence_random.c: random small networks for random targets; fused, tiled and laid out they compute what they compute unfused. A fresh seed
 * a run, printed; RGC_TEST_SEED=n repeats one, RGC_TEST_NETWORKS=n asks for more than 20 networks. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tests/unit/equivalence.h"
#include "tests/unit/golden_pass.h"

static uint64_t state;

static int draw(int below) {
  state ^= state << 13, state ^= state >> 7, state ^= state << 17;
  return (int)((state >> 11) % (uint64_t)below);
}

static bool chance(int percent) { return draw(100) < percent; }

#define PICK(...) ((const char *const[]){__VA_ARGS__}[draw((int)(sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *)))])

static const char *activation(void) { return PICK("relu", "relu", "relu", "silu", "sigmoid", "tanh", "gelu", "relu6", "hardswish", "leaky_relu"); }

static void add_conv(rgc_text *out, int channels, bool strided) {
  rgc_text_printf(out, "conv: {out: %d, kernel: %d, stride: %d, bias: %s}", channels, 1 + 2 * draw(2), strided ? 1 + draw(2) : 1,
                  chance(30) ? "true" : "false");
}

static void add_stem(rgc_text *out) {
  int layers = 1 + draw(3);
  rgc_text_add(out, "stem: [");
  for (int i = 0; i < layers; i++) {
    if (i) rgc_text_add(out, ", ");
    add_conv(out, 2 + draw(6), true);
    if (chance(70)) rgc_text_add(out, ", bn");
    if (chance(80)) rgc_text_printf(out, ", %s", activation());
    if (chance(20)) rgc_text_printf(out, ", maxpool: {kernel: 3, stride: %d, pad: 1}", 1 + draw(2));
    if (chance(15)) rgc_text_printf(out, ", avgpool: {kernel: 3, stride: 1, pad: 1, count_pad: %s}", PICK("true", "false"));
    if (chance(15)) rgc_text_printf(out, ", upsample: %s", PICK("2", "[1, 2]", "[3, 1]"));
    if (chance(10)) rgc_text_printf(out, ", dropout: 0.%d", 1 + draw(8));
  }
  rgc_text_add(out, "]\n");
}

/* A block of the file's own: a path of convolutions, a shortcut, a join. */
static void add_block(rgc_text *out, int number) {
  bool early = chance(40); /* normalisation and activation before the convolution */
  int layers = 1 + draw(3);
  rgc_text_printf(out, "  own%d:\n    parameters: {width: required, stride: 1}\n    body: [", number);
  for (int i = 0; i < layers; i++) {
    if (i) rgc_text_add(out, ", ");
    if (early) rgc_text_printf(out, "bn, %s, ", activation());
    rgc_text_printf(out, "conv: {out: width, kernel: %d%s}", 1 + 2 * draw(2), i ? "" : ", stride: stride");
    if (!early && chance(85)) rgc_text_add(out, ", bn");
    if (!early && i + 1 < layers) rgc_text_printf(out, ", %s", activation());
  }
  if (chance(25)) rgc_text_add(out, ", se: {rd: 2}");
  if (chance(25)) rgc_text_add(out, ", drop_path: 0.3");
  rgc_text_printf(out, "]\n    shortcut: %s\n    join: [%s%s]\n",
                  PICK("[conv: {out: width, kernel: 1, stride: stride}, bn]", "[conv: {out: width, kernel: 1, stride: stride}]",
                       "[avgpool: {kernel: stride, stride: stride, ceil: true}, conv: {out: width, kernel: 1}, bn]"),
                  PICK("add", "add", "add", "mul"), early || chance(20) ? "" : PICK(", relu", ", relu", ", silu", ", tanh"));
}

static char *random_network(rgc_arena *arena) {
  rgc_text out = {0};
  rgc_text_printf(&out, "rgc: 1\nname: random\ninput: {channels: %d, size: %d}\nclasses: %d\n", 1 + draw(4), 6 + draw(5), 2 + draw(4));
  add_stem(&out);
  rgc_text_add(&out, "blocks:\n");
  add_block(&out, 0);
  add_block(&out, 1);
  int stages = 1 + draw(3);
  rgc_text_add(&out, "stages:\n");
  for (int i = 0; i < stages; i++)
    rgc_text_printf(&out, "  - {block: %s, repeat: %d, width: %d, stride: %d}\n", PICK("own0", "own1", "basic"), 1 + draw(2), 2 + draw(5), 1 + draw(2));
  rgc_text_printf(&out, "head: [%savgpool: global, %slinear: {out: classes}]\n", chance(30) ? "bn, relu, " : "", chance(30) ? "dropout: 0.4, " : "");
  rgc_text_printf(&out, "train: {bn: %s, loss: {cross_entropy: {smoothing: 0.%d}}, optimizer: %s}\n", PICK("batch", "batch", "running"), draw(3),
                  PICK("{adam: {weight_decay: 0.01}}", "{sgd: {lr: 0.1, momentum: 0.9}}", "{sgd: {lr: 0.1, momentum: 0.9, nesterov: true, weight_decay: 0.01}}"));
  return rgc_text_take(&out, arena);
}

/* A machine that may do little, or much: what a kernel is allowed decides what fusion can do. */
static rgc_target random_target(void) {
  rgc_target target = golden_target;
  target.side_stores = chance(80);
  target.max_streams = 1 + draw(4);
  target.max_weight_streams = draw(3);
  target.max_operands = 8 + draw(24);
  target.max_outputs = 4 + draw(9);
  target.max_partials = 1 + draw(4);
  target.tile_pixels = 1 + draw(60);
  target.map_tile_floats = 1 + draw(300);
  target.min_tiles = 1 + draw(8);
  target.operations_per_byte = 1 + draw(100);
  return target;
}

static bool has_side_stores(const rgc_graph *graph) {
  for (int i = 0; i < graph->op_count; i++)
    if (rgc_kernel_has_side_stores(graph->ops[i].kernel)) return true;
  return false;
}

Test(equivalence, random_networks, .timeout = 600) {
  const char *fixed = getenv("RGC_TEST_SEED"), *more = getenv("RGC_TEST_NETWORKS");
  state = fixed ? strtoull(fixed, NULL, 10) : (uint64_t)time(NULL) * 1000003u + 1;
  fprintf(stderr, "RGC_TEST_SEED=%llu\n", (unsigned long long)state);
  int storing = 0, count = more ? atoi(more) : 20;
  for (int i = 0; i < count; i++) {
    rgc_arena *arena = rgc_arena_create();
    const char *yaml = random_network(arena);
    const rgc_target target = random_target();
    int64_t batch = 3 + draw(3), least = 2; /* one sample of one pixel would have no variance */
    equivalence *train = equivalence_compile(yaml, RGC_PROGRAM_TRAIN, batch, state, chance(20), &target);
    train->tolerance = 1e-6; /* the gradient of normalisation over two or three numbers cancels almost all of their digits */
    storing += has_side_stores(train->done->graph);
    equivalence_check(train, batch);
    equivalence_check(train, least + draw((int)(batch - least)));
    equivalence_recompute(train, chance(50) ? 0 : train->done->memory->peak.bytes * (50 + draw(50)) / 100);
    equivalence_check(train, batch);
    equivalence_destroy(train);
    equivalence_check_inference(yaml, batch, 1 + draw((int)batch), state, &target);
    rgc_arena_destroy(arena);
  }
  fprintf(stderr, "%d of %d networks with side stores\n", storing, count);
}
