/* test_curves.c: the reference evaluator follows PyTorch's float64 training curves (tests/data/curves/README.md) within 1e-8
 * relative at every step: forward, backward, optimizer and label smoothing of whole networks in one number. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/reference/reference_model.h"
#include "tests/unit/curve_data.h"

/* What some networks read beside the input and label: the second output's label, the teacher's logits. */
static void fill_more(rgc_reference_model *model) {
  int low = rgc_graph_find(model->train_graph, "label.low"), teacher = rgc_graph_find(model->train_graph, "teacher");
  for (int64_t i = 0; i < model->batch && low >= 0; i++) {
    int label = (int)rgc_reference_tensor(model->train, model->label)[i];
    rgc_reference_tensor(model->train, low)[i] = model->network->train.labels[1].classes[label];
  }
  for (int64_t e = 0; e < model->batch * CLASSES && teacher >= 0; e++)
    rgc_reference_tensor(model->train, teacher)[e] = 3 * sin(1 + 0.7 * (double)(e / CLASSES) + 1.3 * (double)(e % CLASSES));
}

/* One step, of one batch or of several that are accumulated; returns the mean of their losses. */
static double run_step(rgc_reference_model *model, fill_batch *fill, FILE *const *files, int step) {
  const rgc_train_settings *t = &model->network->train;
  int64_t batch = model->batch;
  double loss = 0;
  for (int64_t part = 0; part < t->accumulate; part++) {
    int64_t first = (step * t->accumulate + part) * batch;
    fill(files, first, batch, rgc_reference_tensor(model->train, model->input), rgc_reference_tensor(model->train, model->label));
    fill_more(model);
    rgc_step_numbers n = {.step = (uint32_t)step};
    n.scalars[RGC_SCALAR_LR] = t->lr;
    n.scalars[RGC_SCALAR_BIAS1] = 1 / (1 - pow(t->beta1, step + 1));
    n.scalars[RGC_SCALAR_BIAS2] = 1 / (1 - pow(t->beta2, step + 1));
    n.scalars[RGC_SCALAR_N_VALID] = (double)batch;
    n.scalars[RGC_SCALAR_INV_N] = 1 / (double)batch;
    n.scalars[RGC_SCALAR_FIRST] = part == 0;
    n.scalars[RGC_SCALAR_LAST] = part + 1 == t->accumulate;
    n.scalars[RGC_SCALAR_SHARE] = 1 / (double)t->accumulate;
    rgc_reference_step(model->train, &n);
    loss += *rgc_reference_tensor(model->train, model->loss) / (double)t->accumulate;
  }
  return loss;
}

/* Of all averaged weights (ema:), which start as the weights do. */
static double sum_average_squares(const rgc_reference_model *model) {
  double sum = 0;
  for (int v = 0; v < model->train_graph->value_count; v++) {
    const rgc_value *value = &model->train_graph->values[v];
    size_t length = strlen(value->name);
    if (value->role != RGC_ROLE_STATE || length < 4 || strcmp(value->name + length - 4, ".ema")) continue;
    const double *average = rgc_reference_tensor(model->train, v);
    for (int64_t e = 0; e < rgc_shape_elems(value->shape); e++) sum += average[e] * average[e];
  }
  return sum;
}

static void start_averages(rgc_reference_model *model) {
  rgc_arena *scratch = rgc_arena_create();
  for (int v = 0; v < model->train_graph->value_count; v++) {
    const rgc_value *value = &model->train_graph->values[v];
    int average = value->role == RGC_ROLE_PARAM ? rgc_graph_find(model->train_graph, rgc_arena_printf(scratch, "%s.ema", value->name)) : -1;
    if (average < 0) continue;
    memcpy(rgc_reference_tensor(model->train, average), rgc_reference_tensor(model->train, v),
           sizeof(double) * (size_t)rgc_shape_elems(value->shape));
  }
  rgc_arena_destroy(scratch);
}

/* Runs as many steps as asked and compares each loss, and the sum of the averages' squares unless it is 0; returns the largest relative difference. */
static double follow(const char *name, const char *weights, fill_batch *fill, FILE *const *files, int steps, double averages) {
  rgc_arena *arena = rgc_arena_create();
  rgc_diagnostics diags;
  rgc_diagnostics_init(&diags, arena);
  rgc_network *network = rgc_network_load(arena, rgc_arena_printf(arena, CURVES "%s.yaml", name), NULL, 0, &diags);
  rgc_reference_model model;
  cr_assert(network && rgc_reference_model_create(&model, network, network->train.batch, 0, &diags));
  rgc_text text = {0};
  if (!rgc_reference_model_load(&model, weights, &diags)) rgc_diag_render(&diags, false, &text);
  cr_assert_eq(diags.error_count, 0, "%s", rgc_text_chars(&text));
  rgc_text_free(&text);
  start_averages(&model);
  FILE *csv = fopen(rgc_arena_printf(arena, CURVES "curve_%s.csv", name), "r");
  cr_assert(csv && fscanf(csv, "%*[^\n]") == 0);
  double worst = 0;
  for (int step = 0; step < steps; step++) {
    double wanted, acc;
    cr_assert_eq(fscanf(csv, "%*d,%lf,%lf", &wanted, &acc), 2);
    double loss = run_step(&model, fill, files, step);
    double error = fabs(loss / wanted - 1);
    cr_assert_lt(error, 1e-8, "%s, step %d: loss %.10f, PyTorch %.10f", name, step, loss, wanted);
    if (error > worst) worst = error;
  }
  printf("%s: largest relative difference of %d losses %.1e\n", name, steps, worst);
  fclose(csv);
  if (averages) cr_assert_lt(fabs(sum_average_squares(&model) / averages - 1), 1e-8);
  rgc_reference_model_destroy(&model);
  rgc_arena_destroy(arena);
  return worst;
}

Test(curves, cifar20_adam) {
  FILE *files[CLASSES];
  open_drawings(files);
  follow("cifar20_adam", CURVES "curve_cifar20_adam.safetensors", fill_drawings, files, 60, 0);
}

Test(curves, cifar20_sgd) {
  FILE *file = fopen(CURVES "cifar_first640.bin", "rb");
  cr_assert(file);
  follow("cifar20_sgd", CURVES "curve_cifar20_sgd.safetensors", fill_cifar, &file, 20, 0);
}

/* Group norm, a reflected filter, selective kernels, Res2Net, split attention, ECA, a maximum over space. */
Test(curves, words_sgd) {
  FILE *file = fopen(CURVES "cifar_first640.bin", "rb");
  cr_assert(file);
  follow("words_sgd", CURVES "curve_words_sgd.safetensors", fill_cifar, &file, 20, 0);
}

/* Upsampling, unequal parts, rows and columns broadcast, an oblong pool. */
Test(curves, decoder) {
  FILE *file = fopen(CURVES "cifar_first640.bin", "rb");
  cr_assert(file);
  follow("decoder", CURVES "curve_decoder.safetensors", fill_cifar, &file, 10, 0);
}

static void follow_cifar(const char *name, int steps, double averages) {
  FILE *file = fopen(CURVES "cifar_first640.bin", "rb");
  cr_assert(file);
  follow(name, CURVES "curve_cifar20_sgd.safetensors", fill_cifar, &file, steps, averages);
}

Test(curves, cifar20_adamw) { follow_cifar("cifar20_adamw", 6, 2139.87763500046); }
Test(curves, cifar20_accumulate) { follow_cifar("cifar20_accumulate", 4, 0); }
Test(curves, cifar20_bce) { follow_cifar("cifar20_bce", 6, 0); }
Test(curves, cifar20_distill) { follow_cifar("cifar20_distill", 6, 0); }
Test(curves, cifar20_twohead) { follow_cifar("cifar20_twohead", 6, 0); }

Test(curves, resnet18_adam) {
  const char *dir = getenv("RGC_CURVES");
  if (!dir) {
    puts("SKIPPED curves/resnet18_adam: its 45 MB of weights are not in the project; set RGC_CURVES to a folder with them");
    cr_skip_test();
  }
  FILE *files[CLASSES];
  char weights[4096];
  open_drawings(files);
  snprintf(weights, sizeof weights, "%s/curve_resnet18_adam.safetensors", dir);
  follow("resnet18_adam", weights, fill_drawings, files, 40, 0);
}
