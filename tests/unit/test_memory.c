/* test_memory.c: the memory plan. Small graphs worked out by hand; every graph file within 5 % of its lower bound; plans with one
 * thing wrong, each refused. test_memory_random.c holds what is true of any graph. */
#include <criterion/criterion.h>
#include <glob.h>
#include <string.h>
#include <time.h>

#include "compiler/lang/lang.h"
#include "compiler/passes/autodiff.h"
#include "compiler/passes/decompose.h"
#include "compiler/passes/memory.h"
#include "compiler/passes/optimizer.h"

typedef struct fixture {
  rgc_arena *arena;
  rgc_diagnostics diags;
  rgc_graph *graph;
  rgc_memory_plan *plan;
} fixture;

static fixture start(void) {
  fixture f = {.arena = rgc_arena_create()};
  rgc_diagnostics_init(&f.diags, f.arena);
  f.graph = rgc_graph_create(f.arena, "test", 1);
  return f;
}

static int value(fixture *f, const char *name, rgc_role role, int64_t channels) {
  return rgc_graph_value(f->graph, name, RGC_F32, role, (int64_t[]){1, 1, 1, channels});
}

/* A kernel that stores its first operand; a view is identity where the shapes are equal, else it reads channel 0. */
static rgc_kernel *map(fixture *f, int output, const int *inputs, int count) {
  rgc_kernel *kernel = RGC_NEW(f->arena, rgc_kernel);
  const int64_t *shape = f->graph->values[output].shape;
  *kernel = (rgc_kernel){.kind = RGC_MAP, .weight = -1, .epi = rgc_body_create(f->arena), .store_count = 1};
  memcpy(kernel->extent, shape, sizeof kernel->extent);
  for (int i = 0; i < count; i++) {
    rgc_view view = rgc_view_identity();
    if (memcmp(f->graph->values[inputs[i]].shape, shape, sizeof kernel->extent)) view.axis[RGC_C].mul = 0;
    rgc_body_load(kernel->epi, inputs[i], &view);
  }
  kernel->stores = RGC_NEW(f->arena, rgc_store);
  *kernel->stores = (rgc_store){.kind = RGC_STORE, .value = output};
  rgc_graph_op(f->graph, RGC_OP_KERNEL, inputs, count, &output, 1)->kernel = kernel;
  return kernel;
}
#define MAP(f, output, ...) map((f), (output), (int[]){__VA_ARGS__}, (int)(sizeof((int[]){__VA_ARGS__}) / sizeof(int)))

/* Gives the kernel an A space that is all 0, and one sum over it. */
static void sum_zeros(fixture *f, rgc_kernel *kernel, rgc_kernel_kind kind, int64_t channels) {
  kernel->kind = kind;
  kernel->a = rgc_body_create(f->arena);
  kernel->a_roots[0] = rgc_body_const(kernel->a, 0);
  kernel->a_root_count = kernel->acc_count = 1;
  for (int j = 0; j < RGC_AXES; j++) kernel->a_extent[j] = j == RGC_C ? channels : 1;
}

static const char *rendered(fixture *f) {
  rgc_text text = {0};
  rgc_diag_render(&f->diags, false, &text);
  const char *copy = rgc_arena_strdup(f->arena, rgc_text_chars(&text));
  rgc_text_free(&text);
  return copy;
}

static void plan(fixture *f) {
  cr_assert(rgc_graph_verify(f->graph, &f->diags), "%s", rendered(f));
  f->plan = rgc_plan_memory(f->graph, f->arena);
  cr_assert(f->plan);
  cr_assert(rgc_memory_verify(f->graph, f->plan, &f->diags), "%s", rendered(f));
}

static int64_t offset(const fixture *f, int id) { return f->plan->places[id].offset_bytes; }

static bool share(const fixture *f, int a, int b) {
  return f->plan->places[a].region == f->plan->places[b].region && offset(f, a) == offset(f, b);
}

/* Values of 16 channels take one line of 64 bytes. */
enum { LINE = 16 };

Test(memory, a_value_lives_from_its_op_to_its_last_reader) {
  fixture f = start();
  int x = value(&f, "input", RGC_ROLE_INPUT, LINE), a = value(&f, "a", RGC_ROLE_TEMP, 2 * LINE),
      b = value(&f, "b", RGC_ROLE_TEMP, 3 * LINE), c = value(&f, "c", RGC_ROLE_TEMP, 4 * LINE),
      y = value(&f, "y", RGC_ROLE_OUTPUT, LINE);
  MAP(&f, a, x);
  MAP(&f, b, a);
  MAP(&f, c, b);
  MAP(&f, y, c);
  plan(&f);
  /* 1+2, 2+3, 3+4, 4+1 lines */
  cr_assert_eq(f.plan->peak.bytes, 7 * 64);
  cr_assert_eq(f.plan->peak.op, 2);
  cr_assert_eq(f.plan->peak.part_bytes[RGC_PART_OTHER], 7 * 64);
  cr_assert_eq(f.plan->region_bytes[RGC_REGION_ACT], 7 * 64 + RGC_SPARE_BYTES);
  cr_assert_eq(f.plan->region_bytes[RGC_REGION_PARAM], RGC_SPARE_BYTES);
  rgc_arena_destroy(f.arena);
}

Test(memory, outputs_live_to_the_end_and_inputs_from_the_start) {
  fixture f = start();
  int early = value(&f, "early", RGC_ROLE_OUTPUT, LINE), x = value(&f, "input", RGC_ROLE_INPUT, LINE),
      late = value(&f, "label", RGC_ROLE_LABEL, LINE), a = value(&f, "a", RGC_ROLE_TEMP, 8 * LINE),
      unread = value(&f, "unread", RGC_ROLE_TEMP, 9 * LINE), end = value(&f, "end", RGC_ROLE_OUTPUT, LINE);
  MAP(&f, early, x);
  MAP(&f, a, x);
  MAP(&f, unread, a);
  MAP(&f, end, late);
  plan(&f);
  cr_assert_eq(f.plan->peak.op, 2);
  cr_assert_eq(f.plan->peak.bytes, (8 + 9 + 1 + 1) * 64, "early and the label are alive while unread is computed");
  cr_assert_eq(f.plan->peak.part_bytes[RGC_PART_INPUT], 64);
  cr_assert(!share(&f, early, end) && !share(&f, early, a) && !share(&f, late, early));
  rgc_arena_destroy(f.arena);
}

static rgc_kernel *take_over_case(fixture *f, int *x, int *y) {
  *f = start();
  int in = value(f, "input", RGC_ROLE_INPUT, 1), end = value(f, "end", RGC_ROLE_OUTPUT, 1);
  *x = value(f, "x", RGC_ROLE_TEMP, LINE);
  *y = value(f, "y", RGC_ROLE_TEMP, LINE);
  MAP(f, *x, in);
  rgc_kernel *kernel = MAP(f, *y, *x);
  MAP(f, end, *y);
  return kernel;
}

static void expect_share(fixture *f, int x, int y, bool shared) {
  plan(f);
  cr_assert_eq(share(f, x, y), shared);
  rgc_arena_destroy(f->arena);
}

Test(memory, a_map_takes_over_an_operand_that_dies) {
  fixture f;
  int x, y;
  take_over_case(&f, &x, &y);
  expect_share(&f, x, y, true);
}

Test(memory, nothing_is_taken_over_that_a_kernel_reads_elsewhere) {
  fixture f;
  int x, y;
  rgc_kernel *kernel = take_over_case(&f, &x, &y);
  rgc_view first = rgc_view_identity();
  first.axis[RGC_C].mul = 0;
  rgc_body_load(kernel->epi, x, &first);
  expect_share(&f, x, y, false);
}

Test(memory, nothing_is_taken_over_that_is_read_again) {
  fixture f;
  int x, y;
  take_over_case(&f, &x, &y);
  int z = value(&f, "z", RGC_ROLE_TEMP, LINE), again = value(&f, "again", RGC_ROLE_TEMP, LINE);
  MAP(&f, z, x);
  MAP(&f, again, z);
  plan(&f);
  cr_assert(!share(&f, x, y));
  cr_assert(share(&f, x, z) && share(&f, z, again), "a chain keeps one place");
  rgc_arena_destroy(f.arena);
}

Test(memory, outputs_inputs_other_types_and_other_kernels_take_nothing_over) {
  fixture f;
  int x, y;
  take_over_case(&f, &x, &y);
  f.graph->values[x].role = RGC_ROLE_OUTPUT;
  expect_share(&f, x, y, false);
  take_over_case(&f, &x, &y);
  f.graph->values[x].dtype = RGC_I32;
  expect_share(&f, x, y, false);
  rgc_kernel *kernel = take_over_case(&f, &x, &y);
  kernel->stores->kind = RGC_PARTIAL_SUM;
  expect_share(&f, x, y, false);
  kernel = take_over_case(&f, &x, &y);
  sum_zeros(&f, kernel, RGC_REDUCE, LINE);
  kernel->reduce_axes = 1u << RGC_N;
  expect_share(&f, x, y, false);
  f = start();
  x = value(&f, "input", RGC_ROLE_INPUT, LINE), y = value(&f, "y", RGC_ROLE_OUTPUT, LINE);
  MAP(&f, y, x);
  expect_share(&f, x, y, false);
}

Test(memory, updates_share_and_states_have_regions_of_their_own) {
  fixture f = start();
  int b = value(&f, "b", RGC_ROLE_PARAM, LINE), a = value(&f, "a", RGC_ROLE_BUFFER, 1), m = value(&f, "a.m", RGC_ROLE_STATE, LINE),
      g = value(&f, "input", RGC_ROLE_INPUT, LINE), b2 = value(&f, "b.next", RGC_ROLE_TEMP, LINE),
      m2 = value(&f, "m.next", RGC_ROLE_TEMP, LINE);
  f.graph->values[b2].updates = b;
  f.graph->values[m2].updates = m;
  MAP(&f, b2, b, g, m);
  MAP(&f, m2, m, g);
  plan(&f);
  cr_assert(share(&f, b, b2) && share(&f, m, m2));
  cr_assert_eq(f.plan->places[m2].region, RGC_REGION_STATE);
  cr_assert_eq(offset(&f, a), 0, "by name");
  cr_assert_eq(offset(&f, b), 64);
  cr_assert_eq(f.plan->region_bytes[RGC_REGION_PARAM], 2 * 64 + RGC_SPARE_BYTES);
  cr_assert_eq(f.plan->region_bytes[RGC_REGION_STATE], 64 + RGC_SPARE_BYTES);
  cr_assert_eq(f.plan->peak.bytes, 64, "the gradient alone");
  rgc_arena_destroy(f.arena);
}

Test(memory, an_update_reads_what_it_overwrites_only_where_it_writes) {
  fixture f = start();
  int w = value(&f, "w", RGC_ROLE_PARAM, LINE), w2 = value(&f, "w.next", RGC_ROLE_TEMP, LINE);
  f.graph->values[w2].updates = w;
  rgc_kernel *kernel = MAP(&f, w2, w);
  plan(&f);
  kernel->epi->operands[0].view.axis[RGC_C].add = 1;
  cr_assert_not(rgc_memory_verify(f.graph, f.plan, &f.diags));
  rgc_arena_destroy(f.arena);
}

Test(memory, parts_of_the_peak) {
  fixture f = start();
  int in = value(&f, "input", RGC_ROLE_INPUT, LINE), saved = value(&f, "saved", RGC_ROLE_TEMP, 2 * LINE),
      loss = value(&f, "loss", RGC_ROLE_OUTPUT, 1), packed = value(&f, "packed", RGC_ROLE_TEMP, LINE),
      sums = value(&f, "sums", RGC_ROLE_TEMP, 5 * LINE), grad = value(&f, "grad", RGC_ROLE_TEMP, 6 * LINE),
      last = value(&f, "last", RGC_ROLE_OUTPUT, 1);
  f.graph->values[packed].layout = (rgc_layout){.kind = RGC_LAYOUT_PANEL, .groups = 1, .lanes = 16, .block = 16};
  f.graph->values[packed].shape[0] = 6 * LINE;
  MAP(&f, saved, in);
  MAP(&f, loss, saved);
  MAP(&f, packed, in);
  MAP(&f, sums, in)->stores->kind = RGC_PARTIAL_SUM;
  rgc_kernel *contract = MAP(&f, grad, packed, saved, sums, in);
  contract->epi->operands[0] = contract->epi->operands[1];
  contract->weight = packed;
  contract->geometry = (rgc_geometry){1, 1, 1, 0, 1, 1, false, 1, 0};
  sum_zeros(&f, contract, RGC_CONTRACT, LINE);
  MAP(&f, last, grad);
  f.graph->ops[4].backward = f.graph->ops[5].backward = true;
  plan(&f);
  /* packed: [1][6][1][1][1][16][16] floats */
  const int64_t wanted[RGC_PART_COUNT] = {64, 6 * 1024, 5 * 64, 2 * 64, 6 * 64, 64};
  cr_assert_eq(f.plan->peak.op, 4);
  for (int k = 0; k < RGC_PART_COUNT; k++)
    cr_assert_eq(f.plan->peak.part_bytes[k], wanted[k], "%s: %lld", rgc_part_word((rgc_part)k),
                 (long long)f.plan->peak.part_bytes[k]);
  rgc_arena_destroy(f.arena);
}

Test(memory, storage_of_a_value) {
  rgc_value v = {.shape = {2, 3, 5, 7}};
  cr_assert_eq(rgc_value_storage_bytes(&v), 840);
  v.dtype = RGC_U8;
  cr_assert_eq(rgc_value_storage_bytes(&v), 210);
  v = (rgc_value){.shape = {40, 3, 3, 20}, .layout = {.kind = RGC_LAYOUT_PANEL, .groups = 2, .lanes = 16, .block = 16}};
  cr_assert_eq(rgc_value_storage_bytes(&v), 4 * 2 * 2 * 2 * 9 * 16 * 16);
  v.layout.lanes = 0;
  cr_assert_eq(rgc_value_storage_bytes(&v), -1);
  v = (rgc_value){.shape = {INT64_MAX, INT64_MAX, 4, 4}};
  cr_assert_eq(rgc_value_storage_bytes(&v), -1);
  v.layout = (rgc_layout){.kind = RGC_LAYOUT_PANEL, .groups = INT32_MAX, .lanes = INT32_MAX, .block = INT32_MAX};
  cr_assert_eq(rgc_value_storage_bytes(&v), -1);
  v = (rgc_value){.shape = {1, 0, 1, 1}};
  cr_assert_eq(rgc_value_storage_bytes(&v), -1);
}

Test(memory, sizes_that_do_not_fit_give_no_plan) {
  fixture f = start();
  int x = value(&f, "input", RGC_ROLE_INPUT, 1), y = value(&f, "y", RGC_ROLE_OUTPUT, INT64_MAX);
  MAP(&f, y, x);
  cr_assert_null(rgc_plan_memory(f.graph, f.arena));
  f.graph->values[y].shape[RGC_C] = 1;
  for (int i = 0; i < 40; i++) value(&f, rgc_arena_printf(f.arena, "p%d", i), RGC_ROLE_PARAM, (int64_t)1 << 53);
  cr_assert_null(rgc_plan_memory(f.graph, f.arena));
  rgc_arena_destroy(f.arena);
}

Test(memory, a_value_that_no_op_computes_any_more_has_no_place) {
  fixture f = start();
  int x = value(&f, "input", RGC_ROLE_INPUT, 1), fused = value(&f, "fused", RGC_ROLE_TEMP, LINE),
      y = value(&f, "y", RGC_ROLE_OUTPUT, 1);
  MAP(&f, y, x);
  plan(&f);
  cr_assert_eq(f.plan->places[fused].size_bytes, 0);
  cr_assert_eq(f.plan->region_bytes[RGC_REGION_ACT], 2 * 64 + RGC_SPARE_BYTES);
  f.graph = rgc_graph_create(f.arena, "empty", 1);
  plan(&f);
  cr_assert_eq(f.plan->region_bytes[RGC_REGION_ACT], RGC_SPARE_BYTES);
  rgc_arena_destroy(f.arena);
}

/* Plans with one thing wrong. The graph: input, w -> a -> b -> out, w.next. */

typedef struct wrong {
  const char *what;
  int value; /* whose place is wrong */
  rgc_place place;
} wrong;
enum { INPUT, W, A, B, OUT, NEXT };

static fixture small_plan(void) {
  fixture f = start();
  value(&f, "input", RGC_ROLE_INPUT, LINE);
  value(&f, "w", RGC_ROLE_PARAM, LINE);
  value(&f, "a", RGC_ROLE_TEMP, 2 * LINE);
  value(&f, "b", RGC_ROLE_TEMP, 4 * LINE);
  value(&f, "out", RGC_ROLE_OUTPUT, LINE);
  value(&f, "w.next", RGC_ROLE_TEMP, LINE);
  f.graph->values[NEXT].updates = W;
  MAP(&f, A, INPUT, W);
  MAP(&f, B, A);
  MAP(&f, OUT, B);
  MAP(&f, NEXT, W, OUT);
  plan(&f);
  return f;
}

Test(memory, a_wrong_place_is_refused) {
  fixture f = small_plan();
  rgc_place a = f.plan->places[A], b = f.plan->places[B], w = f.plan->places[W], out = f.plan->places[OUT];
  int64_t end = f.plan->region_bytes[RGC_REGION_ACT];
  const wrong cases[] = {
      {"overlap", A, {a.region, b.offset_bytes + 64, a.size_bytes}},
      {"overlap of an output", OUT, {out.region, b.offset_bytes, out.size_bytes}},
      {"beyond the end", B, {b.region, end, b.size_bytes}},
      {"in the spare bytes", B, {b.region, end - b.size_bytes, b.size_bytes}},
      {"negative", A, {a.region, -64, a.size_bytes}},
      {"least", A, {a.region, INT64_MIN, a.size_bytes}},
      {"misaligned", A, {a.region, a.offset_bytes + 4, a.size_bytes}},
      {"huge offset", A, {a.region, INT64_MAX - 63, a.size_bytes}},
      {"huge size", A, {a.region, a.offset_bytes, INT64_MAX}},
      {"negative size", A, {a.region, a.offset_bytes, -a.size_bytes}},
      {"too small", A, {a.region, a.offset_bytes, a.size_bytes - 64}},
      {"too large", A, {a.region, a.offset_bytes, a.size_bytes + 64}},
      {"wrong region", A, {RGC_REGION_STATE, a.offset_bytes, a.size_bytes}},
      {"no region", A, {RGC_REGION_COUNT, a.offset_bytes, a.size_bytes}},
      {"negative region", A, {(rgc_region)-1, a.offset_bytes, a.size_bytes}},
      {"a parameter among the activations", W, {RGC_REGION_ACT, w.offset_bytes, w.size_bytes}},
      {"an update elsewhere", NEXT, {RGC_REGION_PARAM, w.offset_bytes + 64, w.size_bytes}}};
  f.plan->region_bytes[RGC_REGION_PARAM] += 64;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    rgc_place right = f.plan->places[cases[i].value];
    f.plan->places[cases[i].value] = cases[i].place;
    int before = f.diags.error_count;
    cr_assert_not(rgc_memory_verify(f.graph, f.plan, &f.diags), "%s", cases[i].what);
    cr_assert_gt(f.diags.error_count, before);
    cr_assert_eq(f.diags.items[before].code, RGC_CODE_PLAN_INVALID);
    f.plan->places[cases[i].value] = right;
  }
  cr_assert(rgc_memory_verify(f.graph, f.plan, &f.diags));
  rgc_arena_destroy(f.arena);
}

Test(memory, wrong_totals_are_refused) {
  fixture f = small_plan();
  const rgc_memory_plan right = *f.plan;
  rgc_memory_plan *p = f.plan;
#define REFUSED(change)                                                                                                \
  do {                                                                                                                 \
    change;                                                                                                            \
    cr_assert_not(rgc_memory_verify(f.graph, p, &f.diags), #change);                                                   \
    *p = right;                                                                                                        \
  } while (0)
  for (int r = 0; r < RGC_REGION_COUNT; r++) {
    REFUSED(p->region_bytes[r] = 0);
    REFUSED(p->region_bytes[r] = -64);
    REFUSED(p->region_bytes[r] = INT64_MIN);
    REFUSED(p->region_bytes[r] = INT64_MAX);
    REFUSED(p->region_bytes[r] += 1);
  }
  REFUSED(p->region_bytes[RGC_REGION_ACT] -= 64);
  REFUSED(p->peak.op++);
  REFUSED(p->peak.op = INT32_MAX);
  REFUSED(p->peak.bytes -= 64);
  REFUSED(p->peak.part_bytes[RGC_PART_SAVED] = -1);
  REFUSED(p->places = NULL);
  REFUSED(p->place_count--);
  REFUSED(p->place_count = -1);
#undef REFUSED
  cr_assert_not(rgc_memory_verify(f.graph, NULL, &f.diags));
  rgc_arena_destroy(f.arena);
}

/* Graph files. */

static rgc_graph *kernels(fixture *f, const char *file, bool training) {
  rgc_network *network = rgc_network_load(f->arena, file, NULL, 0, &f->diags);
  rgc_graph *graph = network ? rgc_network_build(network, 4, training, &f->diags) : NULL;
  cr_assert(graph, "%s: %s", file, rendered(f));
  if (training) {
    cr_assert(rgc_autodiff(graph, rgc_graph_find(graph, "loss"), &f->diags));
    rgc_update_settings settings = {.rule = RGC_UPDATE_SGD, .momentum = 0.9, .weight_decay = 1e-4};
    rgc_append_updates(graph, &settings, NULL, NULL);
  }
  return rgc_decompose(graph, f->arena, &f->diags);
}

static double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void expect_near_bound(const char *file, bool training) {
  fixture f = start();
  f.graph = kernels(&f, file, training);
  double before = seconds();
  f.plan = rgc_plan_memory(f.graph, f.arena);
  double took = seconds() - before;
  cr_assert(f.plan && rgc_memory_verify(f.graph, f.plan, &f.diags), "%s: %s", file, rendered(&f));
  double needed = (double)f.plan->region_bytes[RGC_REGION_ACT], least = (double)f.plan->peak.bytes;
  cr_assert(needed >= least + RGC_SPARE_BYTES && needed <= 1.05 * least, "%s: %.0f bytes, at least %.0f", file, needed, least);
  cr_assert_lt(took, 2.0, "%s: planned in %.3f s", file, took); /* 0.02 s for the largest; loose, for slow machines */
  rgc_arena_destroy(f.arena);
}

Test(memory, every_graph_file_is_within_5_percent_of_its_lower_bound, .timeout = 300) {
  glob_t files;
  cr_assert(glob("graphs/*.yaml", 0, NULL, &files) == 0);
  for (size_t i = 0; i < files.gl_pathc; i++) {
    expect_near_bound(files.gl_pathv[i], false);
    if (!strstr(files.gl_pathv[i], "twohead")) expect_near_bound(files.gl_pathv[i], true); /* it cannot be trained yet */
  }
  globfree(&files);
}
