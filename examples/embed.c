/* embed.c: a program of its own that trains a network and then asks it, through librgc. C, and C++ as well.
 *
 *   cc embed.c $(pkg-config --cflags --libs rgc) -o embed
 *   ./embed graphs/quickdraw_small.yaml quickdraw:examples/data/quickdraw 300 trained.bin
 *
 * Prints a line for each validation, then what the trained network says of ten validation samples. The file trained.bin is a plan with
 * weights, the same that rgc run would have written. */
#include <rgc.h>
#include <stdio.h>
#include <stdlib.h>

enum { ASKED = 10 };

static void show(void *context, const rgc_progress *now) {
  (void)context;
  if (now->event == RGC_EVENT_VALIDATED)
    printf("step %lld of %lld: loss %.4f, validation loss %.4f, accuracy %.4f\n", (long long)now->step, (long long)now->total, now->loss,
           now->valid_loss, now->valid_acc);
}

static bool train(rgc_plan *plan, const rgc_dataset *data, int64_t steps, const char *path, rgc_diagnostics *errors) {
  rgc_model_options of_model = {0};
  rgc_run_options run;
  rgc_run_result result;
  rgc_run_defaults(rgc_plan_network(plan), &run);
  run.steps = steps;
  run.progress = show;
  of_model.train = true;
  of_model.seed = run.seed;
  rgc_model *model = rgc_model_open(plan, &of_model, errors);
  bool good = model && rgc_model_train(model, data, &run, &result, errors) && rgc_model_save(model, path, errors);
  rgc_model_close(model);
  return good;
}

/* The first validation samples: pixels, to float images [ASKED][height][width][channels], to logits [ASKED][classes], of which those of the
 * first output are told. */
static bool ask(rgc_model *model, const rgc_network *network, const rgc_dataset *data, rgc_diagnostics *errors) {
  rgc_network_facts n;
  rgc_model_facts m;
  rgc_network_tell(network, &n);
  rgc_model_tell(model, &m);
  rgc_image_shape shape = rgc_dataset_shape(data);
  int64_t image = n.height * n.width * n.channels;
  int count = rgc_dataset_count(data, RGC_SPLIT_VALIDATION), labels[ASKED];
  if (count > ASKED) count = ASKED;
  uint8_t *pixels = (uint8_t *)malloc(rgc_dataset_sample_bytes(data));
  float *images = (float *)malloc(sizeof(float) * (size_t)(image * ASKED));
  float *logits = (float *)malloc(sizeof(float) * (size_t)(m.classes * ASKED));
  double *probabilities = (double *)malloc(sizeof(double) * (size_t)n.classes);
  bool good = pixels && images && logits && probabilities;
  for (int i = 0; good && i < count; i++) {
    labels[i] = rgc_dataset_fetch(data, RGC_SPLIT_VALIDATION, i, pixels);
    good = rgc_network_input(network, pixels, shape.height, shape.width, shape.channels, images + i * image, errors);
  }
  good = good && rgc_model_run(model, images, count, logits, errors);
  for (int i = 0; good && i < count; i++) {
    int64_t best = 0;
    rgc_softmax(logits + i * m.classes, n.classes, probabilities);
    for (int64_t c = 1; c < n.classes; c++)
      if (probabilities[c] > probabilities[best]) best = c;
    printf("sample %d: %s %.1f %%, it is %s\n", i, rgc_dataset_class_name(data, (int)best), 100 * probabilities[best],
           rgc_dataset_class_name(data, labels[i]));
  }
  free(pixels), free(images), free(logits), free(probabilities);
  return good;
}

/* The trained plan opened anew, as a program that only infers would. */
static bool use(const char *path, const rgc_dataset *data, rgc_diagnostics *errors) {
  rgc_model_options options = {0};
  rgc_plan *plan = rgc_plan_open(path, NULL, 0, errors);
  rgc_model *model = plan ? rgc_model_open(plan, &options, errors) : NULL;
  bool good = model && ask(model, rgc_plan_network(plan), data, errors);
  rgc_model_close(model);
  rgc_plan_close(plan);
  return good;
}

int main(int argc, char **argv) {
  if (argc != 5) {
    fprintf(stderr, "usage: %s GRAPH.yaml DATA STEPS TRAINED.bin (librgc %s)\n", argv[0], rgc_version());
    return 2;
  }
  rgc_diagnostics *errors = rgc_diagnostics_create();
  rgc_plan *plan = rgc_plan_open(argv[1], NULL, 0, errors);
  rgc_dataset *data = plan ? rgc_dataset_open_for(rgc_plan_network(plan), argv[2], errors) : NULL;
  bool good = data && train(plan, data, strtol(argv[3], NULL, 10), argv[4], errors) && use(argv[4], data, errors);
  fputs(rgc_diagnostics_text(errors, false), stderr);
  rgc_dataset_close(data);
  rgc_plan_close(plan);
  rgc_diagnostics_destroy(errors);
  return good ? 0 : 1;
}
