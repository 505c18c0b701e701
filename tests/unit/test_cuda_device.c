/* test_cuda_device.c: device cuda on a driver without a GPU (tests/fake_cuda), beside device cuda-emu, which runs the same kernels without a
 * driver: the same bits, however late or early the driver does what it was asked for; and what goes wrong is told. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/reference/interpret.h"
#include "runtime/train/model.h"
#include "tests/unit/network_text.h"
#include "tests/unit/temp_folder.h"

/* Dropout, averages, parts of a step, a batch that is not full: everything that changes from run to run. */
static const char yaml[] =
    "rgc: 1\nname: small\ninput: {channels: 1, size: 6, mean: [0.3], std: [0.6]}\nclasses: 3\n"
    "stem: [conv: {out: 10, kernel: 3}, bn, relu]\nstages: [{block: basic, repeat: 1, width: 10}]\n"
    "head: [avgpool: global, dropout: 0.25, linear: {out: classes}]\n"
    "train: {batch: 8, accumulate: 2, ema: 0.9, bn: running_after_first_validation, optimizer: {adam: {lr: 0.01}}}\n";
static const char data_spec[] = "synthetic:classes=3,size=6,channels=1,count=32";

typedef struct trained {
  rgc_arena *arena;
  rgc_diagnostics diags;
  rgc_network *network;
  rgc_model model;
  bool made;
} trained;

/* Without cuBLAS, whose products have bits of their own (test_cuda_product.c). */
static void use_fake(void) {
  setenv("RGC_CUBLAS", "none", 1);
  setenv("RGC_CUDA_DRIVER", RGC_FAKE_CUDA, 1);
  setenv("RGC_NVRTC", RGC_FAKE_CUDA, 1);
}

static const char *told(trained *t) {
  rgc_text text = {0};
  rgc_diag_render(&t->diags, false, &text);
  return rgc_text_take(&text, t->arena);
}

static trained *open_model(const char *text, const char *device, const char *target, bool train) {
  rgc_arena *arena = rgc_arena_create();
  trained *t = RGC_NEW(arena, trained);
  t->arena = arena;
  rgc_diagnostics_init(&t->diags, arena);
  t->network = network_of_text(arena, text, &t->diags);
  rgc_plan *plan = t->network ? rgc_plan_create(t->network, arena, &t->diags) : NULL;
  cr_assert(plan, "%s", told(t));
  rgc_model_options o = {.batch = 8, .seed = 5, .train = train, .device = device, .target = target};
  t->made = rgc_model_create(&t->model, t->network, plan, &o, &t->diags);
  return t;
}

static void close_model(trained *t) {
  rgc_model_destroy(&t->model);
  rgc_arena_destroy(t->arena);
}

static bool train(trained *t, int64_t steps, double lr) {
  rgc_dataset *data = rgc_dataset_open_for(t->network, data_spec, &t->diags);
  rgc_run_options o;
  rgc_run_result result;
  rgc_run_defaults(t->network, &o);
  o.steps = steps, o.validate = 2, o.seed = 3, o.lr = lr;
  bool good = t->made && rgc_model_train(&t->model, data, &o, &result, &t->diags);
  for (int r = 0; r < RGC_REGION_COUNT; r++)
    if (good) cr_assert(rgc_device_memory_download(&t->model.memory, (rgc_region)r, &t->diags));
  rgc_dataset_close(data);
  return good;
}

static bool same_region(const trained *a, const trained *b, rgc_region region) {
  return a->model.memory.size_bytes[region] == b->model.memory.size_bytes[region] &&
         !memcmp(a->model.memory.host[region], b->model.memory.host[region], (size_t)a->model.memory.size_bytes[region]);
}

static bool same_weights(const trained *a, const trained *b) { return same_region(a, b, RGC_REGION_PARAM) && same_region(a, b, RGC_REGION_STATE); }

typedef struct variant {
  const char *name, *value; /* of a variable of the environment; NULL: none is set */
} variant;

Test(cuda_device, training_has_the_bits_of_cuda_emu) {
  static const variant variants[] = {{NULL, NULL}, {"RGC_FAKE_CUDA_ORDER", "early-copies"}, {"RGC_FAKE_CUDA_ORDER", "17"}, {"RGC_FAKE_CUDA_ORDER", "4"},
                                     {"RGC_CUDA_GRAPH", "0"}, {"RGC_CUDA_SYNC", "1"}};
  use_fake();
  trained *emu = open_model(yaml, "cuda-emu", NULL, true);
  cr_assert(train(emu, 4, 0.01), "%s", told(emu));
  for (size_t i = 0; i < sizeof variants / sizeof *variants; i++) {
    if (variants[i].name) setenv(variants[i].name, variants[i].value, 1);
    trained *cuda = open_model(yaml, "cuda", NULL, true);
    cr_assert(train(cuda, 4, 0.01), "%s", told(cuda));
    cr_expect(same_weights(emu, cuda), "%s=%s", variants[i].name, variants[i].value);
    close_model(cuda);
    if (variants[i].name) unsetenv(variants[i].name);
  }
  close_model(emu);
}

/* In bf16 a step reads copies of the weights: on the card they are the weights rounded, whoever changed these. */
static void expect_copies(trained *t, const char *when) {
  const rgc_graph *graph = t->model.train.program->graph;
  int count = 0;
  cr_assert(rgc_device_memory_download(&t->model.memory, RGC_REGION_PARAM, &t->diags) && rgc_device_memory_download(&t->model.memory, RGC_REGION_STATE, &t->diags));
  for (int i = 0; i < graph->value_count; i++) {
    int param = graph->values[i].op < 0 ? rgc_graph_copied(graph, &graph->values[i]) : -1;
    const uint16_t *copy = t->model.train.data[i];
    const float *weight = param < 0 ? NULL : t->model.train.data[param];
    for (int64_t e = 0; weight && e < rgc_shape_elems(graph->values[i].shape); e++)
      cr_assert_eq(copy[e], rgc_bf16_bits(weight[e]), "%s: %s[%lld] of %a is %x", when, graph->values[i].name, (long long)e, (double)weight[e], copy[e]);
    count += weight != NULL;
  }
  cr_expect_eq(count, 4, "%d copies", count); /* three convolutions and the linear layer */
}

Test(cuda_device, copies_of_weights_are_the_weights_rounded, .timeout = 120) {
  fixture folder = setup();
  const char *weights = rgc_arena_printf(folder.arena, "%s/w.bin", folder.dir), *state = rgc_arena_printf(folder.arena, "%s/w.state", folder.dir);
  char *text = rgc_arena_printf(folder.arena, "%sprecision: bf16\n", yaml);
  use_fake();
  trained *t = open_model(text, "cuda", NULL, true), *other = open_model(text, "cuda", NULL, true);
  rgc_run_state run = {.step = 4};
  expect_copies(t, "at the beginning");
  cr_assert(train(t, 4, 0.01), "%s", told(t));
  expect_copies(t, "after training");
  cr_assert(rgc_model_save(&t->model, weights, &t->diags) && rgc_model_save_state(&t->model, state, &run, &t->diags), "%s", told(t));
  cr_assert(train(other, 4, 0.01), "%s", told(other)); /* the same steps, so the state is its own, too; the card's copies are newer than the process's */
  cr_assert(rgc_model_load_state(&other->model, state, &run, &other->diags), "%s", told(other));
  expect_copies(other, "after the optimizer's state was loaded");
  cr_assert(train(other, 2, 0.01), "%s", told(other));
  cr_assert(rgc_model_restore(&other->model, weights, &other->diags), "%s", told(other));
  expect_copies(other, "after restoring");
  close_model(other);
  close_model(t);
  teardown(&folder);
}

/* On a card with TMA: tensor maps by the driver's functions, tiled and im2col, of strided convolutions and their gradients. */
Test(cuda_device, kernels_with_tensor_maps_have_the_bits_of_cuda_emu, .timeout = 300) {
  static const char wide[] =
      "rgc: 1\nname: wide\ninput: {channels: 1, size: 6}\nclasses: 3\nprecision: bf16\n"
      "stem: [conv: {out: 64, kernel: 3}, bn, relu, conv: {out: 64, kernel: 1}, bn, relu, conv: {out: 64, kernel: 3, stride: 2, pad: 1}, bn, relu]\n"
      "stages: []\nhead: [avgpool: global, linear: {out: classes}]\ntrain: {batch: 8, optimizer: {adam: {lr: 0.01}}}\n";
  fixture folder = setup();
  const char *path = rgc_arena_printf(folder.arena, "%s/trace", folder.dir);
  use_fake();
  setenv("RGC_FAKE_CUDA_SM", "90", 1);
  setenv("RGC_FAKE_CUDA_TRACE", path, 1);
  trained *emu = open_model(wide, "cuda-emu", "cuda-sm_90a", true), *cuda = open_model(wide, "cuda", NULL, true);
  cr_assert(train(emu, 2, 0.01), "%s", told(emu));
  cr_assert(train(cuda, 2, 0.01), "%s", told(cuda));
  cr_expect(same_weights(emu, cuda));
  FILE *trace = fopen(path, "r");
  int tiled = 0, im2col = 0;
  for (char line[200]; fgets(line, sizeof line, trace);) tiled += !strcmp(line, "cuTensorMapEncodeTiled\n"), im2col += !strcmp(line, "cuTensorMapEncodeIm2col\n");
  fclose(trace);
  cr_expect(tiled > 0 && im2col > 0, "%d tiled, %d im2col", tiled, im2col);
  close_model(cuda);
  close_model(emu);
  teardown(&folder);
}

/* ---- without a look at anything in between ---- */

enum { ELEMS = 36, BATCH = 8, RUNS = 5 };

static void make_batch(rgc_batch *batch, int number, float *images, int32_t *labels) {
  *batch = (rgc_batch){.images = images, .labels = labels, .valid = BATCH};
  for (int i = 0; i < BATCH; i++) labels[i] = (i + number) % 3;
  for (int e = 0; e < BATCH * ELEMS; e++) images[e] = (float)((e * 7 + number * 13) % 29) / 29;
}

/* Steps of which nothing is read until all have been asked for: only events keep batches and numbers apart. The process overwrites its
 * copies at once. */
static bool run_blindly(trained *t, float lr) {
  const rgc_model_program *program = &t->model.train;
  float images[BATCH * ELEMS];
  int32_t labels[BATCH];
  rgc_batch batch;
  bool good = t->made;
  for (int i = 0; i < RUNS && good; i++) {
    rgc_cpu_step step = {.seed = 9, .step = (uint32_t)i};
    rgc_cpu_step_set_valid(&step, BATCH);
    step.scalars[RGC_SCALAR_LR] = lr * (float)(i + 1);
    step.scalars[RGC_SCALAR_BIAS1] = step.scalars[RGC_SCALAR_BIAS2] = 1.5f;
    make_batch(&batch, i, images, labels);
    good = rgc_model_stage(&t->model, program, i % RGC_DEVICE_SLOTS, &batch, &t->diags) && rgc_device_load(program->run, i % RGC_DEVICE_SLOTS, &t->diags) &&
           rgc_device_run_step(program->run, &step, program->loss, &t->diags);
  }
  return good && rgc_device_memory_download(&t->model.memory, RGC_REGION_PARAM, &t->diags) &&
         rgc_device_memory_download(&t->model.memory, RGC_REGION_STATE, &t->diags);
}

Test(cuda_device, each_wait_is_needed) {
  static const struct {
    const char *order, *skip; /* NULL: all waits are there */
  } runs[] = {{"late", NULL}, {"early-copies", NULL}, {"23", NULL}, {"late", "host"}, {"late", "1"}, {"early-copies", "2"}};
  use_fake();
  trained *emu = open_model(yaml, "cuda-emu", NULL, true);
  cr_assert(run_blindly(emu, 0.01f), "%s", told(emu));
  for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) {
    setenv("RGC_FAKE_CUDA_ORDER", runs[i].order, 1);
    trained *cuda = open_model(yaml, "cuda", NULL, true);
    if (runs[i].skip) setenv("RGC_FAKE_CUDA_SKIP", runs[i].skip, 1);
    bool good = run_blindly(cuda, 0.01f);
    cr_expect(good, "%s", told(cuda));
    cr_expect_eq(good && same_weights(emu, cuda), !runs[i].skip, "order %s, without the waits of %s", runs[i].order, runs[i].skip ? runs[i].skip : "none");
    unsetenv("RGC_FAKE_CUDA_SKIP");
    close_model(cuda);
  }
  close_model(emu);
}

/* ---- inference ---- */

/* The same logits in any order that events allow; without the wait for a slot's copy they are others. */
static void expect_overlapped_inference(const float *images, int count, const float *wanted) {
  static const struct {
    const char *order, *skip; /* NULL: all waits are there */
  } runs[] = {{"late", NULL}, {"early-copies", NULL}, {"31", NULL}, {"late", "1"}};
  float logits[64 * 3];
  cr_assert_leq(count, 64);
  for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) {
    setenv("RGC_FAKE_CUDA_ORDER", runs[i].order, 1);
    trained *t = open_model(yaml, "cuda", NULL, false);
    if (runs[i].skip) setenv("RGC_FAKE_CUDA_SKIP", runs[i].skip, 1);
    cr_assert(t->made && rgc_model_run(&t->model, images, count, logits, &t->diags), "%s", told(t));
    bool same = !memcmp(logits, wanted, sizeof *logits * 3 * (size_t)count);
    cr_expect_eq(same, !runs[i].skip, "order %s, without the waits of %s", runs[i].order, runs[i].skip ? runs[i].skip : "none");
    unsetenv("RGC_FAKE_CUDA_SKIP");
    unsetenv("RGC_FAKE_CUDA_ORDER");
    close_model(t);
  }
}

/* Averages change places with the weights on the card: nothing of them passes through the process. */
Test(cuda_device, averages_are_swapped_on_the_card) {
  fixture folder = setup();
  const char *path = rgc_arena_printf(folder.arena, "%s/trace", folder.dir);
  use_fake();
  trained *t = open_model(yaml, "cuda", NULL, true), *emu = open_model(yaml, "cuda-emu", NULL, true);
  cr_assert(train(t, 2, 0.01) && train(emu, 2, 0.01), "%s", told(t));
  cr_expect(same_weights(t, emu));
  setenv("RGC_FAKE_CUDA_TRACE", path, 1);
  cr_assert(rgc_model_swap_averages(&t->model, &t->diags) && rgc_model_swap_averages(&emu->model, &emu->diags), "%s", told(t));
  unsetenv("RGC_FAKE_CUDA_TRACE");
  int copies = 0;
  FILE *trace = fopen(path, "r");
  for (char line[200]; trace && fgets(line, sizeof line, trace);) {
    copies += !strcmp(line, "cuMemcpyDtoDAsync\n");
    cr_expect(strstr(line, "cuMemcpyDtoDAsync") || strstr(line, " bytes from the card") || strstr(line, "cuCtxSetCurrent"), "%s", line);
  }
  if (trace) fclose(trace);
  cr_expect_geq(copies, 3);
  cr_assert(rgc_device_memory_download(&t->model.memory, RGC_REGION_PARAM, &t->diags) && rgc_device_memory_download(&t->model.memory, RGC_REGION_STATE, &t->diags));
  cr_expect(same_weights(t, emu), "exchanged");
  close_model(t);
  close_model(emu);
  teardown(&folder);
}

Test(cuda_device, inference_and_verification) {
  enum { IMAGES = 19 };
  float images[IMAGES * ELEMS], logits[2][IMAGES * 3];
  use_fake();
  for (int e = 0; e < IMAGES * ELEMS; e++) images[e] = (float)(e % 31) / 31;
  for (int i = 0; i < 2; i++) {
    trained *t = open_model(yaml, i ? "cuda" : "cuda-emu", NULL, false);
    cr_assert(t->made && rgc_model_run(&t->model, images, IMAGES, logits[i], &t->diags), "%s", told(t));
    rgc_verify_result result;
    if (i) cr_expect(rgc_model_verify(&t->model, true, 1, 3e-5, &result, &t->diags), "%s", told(t));
    if (i) cr_expect_gt(result.kernels, 3);
    close_model(t);
  }
  cr_expect(!memcmp(logits[0], logits[1], sizeof logits[0]));
  expect_overlapped_inference(images, IMAGES, logits[0]);
  trained *t = open_model(yaml, "cuda", NULL, true);
  rgc_verify_result result;
  cr_expect(t->made && rgc_model_verify(&t->model, false, 1, 3e-5, &result, &t->diags), "%s", told(t));
  rgc_bench_result bench;
  cr_expect(rgc_model_bench(&t->model, true, 1, true, &bench, &t->diags), "%s", told(t));
  cr_expect(bench.seconds > 0 && bench.each_count == bench.kernels);
  rgc_free(bench.each);
  close_model(t);
}

/* ---- a loss that is no number ---- */

Test(cuda_device, a_loss_that_is_not_finite_changes_nothing) {
  use_fake();
  trained *emu = open_model(yaml, "cuda-emu", NULL, true), *cuda = open_model(yaml, "cuda", NULL, true);
  cr_assert(run_blindly(emu, 1e30f), "%s", told(emu));
  cr_assert(run_blindly(cuda, 1e30f), "%s", told(cuda));
  const float *loss = rgc_model_read(&cuda->model.train, cuda->model.train.loss, &cuda->diags);
  cr_assert(loss && !isfinite(*loss), "the last loss is %g", (double)*loss);
  cr_expect(same_weights(emu, cuda));
  const rgc_graph *graph = cuda->model.train.program->graph;
  for (int i = 0; i < graph->value_count; i++) /* running statistics are of the forward pass */
    for (int64_t e = 0; graph->values[i].role == RGC_ROLE_PARAM && graph->values[i].op < 0 && e < rgc_shape_elems(graph->values[i].shape); e++)
      cr_assert(!isnan(((const float *)cuda->model.train.data[i])[e]), "%s[%d]", graph->values[i].name, (int)e);
  setenv("RGC_FAKE_CUDA_SKIP", "step_guard.cuh", 1);
  trained *unguarded = open_model(yaml, "cuda", NULL, true);
  cr_assert(run_blindly(unguarded, 1e30f), "%s", told(unguarded));
  cr_expect(!same_weights(emu, unguarded), "the guard is not needed");
  close_model(unguarded);
  close_model(emu);
  close_model(cuda);
}

Test(cuda_device, the_first_value_that_is_not_finite_is_named) {
  use_fake();
  trained *emu = open_model(yaml, "cuda-emu", NULL, true), *cuda = open_model(yaml, "cuda", NULL, true);
  cr_expect(!train(emu, 4, 1e30) && !train(cuda, 4, 1e30));
  const char *one = strstr(told(emu), "the first value that is not finite is '"), *other = strstr(told(cuda), "the first value that is not finite is '");
  cr_assert(one && other, "%s", told(emu));
  cr_expect(!strncmp(one, other, strcspn(one, "\n")), "%s", told(cuda));
  close_model(emu);
  close_model(cuda);
}

/* ---- what goes wrong ---- */

typedef struct mishap {
  variant set[2];
  const char *device, *target;
  const char *words; /* that the diagnostics hold, from the code to the help */
  bool runs;         /* only a step finds it */
} mishap;

static const mishap mishaps[] = {
    {{{"RGC_CUDA_DRIVER", "/nowhere/libcuda.so"}}, "cuda", NULL, "error[device]: the CUDA driver cannot be opened: /nowhere/libcuda.so", false},
    {{{"RGC_CUDA_DRIVER", "libm.so.6"}}, "cuda", NULL, "error[device]: the CUDA driver has no cuInit: it is too old\n  help: update NVIDIA's driver", false},
    {{{"RGC_FAKE_CUDA_FAIL", "cuInit:1=100"}}, "cuda", NULL, "error[device]: the CUDA driver sees no GPU\n  help: is CUDA_VISIBLE_DEVICES set?", false},
    {{{"RGC_FAKE_CUDA_FAIL", "cuInit:1=1"}}, "cuda", NULL, "error[device]: cuInit failed: CUDA_ERROR_INVALID_VALUE (1, invalid argument)", false},
    {{{"RGC_FAKE_CUDA_SM", "75"}}, "cuda", NULL,
     "error[device]: Fake GPU is sm_75: rgc needs sm_80 or later, whose tensor cores know tf32 and bf16\n  help: --device cpu runs", false},
    {{{"RGC_FAKE_CUDA_SM", "130"}}, "cuda", NULL,
     "error[device]: Fake GPU is sm_130, for which rgc has no kernels\n  help: there are kernels for sm_80, sm_90a, sm_100, sm_120", false},
    {{{"RGC_FAKE_CUDA_SM", "86"}}, "cuda", "cuda-sm_90a",
     "error[device]: target cuda-sm_90a does not run on this GPU: Fake GPU is sm_86\n  help: leave out --target, or give --target cuda-sm_80", false},
    {{{"RGC_NVRTC", "/nowhere/libnvrtc.so"}}, "cuda", NULL, "error[device]: NVRTC cannot be opened: /nowhere/libnvrtc.so", false},
    {{{"RGC_FAKE_CUDA_VERSION", "12020"}}, "cuda", NULL,
     "CUDA_ERROR_INVALID_IMAGE (200, device kernel image is invalid): the image is of a later version\n  help: the driver is of CUDA 12.2, older than NVRTC 13.0",
     false},
    {{{"RGC_FAKE_CUDA_MEMORY", "70000"}}, "cuda", NULL, "error[memory]: batch 8 needs 0.", false},
    {{{"RGC_FAKE_CUDA_MEMORY", "70000"}}, "cuda", NULL, "0.1 MB are available; the largest batch that fits is ", false},
    {{{"RGC_FAKE_CUDA_MEMORY", "30000"}}, "cuda", NULL, "0.0 MB are available; not even one sample fits\n  help: end what else takes memory there", false},
    {{{"RGC_FAKE_CUDA_FAIL", "cuMemAlloc:5=2"}}, "cuda", NULL, "error[memory]: Fake GPU has no 0.0 MB for the numbers of a step: 1073.", false},
    {{{"RGC_FAKE_CUDA_FAIL", "cuLaunchKernel:4=701"}}, "cuda", NULL, "error[device]: cuLaunchKernel failed, kernel k", true},
    {{{"RGC_FAKE_CUDA_FAIL", "cuLaunchKernel:3=701"}}, "cuda", NULL,
     " of bn1 bn (line 5): CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES (701, too many resources requested for launch)", true},
    {{{"RGC_FAKE_CUDA_FAIL", "cuGraphLaunch:1=400"}}, "cuda", NULL, "error[device]: cuGraphLaunch failed: CUDA_ERROR_INVALID_HANDLE (400", true},
    {{{"RGC_FAKE_CUDA_FAIL", "kernel:6=700"}}, "cuda", NULL,
     "error[device]: cuStreamSynchronize failed, found an error of work that was asked for before it: CUDA_ERROR_ILLEGAL_ADDRESS (700, an illegal memory access was "
     "encountered)\n  help: one of the ", true},
    {{{"RGC_FAKE_CUDA_FAIL", "kernel:3=700"}, {"RGC_CUDA_SYNC", "1"}}, "cuda", NULL, " of bn1 bn (line 5): CUDA_ERROR_ILLEGAL_ADDRESS (700", true},
};

Test(cuda_device, what_goes_wrong_is_told) {
  for (size_t i = 0; i < sizeof mishaps / sizeof *mishaps; i++) {
    const mishap *m = &mishaps[i];
    use_fake();
    for (int k = 0; k < 2 && m->set[k].name; k++) setenv(m->set[k].name, m->set[k].value, 1);
    trained *t = open_model(yaml, m->device, m->target, true);
    cr_expect_eq(t->made, m->runs, "%zu: %s", i, told(t));
    if (t->made) cr_expect(!train(t, 1, 0.01), "%zu", i);
    cr_expect(strstr(told(t), m->words), "%zu: instead of '%s': %s", i, m->words, told(t));
    close_model(t);
    for (int k = 0; k < 2 && m->set[k].name; k++) unsetenv(m->set[k].name);
  }
}
