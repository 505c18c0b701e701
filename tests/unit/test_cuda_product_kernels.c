/* test_cuda_product_kernels.c: each kind of contract that cuBLAS computes on device cuda, one kernel each, on a driver and a cuBLAS without a GPU
 * (tests/fake_cuda), beside the interpreter in double; where not all samples count; and what is refused. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/passes/matmul.h"
#include "compiler/passes/rewrite.h"
#include "runtime/device/verify.h"
#include "runtime/reference/philox.h"
#include "tests/unit/temp_folder.h"

typedef enum form { FORWARD, DATA, WEIGHTS } form;
enum { PLAIN = 0, BIAS = 1, ADDEND = 2, RELU = 4 }; /* an epilogue, added up */

/* A contract over n images of h x w pixels: 1x1 from c to o channels, or (window) a linear layer over all pixels of an image. */
typedef struct shape {
  form form;
  bool window;
  int64_t n, h, w, c, o;
  int epilogue;
} shape;

static const shape odd[] = {{FORWARD, false, 3, 5, 3, 7, 9, BIAS + ADDEND + RELU}, {FORWARD, true, 3, 2, 3, 5, 11, BIAS}, {DATA, false, 3, 5, 3, 7, 9, PLAIN},
                            {DATA, true, 3, 2, 3, 5, 11, PLAIN}, {WEIGHTS, false, 3, 5, 3, 7, 9, PLAIN}, {WEIGHTS, true, 3, 2, 3, 5, 11, PLAIN}};
/* bf16: a bias where the output is float32, of one pixel; pairs of channels, which the fake's tensor cores want. */
static const shape even[] = {{FORWARD, false, 3, 5, 3, 6, 10, ADDEND + RELU}, {FORWARD, false, 3, 1, 1, 34, 10, BIAS + RELU}, {DATA, false, 3, 5, 3, 6, 10, PLAIN},
                             {DATA, false, 3, 1, 1, 34, 10, PLAIN}, {WEIGHTS, false, 3, 5, 3, 6, 10, PLAIN}, {WEIGHTS, false, 3, 1, 1, 34, 10, PLAIN}};
enum { COUNT = sizeof odd / sizeof *odd, BATCH = 3, APART = 4096 + 16 };

static const int64_t *copy4(rgc_arena *arena, int64_t n, int64_t h, int64_t w, int64_t c) {
  int64_t *made = RGC_NEW_ARRAY(arena, int64_t, RGC_AXES);
  made[0] = n, made[1] = h, made[2] = w, made[3] = c;
  return made;
}

static int add_value(rgc_graph *g, const char *name, int number, const int64_t *extent, bool wide, rgc_role role) {
  bool bf16 = g->precision == RGC_PRECISION_BF16 && wide;
  return rgc_graph_value(g, rgc_arena_printf(g->arena, "%s%d", name, number), bf16 ? RGC_BF16 : RGC_F32, role, extent);
}

/* An operand of a contract, rounded where it is float32 and the graph is of bf16. */
static int add_operand(const rgc_graph *g, rgc_body *body, int value) {
  rgc_view view = rgc_view_identity();
  int node = rgc_body_load(body, value, &view);
  return g->precision == RGC_PRECISION_BF16 && g->values[value].dtype == RGC_F32 ? rgc_body_node(body, RGC_EXPR_BF16, node, -1, -1) : node;
}

static void add_epilogue(rgc_graph *g, const shape *s, rgc_kernel *k, int output, int number) {
  int node = rgc_body_leaf(k->epi, RGC_EXPR_ACC, 0);
  if (s->epilogue & ADDEND) {
    int addend = add_value(g, "addend", number, k->extent, g->values[output].dtype == RGC_BF16, RGC_ROLE_INPUT);
    rgc_view view = rgc_view_identity();
    node = rgc_body_node(k->epi, RGC_EXPR_ADD, node, rgc_body_load(k->epi, addend, &view), -1);
  }
  if (s->epilogue & BIAS) {
    int bias = add_value(g, "bias", number, copy4(g->arena, 1, 1, 1, s->o), false, RGC_ROLE_PARAM);
    rgc_view view = rgc_view_broadcast(g->values[bias].shape, k->extent);
    node = rgc_body_node(k->epi, RGC_EXPR_ADD, rgc_body_load(k->epi, bias, &view), node, -1);
  }
  if (s->epilogue & RELU) node = rgc_body_node(k->epi, RGC_EXPR_MAX, node, rgc_body_const(k->epi, 0), -1);
  if (g->values[output].dtype == RGC_BF16) node = rgc_body_node(k->epi, RGC_EXPR_BF16, node, -1, -1);
  k->stores[0].node = node;
}

static void add_contract(rgc_graph *g, const shape *s, int number) {
  int64_t kernel_h = s->window ? s->h : 1, kernel_w = s->window ? s->w : 1;
  const int64_t *image = copy4(g->arena, s->n, s->h, s->w, s->c), *weight = copy4(g->arena, s->o, kernel_h, kernel_w, s->c);
  const int64_t *result = s->window ? copy4(g->arena, s->n, 1, 1, s->o) : copy4(g->arena, s->n, s->h, s->w, s->o);
  const int64_t *in = s->form == DATA ? result : image, *out = s->form == FORWARD ? result : s->form == DATA ? image : weight;
  bool pixels = in[1] * in[2] > 1;
  int output = add_value(g, "out", number, out, s->form != WEIGHTS && out[1] * out[2] > 1, RGC_ROLE_TEMP);
  rgc_kernel *k = rgc_kernel_map(g, output, g->arena);
  k->kind = RGC_CONTRACT;
  k->form = s->form == WEIGHTS ? RGC_WEIGHTS : RGC_PIXELS;
  k->geometry = (rgc_geometry){.kernel_h = kernel_h, .kernel_w = kernel_w, .stride = 1, .dilation = 1, .groups = 1, .transposed = s->form == DATA, .stride_w = 1};
  k->a = rgc_body_create(g->arena);
  memcpy(k->a_extent, in, sizeof k->a_extent);
  k->a_roots[0] = add_operand(g, k->a, add_value(g, "in", number, in, pixels, RGC_ROLE_INPUT));
  k->a_root_count = k->acc_count = 1;
  if (s->form == WEIGHTS) {
    k->b = rgc_body_create(g->arena);
    memcpy(k->b_extent, result, sizeof k->b_extent);
    k->b_root = add_operand(g, k->b, add_value(g, "dout", number, result, result[1] * result[2] > 1, RGC_ROLE_INPUT));
  } else {
    k->weight = add_value(g, "weight", number, weight, true, RGC_ROLE_PARAM);
  }
  add_epilogue(g, s, k, output, number);
  rgc_append_kernel(g, &(rgc_op){.layer = rgc_arena_printf(g->arena, "layer%d", number), .word = "conv", .line = number + 1}, k);
}

/* ---- on the device ---- */

typedef struct bench {
  fixture folder;
  rgc_diagnostics *diags;
  rgc_graph *graph;
  const rgc_device *device;
  const rgc_target *target;
  rgc_device_memory memory;
  void **data;
  rgc_device_program *program;
} bench;

static void use_fake(const fixture *folder) {
  setenv("RGC_CUDA_DRIVER", RGC_FAKE_CUDA, 1);
  setenv("RGC_NVRTC", RGC_FAKE_CUDA, 1);
  setenv("RGC_CUBLAS", RGC_FAKE_CUDA, 1);
  setenv("RGC_CUBLAS_RECORD", rgc_arena_printf(folder->arena, "%s/cublas.json", folder->dir), 1);
}

static const char *told(const bench *b) {
  rgc_text text = {0};
  rgc_diag_render(b->diags, false, &text);
  return rgc_text_take(&text, b->folder.arena);
}

static void fill(const rgc_value *value, void *data) {
  for (int64_t e = 0; e < rgc_shape_elems(value->shape); e++) {
    float number = (float)rgc_round_bf16(2 * rgc_philox_uniform(5, (uint32_t)value->id, 0, (uint64_t)e) - 1);
    uint32_t bits;
    memcpy(&bits, &number, sizeof bits);
    if (value->dtype == RGC_BF16) ((uint16_t *)data)[e] = (uint16_t)(bits >> 16);
    else ((float *)data)[e] = number + (float)(e % 7) * 1e-3f; /* with bits that tf32 and bf16 do not have */
  }
}

/* Values lie apart, at addresses that are multiples of 16 bytes and no more. */
static void place(bench *b) {
  int64_t sizes[RGC_REGION_COUNT] = {0};
  sizes[RGC_REGION_ACT] = (int64_t)APART * (b->graph->value_count + 1);
  cr_assert(rgc_device_memory_grow(&b->memory, sizes, b->diags), "%s", told(b));
  b->data = RGC_NEW_ARRAY(b->folder.arena, void *, b->graph->value_count);
  for (int i = 0; i < b->graph->value_count; i++) {
    cr_assert(rgc_value_storage_bytes(&b->graph->values[i]) <= APART);
    b->data[i] = (char *)b->memory.host[RGC_REGION_ACT] + (int64_t)APART * i;
  }
}

static bench *open_bench(rgc_precision precision, const shape *shapes, int count) {
  fixture folder = setup();
  bench *b = RGC_NEW(folder.arena, bench);
  b->folder = folder;
  b->diags = &b->folder.diags;
  use_fake(&folder);
  b->graph = rgc_graph_create(folder.arena, "products", BATCH);
  b->graph->precision = precision;
  for (int i = 0; i < count; i++) add_contract(b->graph, &shapes[i], i);
  b->device = rgc_device_choose("cuda", NULL, b->diags);
  b->target = rgc_device_target(b->device, NULL, b->diags);
  cr_assert(b->target && rgc_device_memory_open(&b->memory, b->device, b->target, b->diags), "%s", told(b));
  place(b);
  b->program = rgc_device_program_create(&b->memory, b->graph, b->target, b->data, 1, b->diags);
  cr_assert(b->program, "%s", told(b));
  for (int i = 0; i < b->graph->value_count; i++) {
    if (b->graph->values[i].op >= 0) continue;
    fill(&b->graph->values[i], b->data[i]);
    cr_assert(rgc_device_write(b->program, i, b->diags));
  }
  return b;
}

static void close_bench(bench *b) {
  rgc_device_program_destroy(b->program);
  rgc_device_memory_close(&b->memory);
  unsetenv("RGC_CUBLAS_RECORD");
  teardown(&b->folder);
}

static rgc_cpu_step make_step(int64_t valid) {
  rgc_cpu_step step = {0};
  rgc_cpu_step_set_valid(&step, valid);
  return step;
}

static void expect_right(bench *b, int64_t valid) {
  rgc_cpu_step step = make_step(valid);
  rgc_verified results[COUNT];
  cr_assert(rgc_device_verify(b->program, b->graph, b->data, &step, results, b->diags), "%s", told(b));
  for (int i = 0; i < b->graph->op_count; i++)
    cr_expect(results[i].error <= rgc_verify_allowed(b->graph, &b->graph->ops[i], 3e-5), "%s, kernel %d, %d samples: off by %g", rgc_precision_word(b->graph->precision), i,
              (int)valid, results[i].error);
}

static int count_products(const bench *b) { return rgc_device_tell(b->program).products; }

/* Float32 is left to cuBLAS where measuring showed it to be faster, which on the fake it is. */
static void expect_products(rgc_precision precision, const shape *shapes) {
  rgc_device_tuned tuned[COUNT];
  rgc_cpu_step step = make_step(BATCH);
  bench *b = open_bench(precision, shapes, COUNT);
  if (precision == RGC_PRECISION_FP32) {
    cr_expect_eq(count_products(b), 0);
    cr_assert(rgc_device_tune(b->program, &step, tuned, b->diags), "%s", told(b));
    for (int i = 0; i < COUNT; i++) cr_expect(tuned[i].library && tuned[i].algorithms == 2 && tuned[i].seconds > 0, "%d: %d algorithms", i, tuned[i].algorithms);
  }
  cr_expect_eq(count_products(b), COUNT);
  expect_right(b, BATCH);
  expect_right(b, 2);
  cr_expect_eq(b->diags->count, 0, "%s", told(b));
  close_bench(b);
}

Test(cuda_product, every_kind_in_float32, .timeout = 600) { expect_products(RGC_PRECISION_FP32, odd); }
Test(cuda_product, every_kind_in_tf32, .timeout = 600) { expect_products(RGC_PRECISION_TF32, odd); }
Test(cuda_product, every_kind_in_bf16, .timeout = 600) { expect_products(RGC_PRECISION_BF16, even); }

/* Rows of an odd number of bf16 have no algorithm in the fake: rgc's own kernels run. */
Test(cuda_product, what_cublas_refuses_runs_all_the_same, .timeout = 600) {
  bench *b = open_bench(RGC_PRECISION_BF16, &odd[4], 1);
  rgc_matmul product;
  cr_expect(rgc_matmul_find(b->graph, &b->graph->ops[0], b->target, &product));
  cr_expect_eq(count_products(b), 0);
  expect_right(b, BATCH);
  cr_expect_eq(b->diags->count, 0, "%s", told(b));
  close_bench(b);
}

/* ---- what is no product ---- */

typedef void change(rgc_graph *graph, rgc_kernel *kernel);

static void leave(rgc_graph *g, rgc_kernel *k) { (void)g, (void)k; }
static void pad(rgc_graph *g, rgc_kernel *k) { (void)g, k->geometry.pad = 1; }
static void stride(rgc_graph *g, rgc_kernel *k) { (void)g, k->geometry.stride = 2; }
static void group(rgc_graph *g, rgc_kernel *k) { (void)g, k->geometry.groups = 3; }
static void widen(rgc_graph *g, rgc_kernel *k) { (void)g, k->geometry.kernel_w = 2; }
static void square(rgc_graph *g, rgc_kernel *k) { (void)g, k->a_roots[0] = rgc_body_node(k->a, RGC_EXPR_MUL, k->a_roots[0], k->a_roots[0], -1); }
static void scale(rgc_graph *g, rgc_kernel *k) {
  (void)g;
  k->stores[0].node = rgc_body_node(k->epi, RGC_EXPR_MUL, k->stores[0].node, rgc_body_const(k->epi, 2), -1);
}
static void add_twice(rgc_graph *g, rgc_kernel *k) { (void)g, k->stores[0].node = rgc_body_node(k->epi, RGC_EXPR_ADD, k->stores[0].node, k->stores[0].node, -1); }
static void sum_tiles(rgc_graph *g, rgc_kernel *k) { (void)g, k->stores[0].kind = RGC_PARTIAL_SUM; }
static void update(rgc_graph *g, rgc_kernel *k) { g->values[k->stores[0].value].updates = 0; }
static void store_bf16(rgc_graph *g, rgc_kernel *k) { g->values[k->stores[0].value].dtype = RGC_BF16; }
static void round_weight(rgc_graph *g, rgc_kernel *k) { g->values[k->weight].dtype = RGC_BF16; }

Test(cuda_product, what_is_no_product) {
  static const struct {
    change *change;
    bool product;
  } changes[] = {{leave, true}, {pad, false}, {stride, false}, {group, false}, {widen, false}, {square, false}, {scale, false}, {add_twice, false}, {sum_tiles, false},
                 {update, false}, {store_bf16, false}, {round_weight, false}};
  static const rgc_target with = {.library_samples = 44}, without = {0};
  fixture folder = setup();
  rgc_matmul product;
  for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
    rgc_graph *g = rgc_graph_create(folder.arena, "one", BATCH);
    add_contract(g, &(shape){FORWARD, false, 3, 4, 4, 6, 9, BIAS}, 0);
    changes[i].change(g, g->ops[0].kernel);
    cr_expect_eq(rgc_matmul_find(g, &g->ops[0], &with, &product), changes[i].product, "%zu", i);
    cr_expect(!rgc_matmul_find(g, &g->ops[0], &without, &product));
  }
  /* Sums over more samples than are left to a library. */
  rgc_graph *g = rgc_graph_create(folder.arena, "two", BATCH);
  add_contract(g, &(shape){WEIGHTS, false, 3, 3, 5, 6, 9, PLAIN}, 0);
  add_contract(g, &(shape){WEIGHTS, false, 2, 2, 11, 6, 9, PLAIN}, 1);
  cr_expect(!rgc_matmul_find(g, &g->ops[0], &with, &product) && rgc_matmul_find(g, &g->ops[1], &with, &product) && product.depth == 44);
  teardown(&folder);
}
