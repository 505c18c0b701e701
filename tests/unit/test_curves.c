/* test_curves.c: the reference evaluator follows PyTorch's float64 training curves (tests/data/curves/README.md) within 1e-8
 * relative at every step: forward, backward, optimizer and label smoothing of whole networks in one number. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "runtime/reference/reference_model.h"

#define CURVES "tests/data/curves/"

/* Fills one batch: sample i of step s is number s*batch+i of the curve. */
typedef void fill_batch(FILE *const *files, int64_t first, int64_t batch, double *input, double *label);

static const char *const drawing_classes[] = {"apple", "butterfly", "carrot",   "eye",       "flower",
                                              "pizza", "rabbit",    "scissors", "snowflake", "zebra"};
enum { CLASSES = 10, DRAWING = 784, CIFAR = 3073 };

static void fill_drawings(FILE *const *files, int64_t first, int64_t batch, double *input, double *label) {
  unsigned char bytes[DRAWING];
  for (int64_t i = 0; i < batch; i++) {
    int64_t k = first + i;
    fseek(files[k % CLASSES], (long)(k / CLASSES) * DRAWING, SEEK_SET);
    cr_assert_eq(fread(bytes, 1, DRAWING, files[k % CLASSES]), DRAWING);
    for (int e = 0; e < DRAWING; e++) input[i * DRAWING + e] = bytes[e] / 255.0;
    label[i] = (double)(k % CLASSES);
  }
}

static void fill_cifar(FILE *const *files, int64_t first, int64_t batch, double *input, double *label) {
  /* As the curve was made: float32 constants, float64 arithmetic. */
  static const float mean[3] = {0.485f, 0.456f, 0.406f}, std[3] = {0.229f, 0.224f, 0.225f};
  unsigned char bytes[CIFAR];
  fseek(files[0], (long)first * CIFAR, SEEK_SET);
  for (int64_t i = 0; i < batch; i++) {
    cr_assert_eq(fread(bytes, 1, CIFAR, files[0]), CIFAR);
    label[i] = bytes[0];
    for (int p = 0; p < 1024; p++)
      for (int c = 0; c < 3; c++) input[(i * 1024 + p) * 3 + c] = (bytes[1 + c * 1024 + p] / 255.0 - (double)mean[c]) / (double)std[c];
  }
}

/* Runs as many steps as asked and compares each loss; returns the largest relative difference. */
static double follow(const char *name, const char *weights, fill_batch *fill, FILE *const *files, int steps) {
  rgc_arena *arena = rgc_arena_create();
  rgc_diagnostics diags;
  rgc_diagnostics_init(&diags, arena);
  rgc_network *network = rgc_network_load(arena, rgc_arena_printf(arena, CURVES "%s.yaml", name), NULL, 0, &diags);
  rgc_reference_model model;
  cr_assert(network && rgc_reference_model_create(&model, network, network->train.batch, 0, &diags));
  cr_assert(rgc_reference_model_load(&model, weights, &diags));
  FILE *csv = fopen(rgc_arena_printf(arena, CURVES "curve_%s.csv", name), "r");
  cr_assert(csv && fscanf(csv, "%*[^\n]") == 0);
  double worst = 0;
  for (int step = 0; step < steps; step++) {
    double wanted, acc;
    cr_assert_eq(fscanf(csv, "%*d,%lf,%lf", &wanted, &acc), 2);
    int64_t batch = model.batch;
    fill(files, step * batch, batch, rgc_reference_tensor(model.train, model.input), rgc_reference_tensor(model.train, model.label));
    rgc_step_numbers n = {.step = (uint32_t)step};
    n.scalars[RGC_SCALAR_LR] = network->train.lr;
    n.scalars[RGC_SCALAR_BIAS1] = 1 / (1 - pow(network->train.beta1, step + 1));
    n.scalars[RGC_SCALAR_BIAS2] = 1 / (1 - pow(network->train.beta2, step + 1));
    n.scalars[RGC_SCALAR_N_VALID] = (double)batch;
    n.scalars[RGC_SCALAR_INV_N] = 1 / (double)batch;
    rgc_reference_step(model.train, &n);
    double loss = *rgc_reference_tensor(model.train, model.loss), error = fabs(loss / wanted - 1);
    cr_assert_lt(error, 1e-8, "%s, step %d: loss %.10f, PyTorch %.10f", name, step, loss, wanted);
    if (error > worst) worst = error;
  }
  printf("%s: largest relative difference of %d losses %.1e\n", name, steps, worst);
  fclose(csv);
  rgc_reference_model_destroy(&model);
  rgc_arena_destroy(arena);
  return worst;
}

static void open_drawings(FILE *files[CLASSES]) {
  for (int c = 0; c < CLASSES; c++) {
    char path[96];
    snprintf(path, sizeof path, "examples/data/quickdraw/%s.bin", drawing_classes[c]);
    cr_assert(files[c] = fopen(path, "rb"), "%s", path);
  }
}

Test(curves, cifar20_adam) {
  FILE *files[CLASSES];
  open_drawings(files);
  follow("cifar20_adam", CURVES "curve_cifar20_adam.safetensors", fill_drawings, files, 60);
}

Test(curves, cifar20_sgd) {
  FILE *file = fopen(CURVES "cifar_first640.bin", "rb");
  cr_assert(file);
  follow("cifar20_sgd", CURVES "curve_cifar20_sgd.safetensors", fill_cifar, &file, 20);
}

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
  follow("resnet18_adam", weights, fill_drawings, files, 40);
}
