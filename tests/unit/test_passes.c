/* test_passes.c: each pass alone, on small graphs, against golden texts (tests/golden/passes/PASS/NAME.in.ir, NAME.out.ir).
 * RGC_UPDATE_GOLDEN=1 rewrites the outputs: read them before you commit. Inputs may begin with lines of '#' that say what to see. */
#include <criterion/criterion.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/golden_pass.h"

static const char *rendered(golden_pass *g) {
  rgc_text text = {0};
  rgc_diag_render(&g->diags, false, &text);
  return rgc_text_take(&text, g->arena);
}

/* The text parses, verifies, and is what the printer prints of it. */
static void check_canonical(golden_pass *g, const char *path) {
  const char *text = golden_read(g->arena, path);
  cr_assert(text, "%s is missing", path);
  while (*text == '#') text += strcspn(text, "\n") + 1;
  text = strstr(text, "graph \""); /* behind the places of a program */
  rgc_graph *graph = rgc_graph_parse(g->arena, text, path, &g->diags);
  cr_assert(graph && rgc_graph_verify(graph, &g->diags), "%s", rendered(g));
  rgc_text printed = {0};
  rgc_graph_print(graph, &printed);
  cr_expect_str_eq(rgc_text_chars(&printed), text, "%s is not as a graph is printed", path);
  rgc_text_free(&printed);
}

static void write_text(const char *path, const char *text) {
  FILE *f = fopen(path, "w");
  cr_assert(f, "%s", path);
  fputs(text, f);
  fclose(f);
}

static void check_case(const char *in) {
  golden_pass g = golden_pass_open(rgc_arena_create(), in);
  if (!g.is_network) check_canonical(&g, in);
  rgc_compilation *c = golden_pass_run(&g);
  cr_assert(c, "%s: %s", in, rendered(&g));
  const char *text = golden_pass_text(&g, c);
  if (getenv("RGC_UPDATE_GOLDEN")) write_text(g.out, text);
  const char *wanted = golden_read(g.arena, g.out);
  cr_expect(wanted && !strcmp(text, wanted), "%s gives another text than %s:\n%s", in, g.out, text);
  check_canonical(&g, g.out);
  rgc_arena_destroy(g.arena);
}

/* How many pairs there are. */
static size_t check_pass(const char *pass) {
  char pattern[256];
  glob_t files;
  snprintf(pattern, sizeof pattern, "tests/golden/passes/%s/*.in.*", pass);
  if (glob(pattern, 0, NULL, &files)) return 0;
  for (size_t i = 0; i < files.gl_pathc; i++) check_case(files.gl_pathv[i]);
  size_t count = files.gl_pathc;
  globfree(&files);
  return count;
}

Test(passes, golden_graphs, .timeout = 120) {
  for (const rgc_pass *pass = rgc_passes; pass->name; pass++)
    cr_expect_geq(check_pass(pass->name), 2u, "pass %s has fewer than two pairs in tests/golden/passes", pass->name);
}

Test(passes, of_other_names_are_refused) {
  rgc_arena *arena = rgc_arena_create();
  rgc_diagnostics diags;
  rgc_diagnostics_init(&diags, arena);
  rgc_compilation c = {.arena = arena, .graph = rgc_graph_create(arena, "none", 1)};
  cr_expect_not(rgc_run_pass("fusse", &c, &diags));
  cr_expect_not(rgc_run_pass("expand", &c, &diags));
  rgc_text text = {0};
  rgc_diag_render(&diags, false, &text);
  cr_expect_str_eq(rgc_text_chars(&text), "error[usage]: 'fusse' is no pass\n  help: did you mean 'fuse'?\n"
                                          "error[usage]: pass 'expand' needs a graph file, not a graph's text\n");
  rgc_text_free(&text);
  rgc_arena_destroy(arena);
}

/* docs/PASSES.md: a section a pass, in order; lines between ``` stand, in their order, in the golden file named before them. */

static const char *next_line(rgc_arena *arena, const char **at) {
  if (!**at) return NULL;
  size_t length = strcspn(*at, "\n");
  const char *line = rgc_arena_strndup(arena, *at, length);
  *at += length + ((*at)[length] == '\n');
  return line;
}

static void check_quotes(rgc_arena *arena, const char *text) {
  const char *line, *file = "", *rest = NULL; /* rest: of the file, while quoting */
  int quoted = 0;
  while ((line = next_line(arena, &text))) {
    if (*line == '`' && line[1] != '`' && (strstr(line, ".in.") || strstr(line, ".out.")))
      file = rgc_arena_printf(arena, "tests/golden/passes/%.*s", (int)strcspn(line + 1, "`"), line + 1);
    if (!strncmp(line, "```", 3)) {
      rest = rest ? NULL : golden_read(arena, file);
      quoted += rest != NULL;
      continue;
    }
    if (!rest) continue;
    const char *own;
    while ((own = next_line(arena, &rest)) && strcmp(own, line)) continue;
    cr_assert(own, "docs/PASSES.md quotes of %s what is not there (or not in this order):\n%s", file, line);
  }
  cr_expect_geq(quoted, 11);
}

Test(passes, have_a_section_each) {
  rgc_arena *arena = rgc_arena_create();
  const char *text = golden_read(arena, "docs/PASSES.md"), *at = text;
  cr_assert(text);
  for (const rgc_pass *pass = rgc_passes; pass->name; pass++) {
    at = strstr(at, rgc_arena_printf(arena, "\n## `%s`\n", pass->name));
    cr_assert(at, "docs/PASSES.md lacks a section of pass %s, or has it out of order", pass->name);
  }
  check_quotes(arena, text);
  rgc_arena_destroy(arena);
}
