/* test_graph.c: the text of a graph leads back to the same text; the verifier accepts a right graph and names what is wrong
 * with a broken one. */
#include <criterion/criterion.h>
#include <string.h>

#include "compiler/graph/kernel.h"
#include "tests/unit/arena_fixture.h"

static const char whole[] =
    "graph \"tiny \\\"net\\\"\" batch 2\n"
    "value %x f32 input [2,8,8,4]\n"
    "value %w f32 param [6,3,3,2] torch_rank=4 init=normal(0.1)\n"
    "value %m f32 state [6,3,3,2]\n"
    "value %b f32 param [1,1,1,6] torch_rank=1 init=uniform(0.3333333333333333)\n"
    "value %label i32 label [2,1,1,1]\n"
    "value %y f32 temp [2,4,4,6]\n"
    "value %pooled f32 temp [2,2,2,6]\n"
    "value %tap u8 temp [2,2,2,6]\n"
    "value %mean f32 temp [2,1,1,6]\n"
    "value %z f32 output [2,4,4,6]\n"
    "value %loss f32 output [1,1,1,1]\n"
    "value %correct f32 output [1,1,1,1]\n"
    "value %probs f32 temp [2,1,1,6]\n"
    "value %packed f32 temp [6,3,3,2] layout=panel(2,8,2)\n"
    "value %m.next f32 temp [6,3,3,2] updates=%m\n"
    "%y = conv(%x, %w, %b) stride=2 pad=1 groups=2 layer=\"conv1\" line=7\n"
    "%pooled, %tap = maxpool(%y) stride=2 kernel=2\n"
    "%mean = reduce(%y) axes=6 by=1 layer=\"pool\" word=\"global_avgpool\"\n"
    "%z = map layer=\"relu\" word=\"relu\" backward {\n"
    "  operand %y\n"
    "  operand %pooled [n,h*-1+3/2,w-1,c] fill=-inf\n"
    "  operand %b [n*0,h*0,w*0,c]\n"
    "  n0 = load 0\n"
    "  n1 = const 0.1\n"
    "  n2 = max n0 n1\n"
    "  n3 = load 1\n"
    "  n4 = load 2\n"
    "  n5 = fma n2 n3 n4\n"
    "  n6 = random 3 axes=1\n"
    "  n7 = coord 2\n"
    "  n8 = scalar n_valid\n"
    "  n9 = lt n7 n8\n"
    "  n10 = select n9 n5 n6\n"
    "  n11 = const -0\n"
    "  return n10\n"
    "}\n"
    "%loss, %correct, %probs = xent(%mean, %label) smoothing=0.1\n"
    "%packed = map {\n"
    "  operand %w\n"
    "  n0 = load 0\n"
    "  return n0\n"
    "}\n"
    "%m.next = map {\n"
    "  operand %m\n"
    "  n0 = load 0\n"
    "  n1 = scalar lr\n"
    "  n2 = mul n0 n1\n"
    "  return n2\n"
    "}\n";

static const char kernels[] =
    "graph \"k\" batch 2\n"
    "value %x f32 input [2,8,8,4]\n"
    "value %w f32 param [6,3,3,4] layout=panel(1,8,4) torch_rank=4\n"
    "value %y f32 temp [2,8,8,6]\n"
    "value %p f32 temp [1,3,1,6]\n"
    "value %q f32 output [2,4,4,6]\n"
    "%y, %p = kernel(%x, %w) layer=\"conv1\" {\n"
    "  contract pixels\n"
    "  extent [2,8,8,6]\n"
    "  a_extent [2,8,8,4]\n"
    "  b_extent [0,0,0,0]\n"
    "  geometry 3,3,1,1,1,1,0\n"
    "  reduce_axes 0\n"
    "  tap_operand 0\n"
    "  tiles 0,0\n"
    "  weight %w\n"
    "  stage a\n"
    "  operand %x\n"
    "  n0 = load 0\n"
    "  stage epi\n"
    "  n0 = acc 0\n"
    "  root a n0 fill=0\n"
    "  acc sum\n"
    "  store point %y n0\n"
    "  store moments %p n0\n"
    "}\n"
    "%q = kernel(%y) {\n"
    "  window pixels\n"
    "  extent [2,4,4,6]\n"
    "  a_extent [2,8,8,6]\n"
    "  b_extent [0,0,0,0]\n"
    "  geometry 2,2,2,0,1,1,0\n"
    "  reduce_axes 0\n"
    "  tap_operand 0\n"
    "  tiles 4,1\n"
    "  stage a\n"
    "  operand %y\n"
    "  n0 = load 0\n"
    "  stage tap\n"
    "  n0 = gather 0\n"
    "  stage epi\n"
    "  n0 = acc 0\n"
    "  root a n0 fill=-inf\n"
    "  acc max n0\n"
    "  store point %q n0\n"
    "}\n";

static rgc_graph *parse(fixture *f, const char *text) {
  rgc_graph *graph = rgc_graph_parse(f->arena, text, "test.ir", &f->diags);
  if (!graph)
    for (int i = 0; i < f->diags.count; i++) cr_log_info("%d: %s", f->diags.items[i].at.line, f->diags.items[i].message);
  return graph;
}

static const char *printed(fixture *f, const rgc_graph *graph) {
  rgc_text text = {0};
  rgc_graph_print(graph, &text);
  return rgc_text_take(&text, f->arena);
}

Test(graph, text_leads_back_to_the_same_text) {
  fixture f = setup();
  rgc_graph *graph = parse(&f, whole);
  cr_assert(graph);
  cr_assert_str_eq(printed(&f, graph), whole);
  rgc_arena_destroy(f.arena);
}

Test(graph, kernels_have_a_text_too) {
  fixture f = setup();
  rgc_graph *graph = parse(&f, kernels);
  cr_assert(graph);
  cr_assert(rgc_graph_verify(graph, &f.diags), "%s", f.diags.count ? f.diags.items[0].message : "");
  cr_assert_str_eq(printed(&f, rgc_graph_clone(graph, f.arena)), kernels);
  graph->ops[1].kernel->tap_roots[0] = 5;
  graph->ops[0].kernel->weight = 2;
  cr_assert(!rgc_graph_verify(graph, &f.diags));
  cr_assert_eq(f.diags.error_count, 2);
  for (size_t length = 0; length < sizeof kernels; length++)
    rgc_graph_parse(f.arena, rgc_arena_strndup(f.arena, kernels, length), NULL, &f.diags);
  rgc_arena_destroy(f.arena);
}

Test(graph, a_clone_is_equal_and_outlives_its_origin) {
  fixture f = setup(), first = setup();
  rgc_graph *copy = rgc_graph_clone(parse(&first, whole), f.arena);
  rgc_arena_destroy(first.arena);
  cr_assert_str_eq(printed(&f, copy), whole);
  cr_assert(rgc_graph_verify(copy, &f.diags));
  rgc_arena_destroy(f.arena);
}

Test(graph, the_verifier_accepts_a_right_graph) {
  fixture f = setup();
  rgc_graph *graph = parse(&f, whole);
  bool ok = rgc_graph_verify(graph, &f.diags);
  cr_assert(ok, "%s", f.diags.count ? f.diags.items[0].message : "");
  rgc_arena_destroy(f.arena);
}

/* `whole` with the first `from` replaced. */
static const char *edited(fixture *f, const char *from, const char *to) {
  const char *at = strstr(whole, from);
  cr_assert(at, "%s", from);
  return rgc_arena_printf(f->arena, "%.*s%s%s", (int)(at - whole), whole, to, at + strlen(from));
}

static bool reported(const fixture *f, const char *message, int *line) {
  for (int i = 0; i < f->diags.count; i++)
    if (strstr(f->diags.items[i].message, message)) {
      if (line) *line = f->diags.items[i].at.line;
      return true;
    }
  return false;
}

static void expect_invalid(const char *from, const char *to, const char *message) {
  fixture f = setup();
  rgc_graph *graph = parse(&f, edited(&f, from, to));
  cr_assert(graph, "%s", from);
  cr_expect(!rgc_graph_verify(graph, &f.diags), "%s -> %s is accepted", from, to);
  for (int i = 0; i < f.diags.count; i++) cr_expect_eq(f.diags.items[i].code, RGC_CODE_IR_INVALID);
  cr_expect(reported(&f, message, NULL), "%s -> %s: no '%s', but %s", from, to, message,
            f.diags.count ? f.diags.items[0].message : "nothing");
  rgc_arena_destroy(f.arena);
}

Test(graph, the_verifier_names_broken_rules) {
  expect_invalid("temp [2,4,4,6]", "temp [2,4,5,6]", "%y is [2,4,5,6], and must be [2,4,4,6]");
  expect_invalid("groups=2", "groups=1", "channels");
  expect_invalid("stride=2", "stride=0", "stride is 0");
  expect_invalid("stride=2", "eps=2", "has no attribute eps");
  expect_invalid("u8 temp", "f32 temp", "must be u8 or i32");
  expect_invalid("i32 label", "f32 label", "wrong type");
  expect_invalid("by=1", "by=3", "by is 3");
  expect_invalid("batch 2", "batch 0", "batch 0");
  expect_invalid("input [2,8,8,4]", "input [2,8,0,4]", "extent 0 on axis w");
  expect_invalid("coord 2", "coord 4", "coord 4 is not there");
  expect_invalid("n4 = load 2", "n4 = load 3", "load 3 is not there");
  expect_invalid("n7 = coord 2", "n7 = acc 0", "acc cannot stand here");
  expect_invalid("n7 = coord 2", "n7 = tap", "tap cannot stand here");
  expect_invalid("conv(%x,", "conv(%z,", "reads %z before it is computed");
  expect_invalid("updates=%m", "updates=%y", "no stored state");
  expect_invalid("updates=%m", "updates=%b", "shape or layout differ");
  expect_invalid("%mean = reduce(%y) axes=6 by=1 layer=\"pool\" word=\"global_avgpool\"\n", "",
                 "reads %mean, which no op computes");
  expect_invalid("conv(%x, %w, %b)", "conv(%x)", "1 inputs");
}

Test(graph, the_verifier_refuses_a_read_after_an_update) {
  fixture f = setup();
  const char *text = rgc_arena_printf(f.arena, "%s%%late = map {\n  operand %%m\n  n0 = load 0\n  return n0\n}\n",
                                      edited(&f, "value %m.next", "value %late f32 temp [6,3,3,2]\nvalue %m.next"));
  rgc_graph *graph = parse(&f, text);
  cr_assert(graph);
  cr_assert(!rgc_graph_verify(graph, &f.diags));
  cr_assert(reported(&f, "reads %m after it was updated", NULL));
  rgc_arena_destroy(f.arena);
}

Test(graph, the_verifier_refuses_ids_that_name_nothing) {
  fixture f = setup();
  rgc_graph *graph = parse(&f, whole);
  graph->ops[0].inputs[0] = 99;
  graph->ops[1].outputs[0] = -3;
  graph->values[3].updates = 1000;
  cr_assert(!rgc_graph_verify(graph, &f.diags));
  cr_assert(reported(&f, "reads value 99", NULL));
  cr_assert(reported(&f, "computes value -3", NULL));
  cr_assert(strstr(printed(&f, graph), "%?99"));
  rgc_arena_destroy(f.arena);
}

static void expect_syntax(const char *from, const char *to, const char *message, int line) {
  fixture f = setup();
  int got = 0;
  cr_expect(!rgc_graph_parse(f.arena, edited(&f, from, to), "test.ir", &f.diags), "%s is accepted", to);
  cr_expect(reported(&f, message, &got), "%s: no '%s', but %s", to, message,
            f.diags.count ? f.diags.items[0].message : "nothing");
  cr_expect_eq(got, line, "%s: line %d", to, got);
  for (int k = 0; k < f.diags.count; k++) cr_expect_eq(f.diags.items[k].code, RGC_CODE_IR_SYNTAX);
  rgc_arena_destroy(f.arena);
}

Test(graph, the_parser_names_the_line) {
  expect_syntax("batch 2", "batch two", "an integer is missing", 1);
  expect_syntax("f32 input", "f64 input", "'f64' is no type", 2);
  expect_syntax("[2,8,8,4]", "[2,8,8]", "',' is missing", 2);
  expect_syntax("value %m f32", "value %w f32", "%w already", 4);
  expect_syntax("conv(", "kernel(", "a kernel needs a body", 17);
  expect_syntax("%y = conv", "%why = conv", "no value %why", 17);
  expect_syntax("stride=2", "strode=2", "'strode' is no attribute", 17);
  expect_syntax("n2 = max n0 n1", "n2 = max n0 n2", "an integer from 0 to 1", 26);
  expect_syntax("n2 = max", "n3 = max", "the next node is n2", 26);
  expect_syntax("n1 = const 0.1", "n1 = count 0.1", "'count' is no kind", 25);
  expect_syntax("  return n10\n", "", "returns nothing", 36);
  expect_syntax("updates=%m", "updates=%q", "no value %q", 16);
  expect_syntax("  n2 = mul n0 n1\n  return n2\n}\n", "", "'}' is missing", 48);
}

Test(graph, the_parser_reports_every_bad_line_and_survives_truncation) {
  fixture f = setup();
  cr_assert(!rgc_graph_parse(f.arena, "graph \"a\" batch 1\nfoo\nbar\n%x = map {\n  baz\n}\n", NULL, &f.diags));
  cr_assert_eq(f.diags.error_count, 4);
  cr_assert(!rgc_graph_parse(f.arena, "", NULL, &f.diags));
  for (size_t length = 0; length < sizeof whole; length++)
    rgc_graph_parse(f.arena, rgc_arena_strndup(f.arena, whole, length), NULL, &f.diags);
  rgc_arena_destroy(f.arena);
}

Test(graph, numbers_keep_their_bits) {
  static const double numbers[] = {0.1, 1.0 / 3, 1e300, 4.9e-324, -0.0, 1e-5, 123456789.125, 0x1.fffffffffffffp-1};
  fixture f = setup();
  rgc_graph *graph = rgc_graph_create(f.arena, "numbers", 1);
  const int64_t shape[4] = {1, 1, 1, 1};
  for (int i = 0; i < 8; i++) {
    int id = rgc_graph_value(graph, rgc_arena_printf(f.arena, "v%d", i), RGC_F32, RGC_ROLE_PARAM, shape);
    graph->values[id].init.number = numbers[i];
  }
  rgc_graph *back = parse(&f, printed(&f, graph));
  cr_assert(back);
  for (int i = 0; i < 8; i++) cr_assert(!memcmp(&back->values[i].init.number, &numbers[i], sizeof numbers[i]));
  rgc_arena_destroy(f.arena);
}

Test(graph, temporaries_get_names_of_their_own) {
  fixture f = setup();
  rgc_graph *graph = rgc_graph_create(f.arena, "names", 1);
  const int64_t shape[4] = {1, 1, 1, 1};
  rgc_graph_value(graph, "y", RGC_F32, RGC_ROLE_TEMP, shape);
  rgc_graph_value(graph, "y", RGC_F32, RGC_ROLE_TEMP, shape);
  int third = rgc_graph_value(graph, "y", RGC_F32, RGC_ROLE_TEMP, shape);
  cr_assert_str_eq(graph->values[third].name, "y.3");
  cr_assert_eq(rgc_graph_find(graph, "y.2"), 1);
  cr_assert_eq(rgc_graph_find(graph, "z"), -1);
  rgc_arena_destroy(f.arena);
}

Test(graph, thousands_of_temporaries_may_share_a_name, .timeout = 20) {
  fixture f = setup();
  rgc_graph *graph = rgc_graph_create(f.arena, "names", 1);
  const int64_t shape[4] = {1, 1, 1, 1};
  for (int i = 0; i < 30000; i++) rgc_graph_value(graph, "y", RGC_F32, RGC_ROLE_TEMP, shape);
  cr_assert_eq(rgc_graph_find(graph, "y.30000"), 29999);
  rgc_arena_destroy(f.arena);
}

Test(graph, values_are_found_by_their_last_name) {
  fixture f = setup();
  rgc_graph *graph = rgc_graph_create(f.arena, "names", 1);
  const int64_t shape[4] = {1, 1, 1, 1};
  for (int i = 0; i < 1000; i++) rgc_graph_value(graph, rgc_arena_printf(f.arena, "v%d", i), RGC_F32, RGC_ROLE_PARAM, shape);
  for (int i = 0; i < 1000; i += 3) rgc_graph_rename(graph, i, rgc_arena_printf(f.arena, "w%d", i));
  graph = rgc_graph_clone(graph, f.arena);
  for (int i = 0; i < 1000; i++) {
    cr_assert_eq(rgc_graph_find(graph, rgc_arena_printf(f.arena, "v%d", i)), i % 3 ? i : -1);
    cr_assert_eq(rgc_graph_find(graph, rgc_arena_printf(f.arena, "w%d", i)), i % 3 ? -1 : i);
  }
  rgc_arena_destroy(f.arena);
}

Test(graph, a_shape_fits_or_not) {
  cr_assert(rgc_shape_fits((int64_t[]){1, 1, 1, RGC_MAX_ELEMS}));
  cr_assert(!rgc_shape_fits((int64_t[]){2, 1, 1, RGC_MAX_ELEMS}));
  cr_assert(!rgc_shape_fits((int64_t[]){1, 0, 1, 1}));
  cr_assert(!rgc_shape_fits((int64_t[]){INT64_MAX, INT64_MAX, 1, 1}));
}

Test(graph, window_extents_are_those_of_pytorch) {
  cr_assert_eq(rgc_window_extent(224, 7, 2, 3, 1, false), 112);
  cr_assert_eq(rgc_window_extent(112, 3, 2, 1, 1, false), 56);
  cr_assert_eq(rgc_window_extent(7, 2, 2, 0, 1, false), 3);
  cr_assert_eq(rgc_window_extent(7, 2, 2, 0, 1, true), 4);
  cr_assert_eq(rgc_window_extent(2, 1, 3, 1, 1, true), 1); /* the second window would begin at 3 = in + pad */
  cr_assert_eq(rgc_window_extent(56, 3, 1, 2, 2, false), 56);
  cr_assert_eq(rgc_window_extent(2, 5, 1, 0, 1, false), 0);
}
