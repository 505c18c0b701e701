/* survey_list.c: a line a network; see survey.h. Each network has an arena of its own, so that a long list takes no more memory than
 * its largest network. */
#include <inttypes.h>
#include <stdio.h>

#include "compiler/pipeline.h"
#include "compiler/survey.h"

void rgc_survey_header(const rgc_survey *options, rgc_text *out) {
  char training[48];
  snprintf(training, sizeof training, "training, batch %" PRId64, options->batch);
  rgc_text_printf(out, "%-24s %-15s %12s %10s %20s %15s\n", "name", "input [C,H,W]", "parameters", "MACs", training, "inference, 1");
}

/* Bytes of one program; 0 if it cannot be compiled, and then why. */
static int64_t program_bytes(rgc_network *network, rgc_program_kind kind, int64_t batch, const rgc_target *target, const char **why) {
  rgc_diagnostics diags;
  rgc_diagnostics_init(&diags, network->arena);
  rgc_compile_options o = {.kind = kind, .batch = batch, .target = target, .memory_bytes = RGC_UNLIMITED};
  const rgc_compilation *c = rgc_compile(network, &o, network->arena, &diags);
  if (!c && diags.count) *why = diags.items[0].message;
  return c ? rgc_memory_bytes(c->memory) : 0;
}

static void add_bytes(int64_t bytes, int width, rgc_text *out) {
  char text[32] = "-";
  if (bytes) snprintf(text, sizeof text, "%.1f MB", (double)bytes * 1e-6);
  rgc_text_printf(out, " %*s", width, text);
}

static bool list(rgc_arena *arena, const char *path, const rgc_survey *o, rgc_text *out, rgc_diagnostics *diags) {
  rgc_network *network = rgc_network_load(arena, path, o->overrides, o->override_count, diags);
  if (!network || !rgc_network_build(network, 1, false, diags)) return false;
  int64_t params = network->params, macs = network->macs;
  const char *why = NULL, *ignored;
  char input[48], work[24];
  snprintf(input, sizeof input, "[%" PRId64 ",%" PRId64 ",%" PRId64 "]", network->channels, network->height, network->width);
  if (macs >= 1000000000) snprintf(work, sizeof work, "%.3fe9", (double)macs * 1e-9);
  else snprintf(work, sizeof work, "%.1fe6", (double)macs * 1e-6);
  rgc_text_printf(out, "%-24s %-15s %12" PRId64 " %10s", network->name, input, params, work);
  add_bytes(program_bytes(network, RGC_PROGRAM_TRAIN, o->batch, o->target, &why), 20, out);
  add_bytes(program_bytes(network, RGC_PROGRAM_INFER, 1, o->target, &ignored), 15, out);
  if (why) rgc_text_printf(out, "  %s", why);
  rgc_text_add(out, "\n");
  return true;
}

bool rgc_survey_line(const char *path, const rgc_survey *options, rgc_text *out, rgc_diagnostics *diags) {
  rgc_arena *arena = rgc_arena_create();
  rgc_diagnostics first;
  rgc_diagnostics_init(&first, arena);
  bool good = list(arena, path, options, out, &first);
  rgc_arena_destroy(arena);
  return good || list(diags->arena, path, options, out, diags); /* once more, for errors that outlive the arena */
}
