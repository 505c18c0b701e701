/* test_curves.c: the reference evaluator follows PyTorch's float64 training curves (tests/data/curves/README.md) within 1e-8
 * relative at every step: forward, backward, optimizer and label smoothing of whole networks in one number. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "runtime/reference/reference_model.h"
#include "tests/unit/curve_data.h"

/* Runs as many steps as asked and compares each loss; returns the largest relative difference. */
static double follow(const char *name, const char *weights, fill_batch *fill, FILE *const *files, int steps) {
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

/* Group norm, a reflected filter, selective kernels, Res2Net, split attention, ECA, a maximum over space. */
Test(curves, words_sgd) {
  FILE *file = fopen(CURVES "cifar_first640.bin", "rb");
  cr_assert(file);
  follow("words_sgd", CURVES "curve_words_sgd.safetensors", fill_cifar, &file, 20);
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
