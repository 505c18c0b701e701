/* memory_limit.c: see memory_limit.h. */
#include "compiler/memory_limit.h"

#include "compiler/passes/recompute.h"

/* What the program takes; -1: it cannot be compiled so. Nobody hears why. */
static int64_t compiled_bytes(const rgc_network *network, const rgc_compile_options *options) {
  rgc_arena *scratch = rgc_arena_create();
  rgc_diagnostics quiet;
  rgc_diagnostics_init(&quiet, scratch);
  rgc_network own = *network;
  own.arena = scratch;
  const rgc_compilation *c = rgc_compile(&own, options, scratch, &quiet);
  int64_t bytes = c ? rgc_memory_bytes(c->memory) : -1;
  rgc_arena_destroy(scratch);
  return bytes;
}

int64_t rgc_unfrozen_bytes(const rgc_network *network, const rgc_compile_options *options) {
  if (!network->freeze.count && !network->freeze_all_but) return -1;
  rgc_network thawed = *network;
  thawed.freeze_all_but = false;
  thawed.freeze = (rgc_names){0};
  rgc_compile_options o = {.kind = options->kind, .batch = options->batch, .target = options->target, .memory_bytes = RGC_UNLIMITED};
  return compiled_bytes(&thawed, &o);
}

static bool may_recompute(const rgc_compilation *c) { return c->memory_bytes && (!c->network || c->network->may_recompute); }

/* Bytes that the program takes with places for all values, where `*peak_bytes` are alive at once; -1: they cannot be counted. */
static int64_t placed_bytes(const rgc_graph *graph, int64_t *peak_bytes) {
  rgc_arena *scratch = rgc_arena_create();
  const rgc_memory_plan *plan = rgc_plan_memory(graph, scratch);
  int64_t bytes = plan ? rgc_memory_bytes(plan) : -1;
  if (plan) *peak_bytes = plan->peak.bytes;
  rgc_arena_destroy(scratch);
  return bytes;
}

bool rgc_keeps_memory_limit(const rgc_compilation *c) {
  int64_t peak, bytes = placed_bytes(c->graph, &peak);
  return !c->memory_bytes || (bytes >= 0 && bytes <= c->memory_bytes);
}

enum { TRIES = 4 };

/* Places leave gaps, so a choice that fits by its peak may not fit: then for a lower peak, and at last for the lowest. */
void rgc_keep_memory_limit(rgc_compilation *c) {
  int64_t peak = 0, bytes = may_recompute(c) ? placed_bytes(c->graph, &peak) : -1, target = peak;
  const rgc_graph *whole = c->graph;
  for (int left = TRIES; left && bytes > c->memory_bytes; left--) {
    rgc_text lines = {0};
    target -= bytes - c->memory_bytes + (left < TRIES ? peak / 256 : 0);
    c->graph = rgc_graph_clone(whole, c->arena);
    rgc_recompute(c->graph, c->target, left > 1 ? target : 0, &lines);
    bytes = placed_bytes(c->graph, &peak);
    if (bytes <= c->memory_bytes || left == 1) rgc_compilation_note(c, &lines);
    rgc_text_free(&lines);
  }
}

int64_t rgc_largest_batch(const rgc_network *network, const rgc_compile_options *options, int64_t bytes) {
  int64_t low = 0, high = options->batch;
  while (high - low > 1 + low / 64) {
    int64_t middle = low + (high - low) / 2;
    rgc_compile_options o = {.kind = options->kind, .batch = middle, .target = options->target};
    o.memory_bytes = options->memory_bytes == RGC_UNLIMITED ? RGC_UNLIMITED : bytes;
    int64_t taken = compiled_bytes(network, &o);
    if (taken >= 0 && taken <= bytes) low = middle;
    else high = middle;
  }
  return low;
}

bool rgc_check_memory_limit(rgc_compilation *c, rgc_diagnostics *diags) {
  int64_t bytes = rgc_memory_bytes(c->memory), wanted_mb = bytes / 1000000 + 1;
  if (!c->memory_bytes || bytes <= c->memory_bytes) return true;
  if (!c->promised) return false;
  rgc_compile_options o = {.kind = c->kind, .batch = c->batch, .target = c->target};
  int64_t fits = rgc_largest_batch(c->network, &o, c->memory_bytes);
  const char *help = fits ? rgc_arena_printf(diags->arena, "the largest batch that fits is %lld; memory: %lldMB would do for this one", (long long)fits, (long long)wanted_mb)
                          : rgc_arena_printf(diags->arena, "not even one sample fits; memory: %lldMB would do for this batch", (long long)wanted_mb);
  const char *effort = c->kind == RGC_PROGRAM_TRAIN && may_recompute(c) ? " even with recompute" : "";
  return rgc_diag_fail(diags, RGC_CODE_MEMORY, c->network->file, help, "program %s of batch %lld needs %.1f MB%s, and memory: allows %.1f MB",
                       rgc_program_word(c->kind), (long long)c->batch, (double)bytes * 1e-6, effort, (double)c->memory_bytes * 1e-6);
}
