/* test_plan_kernel.c: each rule of compiler/graph/verify_kernel.c, broken once in a graph that is otherwise right. */
#include <criterion/criterion.h>
#include <string.h>

#include "compiler/graph/kernel.h"

#define GRAPH "graph \"k\" batch 2\n"
#define NONE "  a_extent [0,0,0,0]\n  b_extent [0,0,0,0]\n"
#define MAP_FIELDS "  geometry 0,0,0,0,0,0,0\n  reduce_axes 0\n  tap_operand 0\n"

/* A map that stores, and takes moments of tiles of 3 rows. */
static const char map[] = GRAPH
    "value %x f32 input [2,8,8,4]\n"
    "value %y f32 output [2,8,8,4]\n"
    "value %p f32 output [6,3,1,4]\n"
    "value %q f32 output [6,1,1,4]\n"
    "%y, %p, %q = kernel(%x) layer=\"conv1\" {\n"
    "  map pixels\n  extent [2,8,8,4]\n" NONE MAP_FIELDS
    "  tiles 3,0\n"
    "  stage epi\n"
    "  operand %x [n,h*2-1,w,c/2]\n"
    "  n0 = load 0\n"
    "  store point %y n0\n"
    "  store moments %p n0\n"
    "  store sum %q n0\n"
    "}\n";

/* A weight packed for two groups, and the contract that reads it. */
static const char contract[] = GRAPH
    "value %x f32 input [2,8,8,4]\n"
    "value %w f32 param [6,3,3,2] torch_rank=4\n"
    "value %p f32 temp [6,3,3,2] layout=panel(2,8,2)\n"
    "value %y f32 output [2,4,4,6]\n"
    "value %s f32 output [2,8,8,4]\n"
    "%p = kernel(%w) {\n"
    "  map pixels\n  extent [6,3,3,2]\n" NONE MAP_FIELDS
    "  tiles 0,0\n  stage epi\n  operand %w\n  n0 = load 0\n  store point %p n0\n"
    "}\n"
    "%y, %s = kernel(%x, %p) layer=\"conv1\" {\n"
    "  contract pixels\n"
    "  extent [2,4,4,6]\n"
    "  a_extent [2,8,8,4]\n"
    "  b_extent [0,0,0,0]\n"
    "  geometry 3,3,2,1,1,2,0\n"
    "  reduce_axes 0\n  tap_operand 0\n  tiles 0,0\n"
    "  weight %p\n"
    "  stage a\n  operand %x\n  n0 = load 0\n"
    "  stage epi\n  n0 = acc 0\n"
    "  root a n0 fill=0\n"
    "  acc sum\n"
    "  store point %y n0\n"
    "  store side %s n0\n"
    "}\n";

/* Data gradients: one with the weight as it lies, one with it packed. */
static const char data_gradient[] = GRAPH
    "value %dy f32 input [2,4,4,6]\n"
    "value %w f32 param [6,3,3,2] torch_rank=4\n"
    "value %p f32 param [2,3,3,6] layout=panel_t(2,8,3)\n"
    "value %dx f32 output [2,8,8,4]\n"
    "value %dz f32 output [2,8,8,4]\n"
    "%dx = kernel(%dy, %w) {\n"
    "  contract pixels\n  extent [2,8,8,4]\n  a_extent [2,4,4,6]\n  b_extent [0,0,0,0]\n"
    "  geometry 3,3,2,1,1,2,1\n"
    "  reduce_axes 0\n  tap_operand 0\n  tiles 0,0\n"
    "  weight %w\n"
    "  stage a\n  operand %dy\n  n0 = load 0\n  stage epi\n  n0 = acc 0\n  root a n0 fill=0\n  acc sum\n  store point %dx n0\n"
    "}\n"
    "%dz = kernel(%dy, %p) {\n"
    "  contract pixels\n  extent [2,8,8,4]\n  a_extent [2,4,4,6]\n  b_extent [0,0,0,0]\n"
    "  geometry 3,3,2,1,1,2,1\n"
    "  reduce_axes 0\n  tap_operand 0\n  tiles 0,0\n"
    "  weight %p\n"
    "  stage a\n  operand %dy\n  n0 = load 0\n  stage epi\n  n0 = acc 0\n  root a n0 fill=0\n  acc sum\n  store point %dz n0\n"
    "}\n";

static const char weight_gradient[] = GRAPH
    "value %x f32 input [2,8,8,4]\n"
    "value %dy f32 input [2,4,4,6]\n"
    "value %dw f32 output [6,3,3,2]\n"
    "%dw = kernel(%x, %dy) {\n"
    "  contract weights\n"
    "  extent [6,3,3,2]\n"
    "  a_extent [2,8,8,4]\n"
    "  b_extent [2,4,4,6]\n"
    "  geometry 3,3,2,1,1,2,0\n"
    "  reduce_axes 0\n  tap_operand 0\n  tiles 0,0\n"
    "  stage a\n  operand %x\n  n0 = load 0\n"
    "  stage b\n  operand %dy\n  n0 = load 0\n"
    "  stage epi\n  n0 = acc 0\n"
    "  root a n0 fill=0\n  root b n0\n"
    "  acc sum\n"
    "  store point %dw n0\n"
    "}\n";

static const char window[] = GRAPH
    "value %x f32 input [2,7,7,4]\n"
    "value %y f32 output [2,4,4,4]\n"
    "%y = kernel(%x) {\n"
    "  window pixels\n"
    "  extent [2,4,4,4]\n"
    "  a_extent [2,7,7,4]\n"
    "  b_extent [0,0,0,0]\n"
    "  geometry 2,2,2,0,1,1,0\n" /* rounded up */
    "  reduce_axes 0\n"
    "  tap_operand 0\n"
    "  tiles 0,0\n"
    "  stage a\n  operand %x\n  n0 = load 0\n"
    "  stage tap\n  operand %x\n  n0 = gather 0\n"
    "  stage epi\n  n0 = acc 0\n"
    "  root a n0 fill=-inf\n"
    "  acc max n0\n"
    "  store point %y n0\n"
    "}\n";

static const char merge[] = GRAPH
    "value %x f32 input [6,3,1,4]\n"
    "value %y f32 output [1,1,1,4]\n"
    "%y = kernel(%x) {\n"
    "  reduce pixels\n"
    "  extent [1,1,1,4]\n"
    "  a_extent [6,1,1,4]\n"
    "  b_extent [0,0,0,0]\n"
    "  geometry 0,0,0,0,0,0,0\n"
    "  reduce_axes 1\n"
    "  tap_operand 0\n  tiles 0,0\n"
    "  stage a\n  operand %x\n  n0 = load 0\n"
    "  stage epi\n  n0 = acc 0\n"
    "  root a n0 fill=0\n  root a n0 fill=0\n  root a n0 fill=0\n"
    "  acc merge\n  acc merge\n  acc merge\n"
    "  store point %y n0\n"
    "}\n";

typedef struct edit {
  const char *text, *old, *new, *message;
} edit;

static char *replaced(rgc_arena *arena, const char *text, const char *old, const char *new) {
  const char *at = strstr(text, old);
  cr_assert(at, "no '%s' in:\n%s", old, text);
  return rgc_arena_printf(arena, "%.*s%s%s", (int)(at - text), text, new, at + strlen(old));
}

/* What the verifier says of the text. */
static const char *complaint(rgc_arena *arena, const char *text) {
  rgc_diagnostics diags;
  rgc_text out = {0};
  rgc_diagnostics_init(&diags, arena);
  rgc_graph *graph = rgc_graph_parse(arena, text, "text", &diags);
  if (graph) rgc_graph_verify(graph, &diags);
  rgc_diag_render(&diags, false, &out);
  return rgc_text_take(&out, arena);
}

static void expect(const edit *e) {
  rgc_arena *arena = rgc_arena_create();
  const char *said = complaint(arena, e->text);
  cr_assert_str_eq(said, "");
  said = complaint(arena, replaced(arena, e->text, e->old, e->new));
  cr_assert(strstr(said, e->message), "'%s' -> '%s' and not '%s':\n%s", e->old, e->new, e->message, said);
  rgc_arena_destroy(arena);
}

#define EXPECT_ALL(edits) \
  for (size_t i = 0; i < sizeof(edits) / sizeof *(edits); i++) expect(&(edits)[i])

Test(plan_kernel, maps_and_stores) {
  static const edit edits[] = {
      {map, "%y f32 output [2,8,8,4]", "%y f32 output [2,8,8,3]", "%y does not have the shape"},
      {map, "extent [2,8,8,4]", "extent [2,8,9,4]", "%y does not have the shape"},
      {map, "extent [2,8,8,4]", "extent [2,8,9223372036854775807,4]", "output space is too large"},
      {map, "extent [2,8,8,4]", "extent [1099511627776,8,8,4]", "output space is too large"},
      {map, "%p f32 output [6,3,1,4]", "%p f32 output [6,1,1,4]", "%p does not have the shape"},
      {map, "%p f32 output [6,3,1,4]", "%p f32 output [5,3,1,4]", "%p does not have the shape"},
      {map, "%p f32 output", "%p i32 output", "%p does not have the shape or type"},
      {map, "%q f32 output [6,1,1,4]", "%q f32 output [6,3,1,4]", "%q does not have the shape"},
      {map, "tiles 3,0", "tiles 2,0", "%p does not have the shape"},
      {map, "tiles 3,0", "tiles 0,1", "%p does not have the shape"},
      {map, "tiles 3,0", "tiles 9,0", "tiles of 9 rows"},
      {map, "tiles 3,0", "tiles 0,3", "tiles of 0 rows, 3 images"},
      {map, "tiles 3,0", "tiles 3,9223372036854775807", "tiles of"},
      {map, "tiles 3,0", "tiles 9223372036854775807,0", "tiles of"},
      {map, "store sum %q n0", "store point %y n0", "%y is stored twice"},
      {map, "store point %y n0", "store side %y n0", "the root n0 is not there"},
      {map, "h*2-1", "h*2000000-1", "multiplies by 2000000"},
      {map, "h*2-1", "h*-2000000", "multiplies by -2000000"},
      {map, "h*2-1", "h*2-9223372036854775807", "adds -9223372036854775807"},
      {map, "h*2-1", "h*2+4000000000000", "adds 4000000000000"},
      {map, "c/2", "c/2000000", "divides by 2000000"},
      {map, "%x f32 input [2,8,8,4]", "%x f32 input [2,1048576,1048576,4]", "too large"},
      {map, "a_extent [0,0,0,0]", "a_extent [1,1,1,1]", "the a space must be unused"},
      {map, "b_extent [0,0,0,0]", "b_extent [1,1,1,1]", "the b space must be unused"},
      {map, "  stage epi", "  stage a\n  operand %x\n  stage epi", "stage a does not belong"},
      {map, "  stage epi", "  stage b\n  operand %x\n  stage epi", "stage b does not belong"},
      {map, "  stage epi", "  stage tap\n  operand %x\n  stage epi", "stage tap belongs to windows"},
      {map, "  store point", "  acc sum\n  store point", "1 accumulators"},
      {map, "tiles 3,0\n", "tiles 3,0\n  weight %x\n", "a weight belongs to a contract"},
      {map, "layer=\"conv1\"", "layer=\"*/ x\"", "characters that a name cannot have"},
      {map, "layer=\"conv1\"", "layer=\"a\\nb\"", "characters that a name cannot have"},
      {map, "layer=\"conv1\"", "layer=\"conv1\" word=\"a\\\\b\"", "characters that a name cannot have"},
  };
  EXPECT_ALL(edits);
}

Test(plan_kernel, contracts_and_their_weights) {
  static const edit edits[] = {
      {contract, "geometry 3,3,2,1,1,2,0", "geometry 3,3,2,1,1,1,0", "the weight %p does not have the shape"},
      {contract, "geometry 3,3,2,1,1,2,0", "geometry 3,3,2,1,1,4,0", "do not divide into 4 groups"},
      {contract, "geometry 3,3,2,1,1,2,0", "geometry 3,3,2,0,1,2,0", "do not give 4 x 4"},
      {contract, "geometry 3,3,2,1,1,2,0", "geometry 3,3,1,1,1,2,0", "do not give 4 x 4"},
      {contract, "geometry 3,3,2,1,1,2,0", "geometry 4,3,2,1,1,2,0", "the weight %p does not have the shape"},
      {contract, "geometry 3,3,2,1,1,2,0", "geometry 3,3,0,1,1,2,0", "a number out of range"},
      {contract, "geometry 3,3,2,1,1,2,0", "geometry 3,3,2,1,1,0,0", "a number out of range"},
      {contract, "geometry 3,3,2,1,1,2,0", "geometry 3,3,2,1,1,2,0\n  columns 2,0", "a contract steps alike along rows and columns"},
      {contract, "geometry 3,3,2,1,1,2,0", "geometry 3,3,2,1,1,2,0\n  columns 0,1", "a number out of range"},
      {contract, "geometry 3,3,2,1,1,2,0", "geometry 3,3,2,9223372036854775807,1,2,0", "a number out of range"},
      {contract, "geometry 3,3,2,1,1,2,0", "geometry 3,3,2,1,9223372036854775807,2,0", "a number out of range"},
      {contract, "geometry 3,3,2,1,1,2,0", "geometry 3,3,2,1,1,2,1", "do not give"},
      {contract, "a_extent [2,8,8,4]", "a_extent [2,8,8,6]", "the weight %p does not have the shape"},
      {contract, "a_extent [2,8,8,4]", "a_extent [3,8,8,4]", "3 samples and 2"},
      {contract, "a_extent [2,8,8,4]", "a_extent [0,8,8,4]", "the a space is empty"},
      {contract, "batch 2", "batch 3", "goes over 2 samples, and not over the batch, 3"},
      {contract, "a_extent [2,8,8,4]", "a_extent [1048576,1048576,8,4]", "the a space is empty or too large"},
      {contract, "value %s f32 output [2,8,8,4]", "value %s f32 output [2,8,8,3]", "%s does not have the shape"},
      {contract, "panel(2,8,2)", "panel(1,8,2)", "packed for 1 groups"},
      {contract, "panel(2,8,2)", "panel(2,12,2)", "panels that cannot be"},
      {contract, "panel(2,8,2)", "panel(2,2048,2)", "panels that cannot be"},
      {contract, "panel(2,8,2)", "panel(2,8,2000)", "panels that cannot be"},
      {contract, "panel(2,8,2)", "panel(4,8,2)", "panels that cannot be"},
      {contract, "panel(2,8,2)", "panel_t(2,8,2)", "packed for the other direction"},
      {contract, "weight %p", "weight %x", "the weight %x does not have the shape"},
      {contract, "operand %x\n", "operand %p\n", "%p is packed and cannot be loaded"},
      {contract, "root a n0 fill=0", "root a n0 fill=1", "a contract reads 0"},
      {contract, "root a n0 fill=0", "root a n0 fill=0\n  root a n0 fill=0", "2 roots"},
      {contract, "acc sum", "acc max", "a contract sums"},
      {contract, "acc sum", "acc sum\n  acc sum", "2 accumulators"},
      {contract, "layout=panel(2,8,2)\nvalue %y f32 output [2,4,4,6]", "layout=panel(2,8,2)\nvalue %y f32 output [2,4,4,6] layout=panel(2,8,2)",
       "only a map of one output packs"},
      {data_gradient, "geometry 3,3,2,1,1,2,1", "geometry 3,3,2,1,1,2,0", "do not give"},
      {data_gradient, "value %w f32 param [6,3,3,2] torch_rank=4", "value %w f32 param [2,3,3,6] torch_rank=4", "the weight %w does not have"},
      {data_gradient, "value %w f32 param [6,3,3,2] torch_rank=4", "value %w i32 param [6,3,3,2] torch_rank=4", "the weight %w is of the wrong type"},
      {data_gradient, "param [2,3,3,6] layout=panel_t(2,8,3)", "param [6,3,3,2] layout=panel_t(2,8,3)", "the weight %p does not have"},
      {data_gradient, "param [2,3,3,6] layout=panel_t(2,8,3)", "param [2,3,3,6] layout=panel(2,8,3)", "packed for the other direction"},
      {data_gradient, "layout=panel_t(2,8,3)", "layout=panel_t(4,8,3)", "panels that cannot be"},
  };
  EXPECT_ALL(edits);
}

Test(plan_kernel, weight_gradients) {
  static const edit edits[] = {
      {weight_gradient, "  extent [6,3,3,2]", "  extent [6,3,3,4]", "not that of the weight"},
      {weight_gradient, "  extent [6,3,3,2]", "  extent [4,3,3,2]", "not that of the weight"},
      {weight_gradient, "b_extent [2,4,4,6]", "b_extent [2,4,4,8]", "not that of the weight"},
      {weight_gradient, "b_extent [2,4,4,6]", "b_extent [2,5,4,6]", "do not give 5 x 4"},
      {weight_gradient, "b_extent [2,4,4,6]", "b_extent [1,4,4,6]", "2 samples and 1"},
      {weight_gradient, "b_extent [2,4,4,6]", "b_extent [0,0,0,0]", "the b space is empty"},
      {weight_gradient, "geometry 3,3,2,1,1,2,0", "geometry 3,3,2,1,1,2,1", "a weight gradient is not transposed"},
      {weight_gradient, "store point", "store sum", "a weight gradient has no partials"},
      {weight_gradient, "  stage b\n  operand %dy\n  n0 = load 0\n", "", "b: the root n0 is not there"},
  };
  EXPECT_ALL(edits);
}

Test(plan_kernel, windows) {
  static const edit edits[] = {
      {window, "geometry 2,2,2,0,1,1,0", "geometry 2,2,1,0,1,1,0", "do not give 4 x 4"},
      {window, "geometry 2,2,2,0,1,1,0", "geometry 2,2,2,0,1,1,1", "do not give"},
      {window, "geometry 2,2,2,0,1,1,0", "geometry 2,2,2,0,0,1,0", "a number out of range"},
      {window, "a_extent [2,7,7,4]", "a_extent [2,7,7,3]", "a window keeps the channels"},
      {window, "a_extent [2,7,7,4]", "a_extent [1,7,7,4]", "1 samples"},
      {window, "tap_operand 0", "tap_operand 2", "tap_operand is 2"},
      {window, "acc max n0", "acc merge n0", "moments merge in threes"},
      {window, "  acc max n0\n", "", "acc 0 is not there"},
      {window, "  stage tap\n  operand %x\n  n0 = gather 0\n", "", "tap: the root n0 is not there"},
      {window, "  stage a\n  operand %x\n  n0 = load 0\n", "", "a: the root n0 is not there"},
  };
  EXPECT_ALL(edits);
}

Test(plan_kernel, reductions) {
  static const edit edits[] = {
      {merge, "reduce_axes 1", "reduce_axes 0", "reduce_axes is 0"},
      {merge, "reduce_axes 1", "reduce_axes 17", "reduce_axes"},
      {merge, "reduce_axes 1", "reduce_axes 2", "on axis 0, A 6"},
      {merge, "a_extent [6,1,1,4]", "a_extent [6,1,1,5]", "on axis 3, A 5"},
      {merge, "a_extent [6,1,1,4]", "a_extent [6,3,1,4]", "on axis 1, A 3"},
      {merge, "acc merge\n", "acc sum\n", "moments merge in threes"},
      {merge, "acc merge\n  acc merge\n  acc merge\n", "acc merge\n  acc merge\n", "3 roots"},
      {merge, "  root a n0 fill=0\n  root a n0 fill=0\n  root a n0 fill=0\n  acc merge\n  acc merge\n  acc merge\n",
       "  root a n0 fill=0\n  root a n0 fill=0\n  acc merge\n  acc merge\n", "moments merge in threes"},
  };
  EXPECT_ALL(edits);
}
