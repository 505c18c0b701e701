/* pipeline.c: see pipeline.h. The table is the compiler: each row takes the graph that the row before it left. */
#include "compiler/pipeline.h"

#include <string.h>

#include "compiler/base/clock.h"
#include "compiler/memory_keep.h"
#include "compiler/network_training.h"
#include "compiler/passes/autodiff.h"
#include "compiler/passes/decompose.h"
#include "compiler/passes/fold.h"
#include "compiler/passes/fuse.h"
#include "compiler/passes/layout.h"
#include "compiler/passes/optimizer.h"
#include "compiler/passes/precision.h"
#include "compiler/passes/schedule.h"
#include "compiler/passes/tile.h"

static bool expand(rgc_compilation *c, rgc_diagnostics *diags) {
  c->graph = rgc_network_build(c->network, rgc_micro_batch(c->batch, c->parts), c->kind == RGC_PROGRAM_TRAIN, diags);
  if (c->graph && c->parts > 1) rgc_note_split(c);
  return c->graph != NULL;
}

static bool differentiate(rgc_compilation *c, rgc_diagnostics *diags) {
  if (c->network) return rgc_differentiate_network(c->graph, c->network, diags);
  return rgc_autodiff(c->graph, rgc_graph_find(c->graph, "loss"), diags);
}

static bool update(rgc_compilation *c, rgc_diagnostics *diags) {
  (void)diags;
  rgc_append_network_updates(c->graph, c->network, c->parts > 1);
  return true;
}

/* The output of the last forward op of a layer or of what stands in it; -1: no such layer. */
static int layer_output(const rgc_graph *graph, const char *layer) {
  int found = -1;
  for (int i = 0; i < graph->op_count; i++)
    if (!graph->ops[i].backward && graph->ops[i].layer && rgc_layer_holds(layer, graph->ops[i].layer)) found = graph->ops[i].outputs[0];
  return found;
}

int rgc_find_kept(const rgc_graph *graph, const char *keep) {
  size_t length = strlen(keep), suffix = strlen(".grad");
  rgc_arena *scratch = rgc_arena_create();
  int found = rgc_graph_find(graph, keep);
  if (found < 0) found = layer_output(graph, keep);
  if (found < 0 && length > suffix && !strcmp(keep + length - suffix, ".grad")) {
    int value = layer_output(graph, rgc_arena_strndup(scratch, keep, length - suffix));
    if (value >= 0) found = rgc_graph_find(graph, rgc_arena_printf(scratch, "%s.grad", graph->values[value].name));
  }
  rgc_arena_destroy(scratch);
  return found;
}

/* The layer that may have been meant; NULL: none. */
static const char *nearest_layer(const rgc_graph *graph, const char *keep, rgc_arena *arena) {
  const char **words = RGC_NEW_ARRAY(arena, const char *, graph->op_count + 1);
  const char *grad = strstr(keep, ".grad");
  int count = 0;
  for (int i = 0; i < graph->op_count; i++)
    if (!graph->ops[i].backward && graph->ops[i].layer) words[count++] = graph->ops[i].layer;
  return rgc_suggest(grad ? rgc_arena_strndup(arena, keep, (size_t)(grad - keep)) : keep, words, count);
}

/* A kept value becomes an output, so that no later pass lets it vanish. */
static bool keep_value(rgc_compilation *c, rgc_diagnostics *diags) {
  int value = c->keep ? rgc_find_kept(c->graph, c->keep) : -1;
  if (!c->keep) return true;
  if (value < 0) {
    const char *near = nearest_layer(c->graph, c->keep, c->arena);
    return rgc_diag_fail(diags, RGC_CODE_USAGE, NULL, near ? rgc_arena_printf(diags->arena, "did you mean '%s'?", near)
                                                           : "rgc summary lists the layers; a gradient is LAYER.grad, in a training step",
                         "'%s' is no value of this program", c->keep);
  }
  if (c->graph->values[value].role == RGC_ROLE_TEMP && c->graph->values[value].updates < 0) c->graph->values[value].role = RGC_ROLE_OUTPUT;
  return true;
}

static bool decompose(rgc_compilation *c, rgc_diagnostics *diags) {
  if (!keep_value(c, diags)) return false;
  c->graph = rgc_decompose(c->graph, c->arena, diags);
  return c->graph != NULL;
}

static bool precision(rgc_compilation *c, rgc_diagnostics *diags) {
  (void)diags;
  rgc_text lines = {0};
  rgc_apply_precision(c->graph, c->precision, &lines);
  rgc_compilation_note(c, &lines);
  return true;
}

static bool fuse(rgc_compilation *c, rgc_diagnostics *diags) {
  (void)diags;
  rgc_text lines = {0};
  rgc_fuse(c->graph, c->target, &lines);
  rgc_compilation_note(c, &lines);
  return true;
}

static bool schedule(rgc_compilation *c, rgc_diagnostics *diags) {
  (void)diags;
  rgc_schedule_updates(c->graph);
  return true;
}

static bool tile(rgc_compilation *c, rgc_diagnostics *diags) {
  (void)diags;
  rgc_choose_tiles(c->graph, c->target);
  return true;
}

static bool layout(rgc_compilation *c, rgc_diagnostics *diags) {
  (void)diags;
  rgc_assign_layouts(c->graph, c->target);
  return true;
}

static bool scale(rgc_compilation *c, rgc_diagnostics *diags) {
  (void)diags;
  rgc_fold_scales(c->graph);
  return true;
}

static bool split(rgc_compilation *c, rgc_diagnostics *diags) {
  (void)diags;
  rgc_split_constant(c->graph, c->kind == RGC_PROGRAM_FOLD);
  return true;
}

static bool recompute(rgc_compilation *c, rgc_diagnostics *diags) {
  (void)diags;
  rgc_keep_memory_limit(c);
  return true;
}

/* Kept where the program keeps its limit with them: no operand of a side store lends it its place, as that of a map may. */
static bool side(rgc_compilation *c, rgc_diagnostics *diags) {
  (void)diags;
  rgc_text lines = {0};
  rgc_graph *without = c->memory_bytes ? rgc_graph_clone(c->graph, c->arena) : NULL;
  rgc_fuse_side_stores(c->graph, c->target, &lines);
  if (without && !rgc_keeps_memory_limit(c)) {
    c->graph = without;
    rgc_text_free(&lines);
    lines = (rgc_text){0};
    rgc_text_add(&lines, "side stores: none, as with them the program would take more memory than it may\n");
  }
  rgc_compilation_note(c, &lines);
  return true;
}

static bool memory(rgc_compilation *c, rgc_diagnostics *diags) {
  c->memory = rgc_plan_memory(c->graph, c->arena);
  if (c->memory) return true;
  return rgc_diag_fail(diags, RGC_CODE_MEMORY, c->network ? c->network->file : NULL, "make the batch or the image smaller",
                       "the program's tensors are too large to count");
}

enum { ALL = (1 << RGC_PROGRAM_KIND_COUNT) - 1, TRAIN = 1 << RGC_PROGRAM_TRAIN, FOLDED = 1 << RGC_PROGRAM_FOLD | 1 << RGC_PROGRAM_INFER };

const rgc_pass rgc_passes[] = {
    {"expand", "the layers of the graph file become composite ops", ALL, expand},
    {"differentiate", "backward ops behind the loss", TRAIN, differentiate},
    {"update", "the optimizer's maps over parameters and states", TRAIN, update},
    {"decompose", "every composite op becomes kernels", ALL, decompose},
    {"scale", "BN's factors go into the weights", FOLDED, scale},
    {"precision", "what is stored and multiplied in bf16 is rounded to it", ALL, precision},
    {"fuse", "maps go into the kernels before and behind them", ALL, fuse},
    {"schedule", "updates move up to the gradients they consume", TRAIN, schedule},
    {"tile", "kernels are cut into tiles; partial sums get their shapes", ALL, tile},
    {"layout", "weights of contracts are packed into panels", ALL, layout},
    {"recompute", "forward kernels run again where keeping their results takes too much memory", TRAIN, recompute},
    {"split", "what follows from the weights alone is one program, the rest another", FOLDED, split},
    {"side", "what a contract reads first is stored by its loader", ALL, side},
    {"memory", "every value gets its place", ALL, memory},
    {0},
};

static bool run_pass(const rgc_pass *pass, rgc_compilation *c, rgc_diagnostics *diags) {
  if (!pass->run(c, diags)) return false;
  int before = diags->error_count;
  rgc_graph_verify(c->graph, diags);
  if (diags->error_count == before) return true;
  rgc_diag_fail(diags, RGC_CODE_IR_INVALID, NULL, "this is a bug of rgc: please report it with the graph file",
                "pass %s left a graph that breaks the rules above", pass->name);
  return false;
}

rgc_precision rgc_effective_precision(const rgc_network *network, const rgc_target *target) {
  rgc_precision wanted = network ? network->precision : RGC_PRECISION_FP32;
  return target->precisions >> wanted & 1 ? wanted : RGC_PRECISION_FP32;
}

rgc_compilation *rgc_run_passes(rgc_network *network, const rgc_compile_options *o, int64_t parts, rgc_arena *arena, rgc_diagnostics *diags) {
  rgc_compilation *c = RGC_NEW(arena, rgc_compilation);
  *c = (rgc_compilation){.arena = arena, .network = network, .kind = o->kind, .batch = o->batch, .parts = parts, .target = o->target, .keep = o->keep,
                          .precision = rgc_effective_precision(network, o->target),
                          .memory_bytes = o->memory_bytes, .promised = !o->memory_bytes, .ledger = ""};
  if (c->promised && network) c->memory_bytes = network->memory_bytes;
  if (c->memory_bytes < 0) c->memory_bytes = 0;
  for (const rgc_pass *pass = rgc_passes; pass->name; pass++) {
    if (!(pass->kinds >> o->kind & 1)) continue;
    double start = rgc_now_seconds();
    if (!run_pass(pass, c, diags)) return NULL;
    if (o->observer && !o->observer(o->context, pass, c, rgc_now_seconds() - start)) break;
  }
  return c;
}

bool rgc_run_pass(const char *name, rgc_compilation *c, rgc_diagnostics *diags) {
  const char *names[sizeof rgc_passes / sizeof *rgc_passes];
  int count = 0;
  for (const rgc_pass *pass = rgc_passes; pass->name; pass++) {
    names[count++] = pass->name;
    if (strcmp(pass->name, name)) continue;
    if (pass->run == expand || pass->run == update)
      return rgc_diag_fail(diags, RGC_CODE_USAGE, NULL, NULL, "pass '%s' needs a graph file, not a graph's text", name);
    return run_pass(pass, c, diags);
  }
  const char *near = rgc_suggest(name, names, count);
  return rgc_diag_fail(diags, RGC_CODE_USAGE, NULL, near ? rgc_arena_printf(diags->arena, "did you mean '%s'?", near) : "rgc compile --list-passes",
                       "'%s' is no pass", name);
}

const char *rgc_program_word(rgc_program_kind kind) {
  static const char *const words[RGC_PROGRAM_KIND_COUNT] = {
#define X(id, word, about) word,
      RGC_PROGRAM_KINDS(X)
#undef X
  };
  return words[kind];
}
