/* test_plan_source.c: a network written as text is the same network when it is read back, places of its nodes included; texts
 * that were tampered with are refused. Runs in the source directory. */
#include <criterion/criterion.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>

#include "compiler/lang/lang.h"

typedef struct bench {
  rgc_arena *arena;
  rgc_diagnostics diags;
} bench;

static void open_bench(bench *b) {
  b->arena = rgc_arena_create();
  rgc_diagnostics_init(&b->diags, b->arena);
}

static const char *rendered(bench *b) {
  rgc_text text = {0};
  rgc_diag_render(&b->diags, false, &text);
  return rgc_text_take(&text, b->arena);
}

static const char *graph_text(bench *b, rgc_network *n, bool training) {
  rgc_graph *graph = rgc_network_build(n, 2, training, &b->diags);
  cr_assert(graph, "%s", rendered(b));
  rgc_text text = {0};
  rgc_graph_print(graph, &text);
  return rgc_text_take(&text, b->arena);
}

typedef struct texts {
  const char *source, *line_map;
} texts;

static texts texts_of(bench *b, const rgc_network *n) {
  rgc_text source = {0}, map = {0};
  rgc_network_source(n, &source, &map);
  texts t = {rgc_text_take(&source, b->arena), NULL};
  t.line_map = rgc_text_take(&map, b->arena);
  return t;
}

/* Loads, writes, reads; the second network. */
static rgc_network *back(bench *b, const char *file, const char *const *sets, int count, rgc_network **first) {
  *first = rgc_network_load(b->arena, file, sets, count, &b->diags);
  cr_assert(*first, "%s", rendered(b));
  texts once = texts_of(b, *first);
  rgc_network *again = rgc_network_parse(b->arena, once.source, once.line_map, &b->diags);
  cr_assert(again, "%s: %s\n%s", file, rendered(b), once.source);
  texts twice = texts_of(b, again);
  cr_assert_str_eq(once.source, twice.source);
  cr_assert_str_eq(once.line_map, twice.line_map);
  return again;
}

Test(plan_source, every_graph_file_comes_back, .timeout = 240) {
  glob_t files;
  cr_assert(glob("graphs/*.yaml", 0, NULL, &files) == 0);
  for (size_t i = 0; i < files.gl_pathc; i++) {
    bench b;
    open_bench(&b);
    rgc_network *first, *again = back(&b, files.gl_pathv[i], NULL, 0, &first);
    cr_assert_str_eq(first->name, again->name);
    cr_assert_str_eq(first->file, again->file);
    cr_assert_str_eq(graph_text(&b, first, false), graph_text(&b, again, false));
    if (!strstr(files.gl_pathv[i], "twohead"))
      cr_assert_str_eq(graph_text(&b, first, true), graph_text(&b, again, true));
    rgc_arena_destroy(b.arena);
  }
  globfree(&files);
}

/* What is wrong is said in the same words, at the same place, with the same line shown. */
Test(plan_source, a_mistake_is_reported_where_the_user_made_it) {
  glob_t files;
  cr_assert(glob("tests/golden/diag/*.yaml", 0, NULL, &files) == 0);
  int compared = 0;
  for (size_t i = 0; i < files.gl_pathc; i++) {
    bench a, b;
    open_bench(&a);
    open_bench(&b);
    rgc_network *first = rgc_network_load(a.arena, files.gl_pathv[i], NULL, 0, &a.diags);
    if (first && !rgc_network_build(first, 2, true, &a.diags)) {
      texts t = texts_of(&a, first);
      rgc_network *again = rgc_network_parse(b.arena, t.source, t.line_map, &b.diags);
      cr_assert(again, "%s: %s", files.gl_pathv[i], rendered(&b));
      rgc_network_build(again, 2, true, &b.diags);
      cr_assert_str_eq(rendered(&a), rendered(&b));
      compared++;
    }
    rgc_arena_destroy(a.arena);
    rgc_arena_destroy(b.arena);
  }
  cr_assert(compared >= 3, "only %d", compared);
  globfree(&files);
}

Test(plan_source, overrides_and_odd_scalars_come_back) {
  const char *const sets[] = {"name=\"a \\\"b\\\" \\u2028 \\t \u00e9: #x\"", "classes=[a b, \"1\", 'c: d', -5, \"\", ~x]"};
  bench b;
  open_bench(&b);
  rgc_network *first = rgc_network_load(b.arena, "graphs/plain20.yaml", sets, 2, &b.diags);
  cr_assert(first, "%s", rendered(&b));
  texts t = texts_of(&b, first);
  rgc_network *again = rgc_network_parse(b.arena, t.source, t.line_map, &b.diags);
  cr_assert(again, "%s", rendered(&b));
  cr_assert_str_eq(again->name, first->name);
  for (int i = 0; i < first->classes[0].count; i++) {
    cr_assert_str_eq(again->classes[0].names[i], first->classes[0].names[i]);
    const rgc_yaml *x = rgc_yaml_get(first->root, "classes")->items[i], *y = rgc_yaml_get(again->root, "classes")->items[i];
    cr_assert(x->quoted == y->quoted && x->line == y->line && x->column == y->column);
    cr_assert_str_eq(x->source->file, y->source->file);
  }
  rgc_arena_destroy(b.arena);
}

Test(plan_source, broken_line_maps_are_refused) {
  bench b;
  open_bench(&b);
  rgc_network *first;
  back(&b, "graphs/plain20.yaml", NULL, 0, &first);
  texts t = texts_of(&b, first);
  const char *const extra[] = {"at 0 1 1\n", "at 99 1 1\n", "at 0 1\n", "at 0 99999999999 1\n", "at 0 1 1 1\n", "network x\n", "?\n", "\n",
                               "at -1 1 1\n", "text 0 4000000000 x\n", "text 0 1 x\n", "at 0 1 1"};
  for (size_t i = 0; i < sizeof extra / sizeof *extra; i++) {
    const char *map = rgc_arena_printf(b.arena, "%s%s", t.line_map, extra[i]);
    cr_assert_null(rgc_network_parse(b.arena, t.source, map, &b.diags), "%s", extra[i]);
  }
  size_t length = strlen(t.line_map);
  for (size_t cut = 0; cut < length; cut += 7)
    cr_assert_null(rgc_network_parse(b.arena, t.source, rgc_arena_strndup(b.arena, t.line_map, cut), &b.diags));
  cr_assert_null(rgc_network_parse(b.arena, "", t.line_map, &b.diags));
  cr_assert_null(rgc_network_parse(b.arena, "- x\n", "network x\nfile y\nat 0 1 1\nat 0 1 3\n", &b.diags));
  rgc_arena_destroy(b.arena);
}
