/* test_cuda_product.c: products that cuBLAS computes on device cuda, on a driver and a cuBLAS without a GPU (tests/fake_cuda): each kernel that becomes one
 * against the reference, training beside training without, the same bits from run to run, the record, and what goes wrong. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/passes/matmul.h"
#include "runtime/train/model.h"
#include "tests/unit/network_text.h"
#include "tests/unit/temp_folder.h"

/* 1x1 convolutions with a bias, ReLU and a join, one without norm or ReLU, clipped gradients (so that weight gradients stand alone), a linear layer over
 * several pixels. Odd numbers of channels and of pixels; `even` ones for bf16, whose odd rows the fake refuses. */
#define NETWORK(name, channels, a, b, classes)                                                                                                    \
  "rgc: 1\nname: " name "\ninput: {channels: " channels ", size: 5}\nclasses: " classes "\n"                                                      \
  "stem: [conv: {out: " a ", kernel: 1, bias: true}, relu, conv: {out: " b ", kernel: 1, bias: true}, conv: {out: " b ", kernel: 3, stride: 2}, bn, relu]\n" \
  "stages: [{block: bottleneck, repeat: 2, width: 8}]\nhead: [linear: {out: " classes "}]\n"                                                      \
  "train: {batch: 6, clip: {norm: 0.5}, optimizer: {sgd: {lr: 0.1, momentum: 0.9}}}\n"
static const char odd[] = NETWORK("odd", "3", "7", "9", "5"), even[] = NETWORK("even", "4", "6", "10", "4");
enum { BATCH = 6, SAMPLE = 5 * 5 * 4 };

typedef struct opened {
  rgc_arena *arena;
  rgc_diagnostics diags;
  rgc_network *network;
  rgc_model model;
  bool made;
} opened;

static const char *told(opened *t) {
  rgc_text text = {0};
  rgc_diag_render(&t->diags, false, &text);
  return rgc_text_take(&text, t->arena);
}

static void use_fake(const char *cublas) {
  setenv("RGC_CUDA_DRIVER", RGC_FAKE_CUDA, 1);
  setenv("RGC_NVRTC", RGC_FAKE_CUDA, 1);
  setenv("RGC_CUBLAS", cublas, 1);
}

static opened *open_model(const char *text, const char *precision, bool train) {
  rgc_arena *arena = rgc_arena_create();
  opened *t = RGC_NEW(arena, opened);
  t->arena = arena;
  rgc_diagnostics_init(&t->diags, arena);
  t->network = network_of_text(arena, rgc_arena_printf(arena, "%sprecision: %s\n", text, precision), &t->diags);
  rgc_plan *plan = t->network ? rgc_plan_create(t->network, arena, &t->diags) : NULL;
  cr_assert(plan, "%s", told(t));
  rgc_model_options o = {.batch = BATCH, .seed = 5, .train = train, .device = "cuda"};
  t->made = rgc_model_create(&t->model, t->network, plan, &o, &t->diags);
  return t;
}

static void close_model(opened *t) {
  rgc_model_destroy(&t->model);
  rgc_arena_destroy(t->arena);
}

/* A folder for a record of its own. */
static fixture use_own_record(void) {
  fixture folder = setup();
  setenv("RGC_CUBLAS_RECORD", rgc_arena_printf(folder.arena, "%s/cublas.json", folder.dir), 1);
  return folder;
}

static void drop_record(fixture *folder) {
  unsetenv("RGC_CUBLAS_RECORD");
  teardown(folder);
}

static int count_lines(const char *path, const char *begin) {
  FILE *file = fopen(path, "r");
  int count = 0;
  for (char line[200]; file && fgets(line, sizeof line, file);) count += !strncmp(line, begin, strlen(begin));
  if (file) fclose(file);
  return count;
}

static int products_of(const rgc_model_program *program) { return rgc_device_tell(program->run).products; }

/* ---- right ---- */

typedef struct kinds {
  int forward, data, weights, bias, relu, addend;
} kinds;

static kinds count_kinds(const opened *t, const rgc_model_program *program) {
  const rgc_graph *graph = program->program->graph;
  kinds k = {0};
  for (int i = 0; i < graph->op_count; i++) {
    rgc_matmul m;
    if (!rgc_device_tell_library(program->run, i) || !rgc_matmul_find(graph, &graph->ops[i], t->model.target, &m)) continue;
    k.weights += m.sums_samples, k.forward += m.right_transposed, k.data += !m.right_transposed && !m.sums_samples;
    k.bias += m.bias >= 0, k.relu += m.relu, k.addend += m.addend >= 0;
  }
  return k;
}

static bool verify(opened *t, bool infer) {
  rgc_verify_result result;
  return t->made && rgc_model_verify(&t->model, infer, 3, 3e-5, &result, &t->diags) && result.agree == result.kernels;
}

Test(cuda_product, kernels_that_cublas_computes_agree_with_the_reference, .timeout = 300) {
  fixture folder = use_own_record();
  const char *path = rgc_arena_printf(folder.arena, "%s/trace", folder.dir);
  use_fake(RGC_FAKE_CUDA);
  setenv("RGC_FAKE_CUDA_TRACE", path, 1);
  opened *t = open_model(odd, "tf32", true);
  cr_assert(verify(t, false) && verify(t, true), "%s", told(t));
  kinds train = count_kinds(t, &t->model.train), infer = count_kinds(t, &t->model.infer);
  cr_expect(train.forward >= 3 && train.data >= 2 && train.weights >= 3 && train.bias >= 3 && train.relu >= 1, "%d forward, %d data, %d weights, %d bias, %d relu",
            train.forward, train.data, train.weights, train.bias, train.relu);
  cr_expect(infer.addend >= 2 && infer.relu >= 4 && infer.bias == infer.forward, "%d addends, %d relu", infer.addend, infer.relu);
  cr_expect_eq(count_lines(path, "cublasLtMatmul\n"), products_of(&t->model.train) + products_of(&t->model.infer));
  close_model(t);
  unsetenv("RGC_FAKE_CUDA_TRACE");
  drop_record(&folder);
}

/* bf16: what is float32 in memory is rounded first. Float32: only where measuring showed that cuBLAS is faster, which on the fake it is. */
Test(cuda_product, every_precision, .timeout = 300) {
  static const char *const precisions[] = {"bf16", "fp32"};
  fixture folder = use_own_record();
  use_fake(RGC_FAKE_CUDA);
  for (int i = 0; i < 2; i++) {
    opened *t = open_model(even, precisions[i], true);
    rgc_tuned_product *products = NULL;
    int count = 0;
    cr_assert(t->made, "%s", told(t));
    cr_expect_eq(products_of(&t->model.train) > 0, !i);
    cr_assert(!i || rgc_model_tune(&t->model, true, &products, &count, &t->diags), "%s", told(t));
    cr_assert(!i || rgc_model_tune(&t->model, false, &products, &count, &t->diags), "%s", told(t));
    cr_expect(verify(t, false) && verify(t, true), "%s: %s", precisions[i], told(t));
    kinds train = count_kinds(t, &t->model.train);
    cr_expect(train.forward >= 1 && train.data >= 1 && train.weights >= 1, "%s: %d, %d, %d", precisions[i], train.forward, train.data, train.weights);
    rgc_free(products);
    close_model(t);
  }
  drop_record(&folder);
}

/* What the library refuses, here rows of an odd number of bf16, runs by rgc's own kernel. */
Test(cuda_product, what_cublas_refuses_has_a_kernel, .timeout = 300) {
  fixture folder = use_own_record();
  use_fake(RGC_FAKE_CUDA);
  opened *t = open_model(odd, "bf16", true);
  cr_assert(verify(t, false), "%s", told(t));
  int could = 0, does = products_of(&t->model.train);
  const rgc_graph *graph = t->model.train.program->graph;
  for (int i = 0; i < graph->op_count; i++) could += rgc_matmul_find(graph, &graph->ops[i], t->model.target, &(rgc_matmul){0});
  cr_expect(does < could, "%d of %d", does, could);
  cr_expect_eq(t->diags.count, 0, "%s", told(t));
  close_model(t);
  drop_record(&folder);
}

/* ---- the same bits ---- */

static bool train(opened *t, int64_t steps) {
  rgc_dataset *data = rgc_dataset_open_for(t->network, "synthetic:classes=5,size=5,channels=3,count=20", &t->diags); /* 20 = 3 * 6 + 2 */
  rgc_run_options o;
  rgc_run_result result;
  rgc_run_defaults(t->network, &o);
  o.steps = steps, o.validate = 3, o.seed = 3, o.lr = 0.05;
  bool good = t->made && rgc_model_train(&t->model, data, &o, &result, &t->diags);
  good = good && rgc_device_memory_download(&t->model.memory, RGC_REGION_PARAM, &t->diags);
  rgc_dataset_close(data);
  return good;
}

/* Relative distance of all parameters. */
static double distance(const opened *a, const opened *b) {
  const float *x = a->model.memory.host[RGC_REGION_PARAM], *y = b->model.memory.host[RGC_REGION_PARAM];
  double far = 0, size = 0;
  for (int64_t i = 0; i < a->model.memory.size_bytes[RGC_REGION_PARAM] / 4; i++) far += ((double)x[i] - y[i]) * ((double)x[i] - y[i]), size += (double)x[i] * x[i];
  return sqrt(far / size);
}

static bool same_bits(const opened *a, const opened *b) {
  return !memcmp(a->model.memory.host[RGC_REGION_PARAM], b->model.memory.host[RGC_REGION_PARAM], (size_t)a->model.memory.size_bytes[RGC_REGION_PARAM]);
}

/* The algorithm that cuBLAS calls best gives other bits each time; orders and graphs must not matter; without cuBLAS the numbers are near. */
Test(cuda_product, training_repeats_to_the_bit, .timeout = 600) {
  static const struct {
    const char *name, *value;
  } runs[] = {{NULL, NULL}, {"RGC_FAKE_CUDA_ORDER", "5"}, {"RGC_CUDA_GRAPH", "0"}};
  fixture folder = use_own_record();
  use_fake("none");
  opened *without = open_model(odd, "tf32", true), *first = NULL;
  cr_assert(train(without, 7), "%s", told(without));
  cr_expect_eq(products_of(&without->model.train), 0);
  use_fake(RGC_FAKE_CUDA);
  for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) {
    if (runs[i].name) setenv(runs[i].name, runs[i].value, 1);
    opened *t = open_model(odd, "tf32", true);
    cr_assert(train(t, 7), "%s", told(t));
    if (runs[i].name) unsetenv(runs[i].name);
    if (!first) {
      first = t;
      double far = distance(without, first);
      cr_expect(far > 0 && far < 5e-3, "%g", far);
      continue;
    }
    cr_expect(same_bits(first, t), "%s", runs[i].name);
    close_model(t);
  }
  close_model(first);
  close_model(without);
  drop_record(&folder);
}

/* ---- the record ---- */

static char *read_record(const fixture *folder) {
  char *text = rgc_arena_alloc(folder->arena, 1 << 16);
  FILE *file = fopen(getenv("RGC_CUBLAS_RECORD"), "r");
  size_t length = file ? fread(text, 1, (1 << 16) - 1, file) : 0;
  if (file) fclose(file);
  text[length] = 0;
  return text;
}

static void write_record(const char *text) {
  FILE *file = fopen(getenv("RGC_CUBLAS_RECORD"), "w");
  cr_assert(file && fputs(text, file) >= 0 && !fclose(file));
}

/* Opens a model for inference; what was said, and how many products it has. */
static const char *say(const fixture *folder, int *products) {
  opened *t = open_model(odd, "tf32", false);
  cr_assert(t->made, "%s", told(t));
  *products = products_of(&t->model.infer);
  const char *text = rgc_arena_strdup(folder->arena, told(t));
  close_model(t);
  return text;
}

Test(cuda_product, algorithms_are_recorded_and_used_again, .timeout = 300) {
  fixture folder = use_own_record();
  int products, again;
  use_fake(RGC_FAKE_CUDA);
  const char *path = rgc_arena_printf(folder.arena, "%s/trace", folder.dir);
  cr_expect_str_eq(say(&folder, &products), "");
  const char *record = read_record(&folder);
  cr_expect(products > 3 && strstr(record, "\"card\": \"Fake GPU, sm_80\"") && strstr(record, "\"cublas\": 130100") && strstr(record, "\"split_k\": 4"), "%s", record);
  setenv("RGC_FAKE_CUDA_TRACE", path, 1);
  cr_expect_str_eq(say(&folder, &again), "");
  unsetenv("RGC_FAKE_CUDA_TRACE");
  cr_expect(again == products && count_lines(path, "cublasLtMatmulAlgoCheck\n") > 0 && count_lines(path, "cublasLtMatmulAlgoGetHeuristic\n") == 0);
  cr_expect_str_eq(record, read_record(&folder));
  /* Where another kernel was faster, it runs. */
  char *own = rgc_arena_strdup(folder.arena, record);
  for (char *at; (at = strstr(own, "\"by\": \"cuBLAS\""));) memcpy(at, "\"by\": \"rgc\"   ", 14);
  write_record(own);
  cr_expect_str_eq(say(&folder, &products), "");
  cr_expect_eq(products, 0);
  /* An algorithm whose bits do not repeat, and one of another product, are not taken from there either. */
  for (int i = 0; i < 2; i++) {
    char *bad = rgc_arena_strdup(folder.arena, record);
    for (char *at = bad; (at = strstr(at, "\"algorithm\": \"4752")); at++) {
      if (i) memset(at + 14 + 32, '0', 16);
      else memcpy(at + 14 + 16, "00", 2);
    }
    write_record(bad);
    cr_expect(strstr(say(&folder, &products), "warning[device]: cuBLAS does not take the algorithm that is recorded for the product of conv1"));
    cr_expect_eq(products, again);
    cr_expect_str_eq(record, read_record(&folder));
  }
  /* A file that is none is made anew. */
  write_record("{\"format\": 1, \"records\": [");
  cr_expect(strstr(say(&folder, &products), "cublas.json: warning[device]: the record of cuBLAS's algorithms cannot be read: "));
  cr_expect_str_eq(record, read_record(&folder));
  drop_record(&folder);
}

Test(cuda_product, another_version_or_card_chooses_anew_and_says_so, .timeout = 300) {
  fixture folder = use_own_record();
  int products;
  use_fake(RGC_FAKE_CUDA);
  (void)say(&folder, &products);
  setenv("RGC_FAKE_CUBLAS_VERSION", "120900", 1);
  const char *said = say(&folder, &products);
  cr_expect(strstr(said, "note[device]: cuBLAS's algorithms were recorded for Fake GPU, sm_80 with cuBLAS 13.1; for Fake GPU, sm_80 with cuBLAS 12.9 they are chosen anew"), "%s", said);
  cr_expect_str_eq(say(&folder, &products), "");
  unsetenv("RGC_FAKE_CUBLAS_VERSION");
  cr_expect_str_eq(say(&folder, &products), ""); /* nothing was lost */
  setenv("RGC_FAKE_CUDA_SM", "86", 1);
  cr_expect(strstr(say(&folder, &products), "for Fake GPU, sm_86 with cuBLAS 13.1 they are chosen anew"));
  unsetenv("RGC_FAKE_CUDA_SM");
  drop_record(&folder);
}

/* ---- batches that are not full ---- */

/* An image's logits do not depend on what is beside it. */
Test(cuda_product, images_of_a_batch_that_is_not_full, .timeout = 300) {
  fixture folder = use_own_record();
  float images[BATCH * SAMPLE], all[BATCH * 5], some[BATCH * 5];
  use_fake(RGC_FAKE_CUDA);
  for (int e = 0; e < BATCH * SAMPLE; e++) images[e] = (float)(e % 31) / 31;
  opened *t = open_model(odd, "tf32", false);
  cr_assert(t->made && products_of(&t->model.infer) && rgc_model_run(&t->model, images, BATCH, all, &t->diags), "%s", told(t));
  cr_assert(rgc_model_run(&t->model, images, 2, some, &t->diags), "%s", told(t));
  cr_expect(!memcmp(all, some, sizeof(float) * 2 * 5));
  close_model(t);
  drop_record(&folder);
}

/* ---- what goes wrong ---- */

typedef struct mishap {
  const char *name, *value; /* of a variable of the environment */
  const char *words;        /* that are said; NULL: nothing */
  int products;             /* of inference; -1: it does not matter */
  bool made, runs;
} mishap;

static const mishap mishaps[] = {
    {"RGC_CUBLAS", "/nowhere/libcublasLt.so",
     "note[device]: cuBLAS, which linear layers and 1x1 convolutions with nothing to fuse go through, cannot be opened: /nowhere/libcublasLt.so", 0, true, true},
    {"RGC_CUBLAS", "/nowhere/libcublasLt.so", "\n  help: they go through rgc's own kernels; RGC_CUBLAS names the library's path", 0, true, true},
    {"RGC_CUBLAS", "libm.so.6", "go through, is too old: it has no cublasLtGetVersion", 0, true, true},
    {"RGC_CUBLAS", "none", NULL, 0, true, true},
    {"RGC_FAKE_CUDA_FAIL", "cublasLtCreate:1=1", "go through, does not start: cublasLtCreate failed: CUBLAS_STATUS_NOT_INITIALIZED (1, ", 0, true, true},
    {"RGC_FAKE_CUDA_FAIL", "cublasLtMatmulAlgoGetHeuristic:1=15", NULL, -1, true, true},
    {"RGC_FAKE_CUDA_FAIL", "cublasLtMatmulAlgoGetHeuristic:1=7",
     "warning[device]: cublasLtMatmulAlgoGetHeuristic failed, the product of conv1 conv (line 5): CUBLAS_STATUS_INVALID_VALUE (7, ", -1, true, true},
    {"RGC_FAKE_CUDA_FAIL", "cublasLtMatmulDescSetAttribute:3=7", "warning[device]: cublasLtMatmulDescSetAttribute failed, the product of conv1", -1, true, true},
    {"RGC_FAKE_CUDA_FAIL", "cublasLtMatrixLayoutCreate:2=3", "warning[device]: cublasLtMatrixLayoutCreate failed, the product of conv1", -1, true, true},
    {"RGC_FAKE_CUBLAS_NEEDS", "33554433", NULL, 0, true, true},
    {"RGC_FAKE_CUBLAS_ONLY", "unordered", NULL, 0, true, true},
    {"RGC_FAKE_CUDA_MEMORY", "30000000", "error[memory]: batch 6 needs 3", -1, false, false},
    {"RGC_FAKE_CUDA_FAIL", "cublasLtMatmul:2=13",
     "error[device]: cublasLtMatmul failed, the product of conv2 conv (line 5): CUBLAS_STATUS_EXECUTION_FAILED (13, the function failed to launch on the GPU)", -1, true, false},
};

Test(cuda_product, what_goes_wrong_is_told, .timeout = 300) {
  float images[BATCH * SAMPLE] = {0}, logits[BATCH * 5];
  for (size_t i = 0; i < sizeof mishaps / sizeof *mishaps; i++) {
    const mishap *m = &mishaps[i];
    fixture folder = use_own_record();
    use_fake(RGC_FAKE_CUDA);
    setenv(m->name, m->value, 1);
    opened *t = open_model(odd, "tf32", false);
    cr_expect_eq(t->made, m->made, "%zu: %s", i, told(t));
    if (t->made && m->products >= 0) cr_expect_eq(products_of(&t->model.infer), m->products, "%zu", i);
    if (t->made) cr_expect_eq(rgc_model_run(&t->model, images, BATCH, logits, &t->diags), m->runs, "%zu: %s", i, told(t));
    if (m->words) cr_expect(strstr(told(t), m->words), "%zu: instead of '%s': %s", i, m->words, told(t));
    else cr_expect_str_eq(told(t), "", "%zu: %s", i, told(t));
    close_model(t);
    unsetenv(m->name);
    drop_record(&folder);
  }
}
