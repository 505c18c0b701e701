/* equivalence.c: see equivalence.h. The unfused graph is printed behind `decompose` (in bf16, `precision`) and parsed again, so that no pass can touch it. */
#include "tests/unit/equivalence.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/passes/optimizer.h"
#include "compiler/passes/recompute.h"
#include "runtime/reference/philox.h"
#include "tests/unit/network_text.h"

static void fail_with(equivalence *e) {
  rgc_text text = {0};
  rgc_diag_render(&e->diags, false, &text);
  cr_assert_fail("%s\nof\n%s", rgc_text_chars(&text), e->yaml);
}

static bool keep_unfused(void *context, const rgc_pass *pass, const rgc_compilation *c, double seconds) {
  equivalence *e = context;
  (void)seconds;
  bool last = !strcmp(pass->name, "precision") && c->precision == RGC_PRECISION_BF16;
  if (strcmp(pass->name, "decompose") && !last) return true;
  rgc_text text = {0};
  rgc_graph_print(c->graph, &text);
  e->unfused = rgc_graph_parse(e->arena, rgc_text_chars(&text), "unfused", &e->diags);
  rgc_text_free(&text);
  return e->unfused != NULL;
}

/* The passes of a training program one by one, with AdamW's updates in the place of `update`. */
static rgc_compilation *compile_adamw(equivalence *e) {
  static const char *const behind[] = {"decompose", "precision", "fuse", "schedule", "tile", "layout", "side", "memory"};
  rgc_compilation *c = RGC_NEW(e->arena, rgc_compilation);
  *c = (rgc_compilation){.arena = e->arena, .network = e->network, .kind = RGC_PROGRAM_TRAIN, .batch = e->batch, .target = e->target};
  c->graph = rgc_network_build(e->network, e->batch, true, &e->diags);
  if (!c->graph || !rgc_run_pass("differentiate", c, &e->diags)) return NULL;
  rgc_update_settings settings = {.rule = RGC_UPDATE_ADAMW, .beta1 = 0.9, .beta2 = 0.99, .eps = 1e-8, .weight_decay = 0.01};
  rgc_append_updates(c->graph, &settings, NULL, NULL);
  for (size_t i = 0; i < sizeof behind / sizeof *behind; i++) {
    if (!rgc_run_pass(behind[i], c, &e->diags)) return NULL;
    keep_unfused(e, &(rgc_pass){.name = behind[i]}, c, 0);
  }
  return c;
}

equivalence *equivalence_compile(const char *yaml, rgc_program_kind kind, int64_t batch, uint64_t seed, bool adamw, const rgc_target *target) {
  rgc_arena *arena = rgc_arena_create();
  equivalence *e = RGC_NEW(arena, equivalence);
  *e = (equivalence){.arena = arena, .yaml = yaml,
                     .target = target, .tolerance = 1e-9, .batch = batch, .seed = seed};
  rgc_diagnostics_init(&e->diags, arena);
  e->network = network_of_text(e->arena, e->yaml, &e->diags);
  if (!e->network) fail_with(e);
  rgc_compile_options o = {.kind = kind, .batch = batch, .target = target, .observer = keep_unfused, .context = e};
  e->done = adamw ? compile_adamw(e) : rgc_compile(e->network, &o, arena, &e->diags);
  if (!e->done || !e->unfused) fail_with(e);
  return e;
}

void equivalence_recompute(equivalence *e, int64_t peak_bytes) {
  int64_t before = e->done->memory->peak.bytes;
  rgc_recompute(e->done->graph, e->target, peak_bytes, NULL);
  e->done->memory = rgc_plan_memory(e->done->graph, e->arena);
  if (!rgc_graph_verify(e->done->graph, &e->diags) || !rgc_memory_verify(e->done->graph, e->done->memory, &e->diags)) fail_with(e);
  cr_expect_leq(e->done->memory->peak.bytes, before, "%lld bytes instead of %lld of\n%s", (long long)e->done->memory->peak.bytes, (long long)before, e->yaml);
}

void equivalence_destroy(equivalence *e) {
  rgc_arena_destroy(e->arena);
}

static uint32_t hash_of(const char *name) {
  uint32_t hash = 2166136261u;
  for (; *name; name++) hash = (hash ^ (unsigned char)*name) * 16777619u;
  return hash;
}

static double number_of(const equivalence *e, const rgc_value *v, int64_t element) {
  double u = rgc_philox_uniform(e->seed, hash_of(v->name), 0, (uint64_t)element);
  bool positive = v->role == RGC_ROLE_STATE || (v->role == RGC_ROLE_BUFFER && v->init.number == 1);
  if (v->role == RGC_ROLE_LABEL) return floor(u * (double)e->network->classes[0].count);
  return positive ? 0.5 + u : (2 * u - 1) * (v->role == RGC_ROLE_PARAM ? 0.7 : 1);
}

rgc_interpreter *equivalence_prepare(const equivalence *e, const rgc_graph *graph, int64_t valid) {
  rgc_interpreter *run = rgc_interpreter_create(graph, e->arena);
  run->seed = e->seed;
  run->step = 3;
  run->scalars[RGC_SCALAR_LR] = 0.01;
  run->scalars[RGC_SCALAR_LAST] = 1;
  run->scalars[RGC_SCALAR_SHARE] = 0.5;
  run->scalars[RGC_SCALAR_MIX] = 0.3;
  run->scalars[RGC_SCALAR_BIAS1] = run->scalars[RGC_SCALAR_BIAS2] = 1.5;
  rgc_interpreter_set_valid(run, valid);
  for (int i = 0; i < graph->value_count; i++) {
    const rgc_value *v = &graph->values[i];
    int copied = rgc_graph_copied(graph, v);
    if (v->op < 0 && copied >= 0) {
      for (int64_t k = 0; k < rgc_shape_elems(v->shape); k++) run->data[i][k] = rgc_round_bf16(number_of(e, &graph->values[copied], k));
      continue;
    }
    bool given = v->op < 0 && v->role != RGC_ROLE_TEMP && v->role != RGC_ROLE_FOLDED;
    for (int64_t k = 0; given && k < rgc_shape_elems(v->shape); k++) run->data[i][k] = number_of(e, v, k);
  }
  return run;
}

void equivalence_near(const equivalence *e, const char *name, const double *got, const double *wanted, int64_t count) {
  double scale = 1e-300;
  for (int64_t k = 0; k < count; k++) scale = fmax(scale, fabs(wanted[k]));
  for (int64_t k = 0; k < count; k++)
    cr_assert(fabs(got[k] - wanted[k]) <= e->tolerance * scale, "%s[%lld] is %.17g, and %.17g unfused (seed %llu, batch %lld)\nof\n%s", name,
              (long long)k, got[k], wanted[k], (unsigned long long)e->seed, (long long)e->batch, e->yaml);
}

static bool is_result(const rgc_value *v) { return v->op >= 0 && (v->role == RGC_ROLE_OUTPUT || v->updates >= 0); }

void equivalence_check(equivalence *e, int64_t valid) {
  rgc_interpreter *wanted = equivalence_prepare(e, e->unfused, valid), *got = equivalence_prepare(e, e->done->graph, valid);
  rgc_interpret(wanted);
  rgc_interpret(got);
  int results = 0;
  for (int i = 0; i < e->unfused->value_count; i++) {
    const rgc_value *v = &e->unfused->values[i];
    if (!is_result(v)) continue;
    int same = rgc_graph_find(e->done->graph, v->name);
    cr_assert(same >= 0 && is_result(&e->done->graph->values[same]), "%s is gone", v->name);
    equivalence_near(e, v->name, got->data[same], wanted->data[i], rgc_shape_elems(v->shape));
    results++;
  }
  cr_assert(results > 0);
}

/* Folded values are handed over by name. */
static void hand_over(const equivalence *fold, const rgc_interpreter *from, const rgc_interpreter *to) {
  for (int i = 0; i < to->graph->value_count; i++) {
    const rgc_value *v = &to->graph->values[i];
    if (v->role != RGC_ROLE_FOLDED) continue;
    int same = rgc_graph_find(fold->done->graph, v->name);
    cr_assert(same >= 0 && fold->done->graph->values[same].op >= 0, "%s is not folded", v->name);
    memcpy(to->data[i], from->data[same], sizeof(double) * (size_t)rgc_shape_elems(v->shape));
  }
}

void equivalence_check_inference(const char *yaml, int64_t batch, int64_t valid, uint64_t seed, const rgc_target *target) {
  equivalence *eval = equivalence_compile(yaml, RGC_PROGRAM_EVAL, batch, seed, false, target);
  equivalence *fold = equivalence_compile(yaml, RGC_PROGRAM_FOLD, batch, seed, false, target);
  equivalence *infer = equivalence_compile(yaml, RGC_PROGRAM_INFER, batch, seed, false, target);
  equivalence_check(eval, valid);
  rgc_interpreter *folds = equivalence_prepare(fold, fold->done->graph, batch);
  rgc_interpreter *infers = equivalence_prepare(infer, infer->done->graph, valid), *evals = equivalence_prepare(eval, eval->unfused, valid);
  rgc_interpret(folds);
  hand_over(fold, folds, infers);
  rgc_interpret(infers);
  rgc_interpret(evals);
  int outputs = 0;
  for (int i = 0; i < infers->graph->value_count; i++) {
    const rgc_value *v = &infers->graph->values[i];
    if (v->role != RGC_ROLE_OUTPUT) continue;
    equivalence_near(infer, v->name, infers->data[i], evals->data[rgc_graph_find(eval->unfused, v->name)], rgc_shape_elems(v->shape));
    outputs++;
  }
  cr_assert(outputs > 0);
  equivalence_destroy(eval);
  equivalence_destroy(fold);
  equivalence_destroy(infer);
}

static int64_t bytes_of(const rgc_value *v) { return rgc_shape_elems(v->shape) * rgc_dtype_bytes(v->dtype); }

traffic equivalence_traffic(const rgc_graph *graph) {
  traffic t = {.kernels = graph->op_count};
  for (int i = 0; i < graph->op_count; i++) {
    const rgc_op *op = &graph->ops[i];
    t.contracts += op->kernel->kind == RGC_CONTRACT;
    t.maps += op->kernel->kind == RGC_MAP;
    for (int k = 0; k < op->input_count; k++) {
      bool seen = false;
      for (int j = 0; j < k; j++) seen |= op->inputs[j] == op->inputs[k];
      t.bytes += seen ? 0 : bytes_of(&graph->values[op->inputs[k]]);
    }
    for (int k = 0; k < op->output_count; k++) t.bytes += bytes_of(&graph->values[op->outputs[k]]);
  }
  return t;
}
