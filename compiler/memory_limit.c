/* memory_limit.c: see memory_limit.h. */
#include "compiler/memory_limit.h"

/* What the program takes; -1: it cannot be compiled so. Nobody hears why. */
static int64_t compiled_bytes(const rgc_network *network, const rgc_compile_options *options) {
  rgc_arena *scratch = rgc_arena_create();
  rgc_diagnostics quiet;
  rgc_diagnostics_init(&quiet, scratch);
  rgc_network own = *network;
  own.arena = scratch;
  const rgc_compilation *c = rgc_run_passes(&own, options, options->parts, scratch, &quiet);
  int64_t bytes = c ? rgc_memory_bytes(c->memory) : -1;
  rgc_arena_destroy(scratch);
  return bytes;
}

int64_t rgc_unfrozen_bytes(const rgc_network *network, const rgc_compile_options *options) {
  if (!network->freeze.count && !network->freeze_all_but) return -1;
  rgc_network thawed = *network;
  thawed.freeze_all_but = false;
  thawed.freeze = (rgc_names){0};
  rgc_compile_options o = {.kind = options->kind, .batch = options->batch, .target = options->target, .memory_bytes = RGC_UNLIMITED, .parts = 1};
  return compiled_bytes(&thawed, &o);
}

/* Bytes of the program with the batch in so many parts; as few as recompute can do where that is over the file's limit. */
static int64_t bytes_in_parts(const rgc_network *network, const rgc_compile_options *options, int64_t parts) {
  rgc_compile_options o = *options;
  bool train = o.kind == RGC_PROGRAM_TRAIN;
  o.batch = train ? o.batch : rgc_micro_batch(o.batch, parts);
  o.parts = train ? parts : 1;
  o.memory_bytes = network->memory_bytes;
  o.observer = NULL;
  return compiled_bytes(network, &o);
}

/* The most parts that a batch can have: of one sample, or of two where a layer must not be trained with one. And the bytes that takes; -1: none. */
static int64_t most_parts(const rgc_network *network, const rgc_compile_options *options, int64_t *bytes) {
  *bytes = bytes_in_parts(network, options, options->batch);
  if (*bytes >= 0) return options->batch;
  int64_t pairs = (options->batch + 1) / 2;
  *bytes = bytes_in_parts(network, options, pairs);
  return pairs;
}

/* Of batch 9 in 4 parts each has 3 samples, so there are 3. */
static int64_t needed_parts(int64_t batch, int64_t parts) {
  int64_t micro = rgc_micro_batch(batch, parts);
  return (batch + micro - 1) / micro;
}

/* More parts never take more memory: bisection between too few and enough. */
int64_t rgc_count_parts(const rgc_network *network, const rgc_compile_options *options) {
  bool limited = network && network->may_split && network->memory_bytes && !options->memory_bytes;
  int64_t limit = limited ? network->memory_bytes : 0, bytes = limited ? bytes_in_parts(network, options, 1) : 0;
  if (bytes <= limit) return 1;
  int64_t few = 1, enough = most_parts(network, options, &bytes);
  if (bytes < 0 || bytes > limit) return 1;
  while (enough - few > 1) {
    int64_t middle = few + (enough - few) / 2;
    bytes = bytes_in_parts(network, options, middle);
    *(bytes >= 0 && bytes <= limit ? &enough : &few) = middle;
  }
  return needed_parts(options->batch, enough);
}

int64_t rgc_largest_batch(const rgc_network *network, const rgc_compile_options *options, int64_t bytes) {
  int64_t low = 0, high = options->batch;
  while (high - low > 1 + low / 64) {
    int64_t middle = low + (high - low) / 2;
    rgc_compile_options o = {.kind = options->kind, .batch = middle, .target = options->target, .parts = 1};
    o.memory_bytes = options->memory_bytes == RGC_UNLIMITED ? RGC_UNLIMITED : bytes;
    int64_t taken = compiled_bytes(network, &o);
    if (taken >= 0 && taken <= bytes) low = middle;
    else high = middle;
  }
  return low;
}

/* The largest batch that fits, and the least that memory: may say for this one: of the program as it is or, where the batch may be split, in as
 * many parts as it can have. */
static const char *suggest(const rgc_compilation *c, int64_t bytes, rgc_arena *arena) {
  rgc_compile_options o = {.kind = c->kind, .batch = c->batch, .target = c->target};
  int64_t fits = rgc_largest_batch(c->network, &o, c->memory_bytes), in_parts = -1, least = bytes;
  if (c->kind == RGC_PROGRAM_TRAIN) most_parts(c->network, &o, &in_parts);
  if (c->network->may_split && in_parts >= 0 && in_parts < least) least = in_parts;
  bool small = least < 10000000, may_help = !c->network->may_split && in_parts >= 0 && in_parts <= c->memory_bytes;
  const char *first = fits ? rgc_arena_printf(arena, "the largest batch that fits is %lld", (long long)fits) : "not even one sample fits";
  return rgc_arena_printf(arena, "%s; memory: %lld%s would do for this one%s", first, (long long)least / (small ? 1000 : 1000000) + 1, small ? "kB" : "MB",
                          may_help ? ", or allow: [recompute, split]" : "");
}

bool rgc_check_memory_limit(rgc_compilation *c, rgc_diagnostics *diags) {
  int64_t bytes = c->memory ? rgc_memory_bytes(c->memory) : 0;
  if (!c->promised || !c->memory_bytes || bytes <= c->memory_bytes) return true;
  const char *effort = c->kind == RGC_PROGRAM_TRAIN && rgc_may_recompute(c) ? " even with recompute" : "";
  return rgc_diag_fail(diags, RGC_CODE_MEMORY, c->network->file, suggest(c, bytes, diags->arena), "program %s of batch %lld needs %.1f MB%s, and memory: allows %.1f MB",
                       rgc_program_word(c->kind), (long long)c->batch, (double)bytes * 1e-6, effort, (double)c->memory_bytes * 1e-6);
}
