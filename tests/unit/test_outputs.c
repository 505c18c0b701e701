/* test_outputs.c: what rgc_model_run gives for a network of several outputs, beside the reference evaluator with the same weights. */
#include <math.h>

#include "network_text.h"
#include "runtime/reference/philox.h"
#include "runtime/reference/reference_model.h"
#include "runtime/train/model.h"

enum { SAMPLES = 5, BATCH = 2, SIDE = 6, PIXELS = SIDE * SIDE * 3, CLASSES = 3 + 7 };
static const char text[] = "rgc: 1\nname: outputs\ninput: {channels: 3, size: 6}\nclasses: {genus: [cat, dog, elk], species: 7}\n"
                           "stem:\n  - conv: {out: 6, kernel: 3}\n  - bn\n  - relu\n"
                           "head:\n  - avgpool: {over: global, as: f}\n"
                           "  - linear: {from: f, out: classes.species, name: fc_species, output: species}\n"
                           "  - linear: {from: f, out: classes.genus, name: fc_genus, output: genus}\n"
                           "train: {batch: 2, loss: {genus: {cross_entropy: {weight: 1}}, species: {cross_entropy: {weight: 0.5}}}}\n";

/* The evaluation graph's output in double, for one sample. */
static double *reference_logits(rgc_reference_model *reference, const char *output, const float *image) {
  rgc_step_numbers numbers = {0};
  numbers.scalars[RGC_SCALAR_N_VALID] = numbers.scalars[RGC_SCALAR_INV_N] = 1;
  double *input = rgc_reference_tensor(reference->eval, reference->eval_input);
  for (int e = 0; e < PIXELS; e++) input[e] = (double)image[e];
  rgc_reference_step(reference->eval, &numbers);
  return rgc_reference_tensor(reference->eval, rgc_graph_find(reference->eval_graph, output));
}

static void expect_close(const float *got, const double *wanted, int64_t count, const char *what, int sample) {
  for (int64_t c = 0; c < count; c++)
    cr_expect_float_eq((double)got[c], wanted[c], 1e-5, "%s of sample %d, class %d: %.9g and not %.9g", what, sample, (int)c, (double)got[c], wanted[c]);
}

Test(outputs, all_logits_of_every_sample) {
  rgc_arena *arena = rgc_arena_create();
  rgc_diagnostics diags;
  rgc_diagnostics_init(&diags, arena);
  rgc_network *network = network_of_text(arena, text, &diags);
  rgc_plan *plan = network ? rgc_plan_of_network(network, &diags) : NULL;
  rgc_model *model = plan ? rgc_model_open(plan, &(rgc_model_options){.batch = BATCH, .seed = 4, .threads = 1}, &diags) : NULL;
  rgc_reference_model reference;
  cr_assert(model && rgc_reference_model_create(&reference, network, 1, 4, &diags));
  rgc_model_facts facts;
  rgc_output_facts genus, species, none;
  rgc_model_tell(model, &facts);
  cr_assert(facts.classes == CLASSES && rgc_network_output(network, 0, &genus) && rgc_network_output(network, 1, &species));
  cr_expect(!rgc_network_output(network, 2, &none) && !rgc_network_output(network, -1, &none));
  cr_expect(genus.first == 0 && genus.classes == 3 && !strcmp(genus.name, "genus") && !strcmp(genus.class_names[2], "elk"));
  cr_expect(species.first == 3 && species.classes == 7 && !strcmp(species.name, "species") && !species.class_names);

  float images[SAMPLES * PIXELS], logits[SAMPLES * CLASSES];
  for (int e = 0; e < SAMPLES * PIXELS; e++) images[e] = (float)(2 * rgc_philox_uniform(9, 0, 0, (uint64_t)e) - 1);
  for (int e = 0; e < SAMPLES * CLASSES; e++) logits[e] = NAN;
  cr_assert(rgc_model_run(model, images, SAMPLES, logits, &diags));
  for (int i = 0; i < SAMPLES; i++) {
    expect_close(logits + i * CLASSES + genus.first, reference_logits(&reference, "genus", images + i * PIXELS), genus.classes, "genus", i);
    expect_close(logits + i * CLASSES + species.first, reference_logits(&reference, "species", images + i * PIXELS), species.classes, "species", i);
  }
  rgc_reference_model_destroy(&reference);
  rgc_model_close(model);
  rgc_plan_close(plan);
  rgc_arena_destroy(arena);
}
