/* golden_pass.c: see golden_pass.h. */
#include "tests/unit/golden_pass.h"

#include <stdio.h>
#include <string.h>

#include "compiler/plan/plan_text.h"

const rgc_target golden_target = {.name = "golden", .panel_lanes = 8, .min_panel_lanes = 4, .block = 4, .tile_pixels = 32,
                                  .tile_floats = 1 << 12, .map_tile_floats = 1 << 8, .operations_per_byte = 8, .min_tiles = 2, .side_stores = true, .max_streams = 3,
                                  .max_weight_streams = 0, .max_operands = 24, .max_outputs = 12, .max_partials = 4};

static rgc_program_kind kind_of(const char *name) {
  for (int k = 0; k < RGC_PROGRAM_KIND_COUNT; k++) {
    const char *word = rgc_program_word((rgc_program_kind)k);
    if (!strncmp(name, word, strlen(word)) && name[strlen(word)] == '_') return (rgc_program_kind)k;
  }
  return RGC_PROGRAM_TRAIN;
}

golden_pass golden_pass_open(rgc_arena *arena, const char *in) {
  golden_pass g = {.arena = arena, .in = in, .is_network = strstr(in, ".in.yaml") != NULL};
  const char *name = strrchr(in, '/') + 1, *folder = name - 2;
  while (folder[-1] != '/') folder--;
  rgc_diagnostics_init(&g.diags, arena);
  g.pass = rgc_arena_strndup(arena, folder, (size_t)(name - 1 - folder));
  g.out = rgc_arena_printf(arena, "%.*s.out.ir", (int)(strstr(in, ".in.") - in), in);
  g.kind = kind_of(name);
  return g;
}

char *golden_read(rgc_arena *arena, const char *path) {
  FILE *f = fopen(path, "r");
  if (!f) return NULL;
  fseek(f, 0, SEEK_END);
  size_t size = (size_t)ftell(f);
  rewind(f);
  char *text = rgc_arena_alloc(arena, size + 1);
  text[fread(text, 1, size, f)] = 0;
  fclose(f);
  return text;
}

/* Passes that need a network run in their pipeline, which stops behind them. */
static bool stop_behind(void *pass, const rgc_pass *ran, const rgc_compilation *c, double seconds) {
  (void)c, (void)seconds;
  return strcmp(ran->name, pass) != 0;
}

rgc_compilation *golden_pass_run(golden_pass *g) {
  if (g->is_network) {
    rgc_network *network = rgc_network_load(g->arena, g->in, NULL, 0, &g->diags);
    rgc_compile_options o = {.kind = g->kind, .batch = 2, .target = &golden_target, .observer = stop_behind, .context = (void *)g->pass};
    return network ? rgc_compile(network, &o, g->arena, &g->diags) : NULL;
  }
  rgc_compilation *c = RGC_NEW(g->arena, rgc_compilation);
  *c = (rgc_compilation){.arena = g->arena, .kind = g->kind, .parts = 1, .target = &golden_target};
  c->graph = rgc_graph_parse(g->arena, golden_read(g->arena, g->in), g->in, &g->diags);
  if (c->graph && !strcmp(g->pass, "recompute")) c->memory_bytes = 1; /* as little as can be */
  if (!strcmp(g->pass, "precision")) c->precision = RGC_PRECISION_BF16;
  if (!c->graph || !rgc_graph_verify(c->graph, &g->diags)) return NULL;
  c->batch = c->graph->batch;
  return rgc_run_pass(g->pass, c, &g->diags) ? c : NULL;
}

char *golden_pass_text(golden_pass *g, rgc_compilation *c) {
  rgc_text text = {0};
  rgc_program program = {.kind = g->kind, .target = golden_target.name, .precision = "fp32", .batch = c->batch, .parts = c->parts, .graph = c->graph,
                         .memory = c->memory, .ledger = ""};
  if (c->memory) rgc_program_print(&program, &text);
  else rgc_graph_print(c->graph, &text);
  return rgc_text_take(&text, g->arena);
}
