/* test_finetune.c: what is frozen costs nothing: no gradient, no optimizer state, no activation kept for one; counted in bytes. */
#include <criterion/criterion.h>
#include <string.h>

#include "codegen/cpu/targets.h"
#include "compiler/memory_limit.h"
#include "compiler/pipeline.h"

enum { BATCH = 3 };

typedef struct finetune {
  rgc_arena *arena;
  rgc_diagnostics diags;
  rgc_network *network;
  rgc_compilation *train;
} finetune;

static const rgc_target *facts(finetune *f) { return &rgc_cpu_target_choose("cpu-plain", &f->diags)->facts; }

static finetune compile(const char *freeze) {
  finetune f = {.arena = rgc_arena_create()};
  rgc_diagnostics_init(&f.diags, f.arena);
  f.network = rgc_network_load(f.arena, "graphs/cifar_resnet20.yaml", &freeze, 1, &f.diags);
  cr_assert(f.network);
  rgc_compile_options o = {.kind = RGC_PROGRAM_TRAIN, .batch = BATCH, .target = facts(&f)};
  f.train = rgc_compile(f.network, &o, f.arena, &f.diags);
  cr_assert(f.train);
  return f;
}

static void end(finetune *f) {
  rgc_arena_destroy(f->arena);
}

static bool writes(const rgc_compilation *c, const char *name) {
  int value = rgc_graph_find(c->graph, name);
  return value >= 0 && c->graph->values[value].op >= 0;
}

static int backward_ops_of(const rgc_compilation *c, const char *layer) {
  int count = 0;
  for (int i = 0; i < c->graph->op_count; i++) count += c->graph->ops[i].backward && rgc_layer_holds(layer, c->graph->ops[i].layer);
  return count;
}

Test(finetune, only_the_last_layer_is_trained) {
  finetune f = compile("freeze=all but linear");
  const int64_t *places = f.train->memory->region_bytes, fc = 10 * 64 * 4, bias = RGC_ALIGN_BYTES;
  cr_expect_eq(places[RGC_REGION_STATE], 2 * (fc + bias) + RGC_SPARE_BYTES); /* Adam or momentum: two vectors a parameter */
  cr_expect_eq(f.train->memory->peak.part_bytes[RGC_PART_SAVED], 0, "the peak is in the forward pass");
  cr_expect(writes(f.train, "linear.weight.next") && !writes(f.train, "layer3.2.bn2.weight.next"));
  cr_expect_eq(backward_ops_of(f.train, "layer3"), 0);
  int64_t saved = 0;
  for (int i = 0; i < f.train->graph->op_count; i++)
    for (int k = 0; f.train->graph->ops[i].backward && k < f.train->graph->ops[i].input_count; k++) {
      const rgc_value *v = &f.train->graph->values[f.train->graph->ops[i].inputs[k]];
      bool forward = v->op >= 0 && !f.train->graph->ops[v->op].backward && v->role == RGC_ROLE_TEMP;
      if (forward && v->shape[RGC_H] > 1) saved += rgc_value_storage_bytes(v);
    }
  cr_expect_eq(saved, 0, "no image is kept for the backward pass");
  rgc_compile_options o = {.kind = RGC_PROGRAM_TRAIN, .batch = BATCH, .target = facts(&f)};
  cr_expect_gt(rgc_unfrozen_bytes(f.network, &o), 3 * rgc_memory_bytes(f.train->memory));
  end(&f);
}

Test(finetune, the_backward_pass_ends_at_the_first_trained_layer) {
  finetune f = compile("freeze={layers: [conv1, bn1, layer1, layer2], bn: running}");
  cr_expect_eq(backward_ops_of(f.train, "layer2"), 0);
  cr_expect_gt(backward_ops_of(f.train, "layer3.0"), 0);
  cr_expect(!writes(f.train, "layer2.0.bn1.running_mean.next") && writes(f.train, "layer3.0.bn1.running_mean.next"));
  end(&f);
  f = compile("freeze={layers: [conv1, bn1, layer1, layer2], bn: batch}");
  cr_expect(writes(f.train, "layer2.0.bn1.running_mean.next") && !writes(f.train, "layer2.0.bn1.weight.next"));
  end(&f);
}
