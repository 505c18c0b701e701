/* api_passes.c: rgc.h's look at the compiler's passes. */
#include <string.h>

#include "compiler/pipeline.h"
#include "runtime/device/target_code.h"
#include "runtime/rgc.h"

typedef struct watching {
  const rgc_watch_options *options;
  rgc_text_function *text;
  void *context;
} watching;

bool rgc_pass_tell(int index, const char **name, const char **about) {
  for (int i = 0; index >= 0 && rgc_passes[i].name; i++)
    if (i == index) return *name = rgc_passes[i].name, *about = rgc_passes[i].about, true;
  return false;
}

static bool wants_dump(const rgc_watch_options *o, const char *pass) {
  for (int i = 0; i < o->dump_count; i++)
    if (!strcmp(o->dump_after[i], pass) || !strcmp(o->dump_after[i], "all")) return true;
  return false;
}

static bool watch(void *context, const rgc_pass *pass, const rgc_compilation *c, double seconds) {
  const watching *w = context;
  rgc_text text = {0};
  if (w->options->time)
    rgc_text_printf(&text, "%-6s %-14s %9.3f ms  %6d ops\n", rgc_program_word(c->kind), pass->name, 1e3 * seconds, c->graph->op_count);
  if (wants_dump(w->options, pass->name)) {
    rgc_text_printf(&text, "# after %s\n", pass->name);
    rgc_graph_print(c->graph, &text);
  }
  if (text.length) w->text(w->context, text.chars);
  rgc_text_free(&text);
  return !w->options->stop_after || strcmp(w->options->stop_after, pass->name);
}

static bool check_name(const char *name, rgc_diagnostics *diags) {
  for (const rgc_pass *pass = rgc_passes; pass->name; pass++)
    if (!strcmp(pass->name, name)) return true;
  return !strcmp(name, "all") || rgc_diag_fail(diags, RGC_CODE_USAGE, NULL, "rgc compile --list-passes", "'%s' is no pass", name);
}

bool rgc_network_watch(rgc_network *network, const rgc_watch_options *options, rgc_text_function *text, void *context, rgc_diagnostics *diags) {
  const rgc_target *target = rgc_target_choose(options->target, diags);
  if (!target) return false;
  for (int i = 0; i < options->dump_count; i++)
    if (!check_name(options->dump_after[i], diags)) return false;
  if (options->stop_after && !check_name(options->stop_after, diags)) return false;
  watching w = {.options = options, .text = text, .context = context};
  rgc_compile_options o = {.kind = options->infer ? RGC_PROGRAM_INFER : RGC_PROGRAM_TRAIN, .target = target, .observer = watch,
                           .batch = options->batch ? options->batch : network->train.batch, .context = &w};
  rgc_arena *scratch = rgc_arena_create();
  bool good = rgc_compile(network, &o, scratch, diags) != NULL;
  rgc_arena_destroy(scratch);
  return good;
}
