/* test_split.c: a training batch taken in micro-batches because memory: says so: the fewest that fit, the same training, and in the plan. */
#include <math.h>

#include "compiler/memory_limit.h"
#include "compiler/plan/plan_build.h"
#include "compiler/plan/plan_file.h"
#include "network_text.h"
#include "runtime/device/target_code.h"
#include "runtime/rgc.h"
#include "runtime/train/model.h"
#include "tests/unit/arena_fixture.h"

enum { BATCH = 9, STEPS = 6 }; /* of 25 samples: batches of 9, 9 and 7, in parts of 3, 3 and 3; 3, 3 and 1 */
static const char data_spec[] = "synthetic:count=28,size=8,classes=3";

/* Group normalisation looks at one sample alone, so a split changes nothing but the order of sums. */
#define NETWORK(optimizer, more)                                                                                                        \
  "rgc: 1\nname: split\ninput: {channels: 3, size: 8}\nclasses: 3\n"                                                                    \
  "stem:\n  - conv: {out: 8, kernel: 3, bias: true}\n  - group_norm: 2\n  - relu\n  - conv: {out: 12, kernel: 3, stride: 2}\n  - relu\n" \
  "head:\n  - avgpool: global\n  - linear: {out: classes}\n"                                                                            \
  "train: {batch: 9, optimizer: {" optimizer "}, loss: {cross_entropy: {smoothing: 0.1}}" more "}\n"
static const char plain[] = NETWORK("sgd: {lr: 0.1, momentum: 0.9, weight_decay: 1e-3}", "");
static const char accumulating[] = NETWORK("sgd: {lr: 0.1, momentum: 0.9}", ", accumulate: 2, clip: {norm: 0.5}");

static rgc_compile_options train_options(fixture *f, int64_t batch, int64_t parts) {
  return (rgc_compile_options){.kind = RGC_PROGRAM_TRAIN, .batch = batch, .parts = parts, .target = rgc_target_choose(NULL, &f->diags)};
}

static int64_t bytes_of(fixture *f, rgc_network *network, int64_t parts) {
  rgc_compile_options o = train_options(f, BATCH, parts);
  o.memory_bytes = RGC_UNLIMITED;
  const rgc_compilation *c = rgc_compile(network, &o, f->arena, &f->diags);
  cr_assert(c);
  return rgc_memory_bytes(c->memory);
}

/* Loss of every step. */
typedef struct step_log {
  double loss[STEPS];
} step_log;

static void note_loss(void *context, const rgc_progress *now) {
  if (now->event == RGC_EVENT_STEP) ((step_log *)context)->loss[now->step] = now->loss;
}

/* Trains STEPS steps and returns the weights, in the order of the plan's graph; `count` gets how many. */
static float *train(fixture *f, rgc_plan *plan, step_log *losses, int64_t *count) {
  rgc_model_options o = {.batch = BATCH, .train = true, .threads = 1};
  rgc_run_options run;
  rgc_run_result result;
  rgc_dataset *data = rgc_dataset_open(data_spec, NULL, &f->diags);
  rgc_model *model = rgc_model_open(plan, &o, &f->diags);
  cr_assert(data && model && rgc_dataset_count(data, RGC_SPLIT_TRAIN) == 25);
  rgc_run_defaults(plan->network, &run);
  run.steps = STEPS, run.progress = note_loss, run.context = losses;
  cr_assert(rgc_model_train(model, data, &run, &result, &f->diags));
  const rgc_graph *graph = model->train.program->graph;
  float *weights = NULL;
  *count = 0;
  for (int pass = 0; pass < 2; pass++, weights = weights ? weights : RGC_NEW_ARRAY(f->arena, float, *count)) {
    int64_t at = 0;
    for (int v = 0; v < graph->value_count; v++) {
      if (graph->values[v].role != RGC_ROLE_PARAM) continue;
      int64_t elems = rgc_shape_elems(graph->values[v].shape);
      if (weights) memcpy(weights + at, rgc_model_read(&model->train, v, &f->diags), sizeof(float) * (size_t)elems);
      at += elems;
    }
    *count = at;
  }
  rgc_model_close(model);
  rgc_dataset_close(data);
  return weights;
}

static void limit(rgc_network *network, int64_t bytes) {
  network->memory_bytes = bytes;
  network->may_recompute = false;
  network->may_split = true;
}

/* The training with a limit under which the batch is taken in 3 parts is the training without. */
static void check_same_training(const char *text) {
  fixture f = setup();
  rgc_network *network = network_of_text(f.arena, text, &f.diags);
  cr_assert(network);
  rgc_plan *whole = rgc_plan_create(network, f.arena, &f.diags), *split = rgc_plan_create(network, f.arena, &f.diags);
  int64_t count = 0, same = 0;
  step_log before, after;
  float *wanted = train(&f, whole, &before, &count);
  limit(network, bytes_of(&f, network, 3));
  float *got = train(&f, split, &after, &same);
  rgc_compile_options o = train_options(&f, BATCH, 0);
  const rgc_program *program = rgc_plan_program(split, RGC_PROGRAM_TRAIN, o.target->name, "fp32", BATCH);
  cr_assert(program && program->parts == 3 && program->graph->batch == 3 && strstr(program->ledger, "split: a batch of 9 samples is taken in 3"));
  cr_assert(count == same && count > 0);
  double distance = 0, norm = 0;
  for (int64_t e = 0; e < count; e++) {
    distance += ((double)got[e] - (double)wanted[e]) * ((double)got[e] - (double)wanted[e]);
    norm += (double)wanted[e] * (double)wanted[e];
  }
  cr_expect_lt(distance, 1e-10 * norm, "weights are apart by %g, relative", sqrt(distance / norm));
  for (int s = 0; s < STEPS; s++) cr_expect_float_eq(before.loss[s], after.loss[s], 1e-5, "step %d: %.9g, split %.9g", s, before.loss[s], after.loss[s]);
  cr_expect(before.loss[0] != before.loss[STEPS - 1]);
  rgc_arena_destroy(f.arena);
}

Test(split, a_step_in_parts_is_the_step_of_the_whole_batch) { check_same_training(plain); }
Test(split, batches_that_are_accumulated_are_split_each) { check_same_training(accumulating); }

Test(split, as_few_parts_as_fit) {
  fixture f = setup();
  rgc_network *network = network_of_text(f.arena, plain, &f.diags);
  int64_t bytes[BATCH + 1];
  for (int parts = 1; parts <= BATCH; parts++) bytes[parts] = bytes_of(&f, network, parts);
  rgc_compile_options o = train_options(&f, BATCH, 0);
  for (int parts = 2; parts <= BATCH; parts++) {
    int64_t micro = rgc_micro_batch(BATCH, parts);
    limit(network, bytes[parts]);
    int64_t chosen = rgc_count_parts(network, &o);
    cr_expect(rgc_micro_batch(BATCH, chosen) >= micro && (chosen - 1) * rgc_micro_batch(BATCH, chosen) < BATCH, "%d parts: %d chosen", parts, (int)chosen);
    cr_expect(chosen == 1 ? bytes[1] <= bytes[parts] : bytes[chosen] <= bytes[parts] && bytes[chosen - 1] > bytes[parts]);
  }
  limit(network, bytes[BATCH] - 1);
  cr_expect_eq(rgc_count_parts(network, &o), 1);
  cr_expect_null(rgc_compile(network, &o, f.arena, &f.diags));
  limit(network, bytes[3]);
  network->may_split = false;
  cr_expect_eq(rgc_count_parts(network, &o), 1);
  rgc_arena_destroy(f.arena);
}

Test(split, a_plan_keeps_the_parts) {
  fixture f = setup();
  char path[] = "/tmp/rgc-split-XXXXXX";
  close(mkstemp(path));
  rgc_network *network = network_of_text(f.arena, NETWORK("sgd: {lr: 0.1}", ""), &f.diags);
  limit(network, bytes_of(&f, network, 3));
  rgc_plan *plan = rgc_plan_create(network, f.arena, &f.diags);
  rgc_compile_options o = train_options(&f, BATCH, 0);
  cr_assert(rgc_plan_need_program(plan, network, &o, &f.diags) && rgc_plan_write(plan, path, &f.diags));
  rgc_plan *again = rgc_plan_read(f.arena, path, &f.diags);
  cr_assert(again);
  const rgc_program *program = rgc_plan_program(again, RGC_PROGRAM_TRAIN, o.target->name, "fp32", BATCH);
  cr_assert(program && program->parts == 3 && program->batch == BATCH && program->graph->batch == 3);
  static const int64_t wrong[] = {0, -1, 1, 2, 4, 9, 10, INT64_MAX};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    again->programs[0].parts = wrong[i];
    cr_expect_not(rgc_plan_verify(again, path, &f.diags), "%lld parts", (long long)wrong[i]);
  }
  unlink(path);
  rgc_arena_destroy(f.arena);
}
