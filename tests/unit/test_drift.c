/* test_drift.c: the compiled training step beside PyTorch's float64 curve. Each kernel is judged on the inputs that the step itself has;
 * the loss, which float32 moves away from float64 by 1e-2 within a few steps whoever computes it, is printed and judged at step 0
 * only. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>

#include "runtime/device/verify.h"
#include "runtime/train/model.h"
#include "tests/unit/curve_data.h"

enum { STEPS = 15, VERIFIED_SAMPLES = 2 };
static const double kernel_tolerance = 3e-5, first_loss_tolerance = 1e-5;

typedef struct curve_run {
  rgc_arena *arena;
  rgc_diagnostics diags;
  rgc_network *network;
  rgc_model model;
  FILE *drawings[CLASSES];
} curve_run;

static void open_run(curve_run *r) {
  r->arena = rgc_arena_create();
  rgc_diagnostics_init(&r->diags, r->arena);
  r->network = rgc_network_load(r->arena, CURVES "cifar20_adam.yaml", NULL, 0, &r->diags);
  rgc_plan *plan = r->network ? rgc_plan_create(r->network, r->arena, &r->diags) : NULL;
  rgc_model_options o = {.batch = r->network->train.batch, .train = true};
  cr_assert(plan && rgc_model_create(&r->model, r->network, plan, &o, &r->diags));
  cr_assert(rgc_model_load(&r->model, CURVES "curve_cifar20_adam.safetensors", &r->diags));
  open_drawings(r->drawings);
}

static void give(curve_run *r, int64_t step) {
  int64_t batch = r->model.batch;
  double *images = RGC_NEW_ARRAY(r->arena, double, batch * DRAWING), *labels = RGC_NEW_ARRAY(r->arena, double, batch);
  float *f32 = RGC_NEW_ARRAY(r->arena, float, batch * DRAWING);
  int32_t *i32 = RGC_NEW_ARRAY(r->arena, int32_t, batch);
  fill_drawings(r->drawings, step * batch, batch, images, labels);
  for (int64_t e = 0; e < batch * DRAWING; e++) f32[e] = (float)images[e];
  for (int64_t i = 0; i < batch; i++) i32[i] = (int32_t)labels[i];
  cr_assert(rgc_model_give(&r->model, &r->model.train, &(rgc_batch){.images = f32, .labels = i32, .valid = batch}, &r->diags));
}

static rgc_cpu_step numbers(const curve_run *r, int64_t step, int64_t valid) {
  const rgc_train_settings *s = &r->network->train;
  rgc_cpu_step n = {.step = (uint32_t)step};
  n.scalars[RGC_SCALAR_LR] = (float)s->lr;
  n.scalars[RGC_SCALAR_BIAS1] = (float)(1 / (1 - pow(s->beta1, (double)step + 1)));
  n.scalars[RGC_SCALAR_BIAS2] = (float)(1 / (1 - pow(s->beta2, (double)step + 1)));
  n.scalars[RGC_SCALAR_N_VALID] = (float)valid;
  n.scalars[RGC_SCALAR_INV_N] = 1 / (float)valid;
  return n;
}

/* All kernels, on the data of this step, but of two samples: the oracle is slow. */
static void verify_step(curve_run *r, int64_t step) {
  const rgc_graph *graph = r->model.train.program->graph;
  rgc_verified *results = RGC_NEW_ARRAY(r->arena, rgc_verified, graph->op_count);
  rgc_cpu_step n = numbers(r, step, VERIFIED_SAMPLES);
  double worst = 0;
  give(r, step);
  cr_assert(rgc_device_verify(r->model.train.run, graph, r->model.train.data, &n, results, &r->diags));
  for (int i = 0; i < graph->op_count; i++) {
    worst = fmax(worst, results[i].error);
    cr_expect_lt(results[i].error, kernel_tolerance, "step %d: kernel %d (%s) is off by %g", (int)step, i, graph->ops[i].layer, results[i].error);
  }
  printf("cifar20_adam, step %d: the furthest of %d kernels is off by %.1e\n", (int)step, graph->op_count, worst);
}

Test(drift, cifar20_adam) {
  curve_run r = {0};
  open_run(&r);
  FILE *csv = fopen(CURVES "curve_cifar20_adam.csv", "r");
  cr_assert(csv && fscanf(csv, "%*[^\n]") == 0);
  for (int step = 0; step < STEPS; step++) {
    double wanted, acc;
    cr_assert_eq(fscanf(csv, "%*d,%lf,%lf", &wanted, &acc), 2);
    rgc_cpu_step n = numbers(&r, step, r.model.batch);
    give(&r, step);
    cr_assert(rgc_device_run(r.model.train.run, &n, &r.diags));
    double loss = (double)*rgc_model_read(&r.model.train, r.model.train.loss, &r.diags), apart = fabs(loss / wanted - 1);
    cr_assert(isfinite(loss));
    if (step == 0) cr_expect_lt(apart, first_loss_tolerance, "step 0: loss %.8f, PyTorch %.8f", loss, wanted);
    if (step % 7 == 0) printf("cifar20_adam, step %d: float32 loss %.6f, float64 %.6f, apart by %.1e\n", step, loss, wanted, apart);
  }
  fclose(csv);
  verify_step(&r, STEPS);
  rgc_model_destroy(&r.model);
  rgc_arena_destroy(r.arena);
}
