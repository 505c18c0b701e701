/* test_plan_bounds.c: a graph of kernels that passes the verifier stays within its values when it runs, whatever was changed in it.
 *
 * Numbers of small right graphs are changed at random, one place or all places that hold the same; what still verifies is run by
 * the interpreter with a heap block of exactly its size for each value, so that a build with sanitizers sees a step outside. It is
 * also printed as C, which must not overflow on the way.
 * RGC_TEST_SEED=n repeats a run, RGC_TEST_ROUNDS=n makes it longer. */
#include <ctype.h>
#include <sys/mman.h>

#include "codegen/cpu/emit.h"
#include "runtime/device/cpu.h"
#include "runtime/reference/interpret.h"
#include "tests/unit/plan_fixture.h"

static int rounds(int usual) {
  const char *given = getenv("RGC_TEST_ROUNDS");
  return given ? atoi(given) : usual;
}

static bool is_word(char c) { return isalnum((unsigned char)c) || c == '.' || c == '_'; }

/* The number that begins at `at`: its digits, or 0 if none begins here. */
static size_t number_at(const char *text, const char *at) {
  if (!isdigit((unsigned char)*at) || (at > text && is_word(at[-1]))) return 0;
  size_t length = strspn(at, "0123456789");
  return is_word(at[length]) ? 0 : length;
}

/* The text with one number, or all that are equal to it, become `new`. */
static char *with_number(rgc_arena *arena, const char *text, const char *new, bool all) {
  rgc_text out = {0};
  const char *at = text + draw(strlen(text));
  while (*at && !number_at(text, at)) at++;
  size_t length = number_at(text, at);
  for (const char *p = text; *p;) {
    size_t here = number_at(text, p);
    bool change = length && here == length && !strncmp(p, at, length) && (all || p == at);
    rgc_text_add_bytes(&out, change ? new : p, change ? strlen(new) : here ? here : 1);
    p += here ? here : 1;
  }
  return rgc_text_take(&out, arena);
}

static char *mutant(rgc_arena *arena, const char *text) {
  static const char *const numbers[] = {"0", "1", "1", "2", "2", "3", "4", "5", "6", "7", "8", "9", "16", "1000", "1048576", "1099511627776",
                                        "9223372036854775807"};
  char *result = rgc_arena_strdup(arena, text);
  for (uint64_t edits = 1 + draw(3); edits > 0; edits--)
    result = with_number(arena, result, numbers[draw(draw(4) ? 12 : sizeof numbers / sizeof *numbers)], draw(2));
  return result;
}

/* Points times taps that running the graph takes: a mutant may ask for a year of work. */
static bool is_small(const rgc_graph *graph) {
  int64_t work = 0;
  for (int i = 0; i < graph->value_count; i++) work += rgc_shape_elems(graph->values[i].shape) > 50000 ? 1 << 24 : 0;
  for (int i = 0; i < graph->op_count; i++) {
    const rgc_kernel *k = graph->ops[i].kernel;
    double a = (double)rgc_shape_elems(k->a_extent), b = (double)rgc_shape_elems(k->b_extent), out = (double)rgc_shape_elems(k->extent);
    double taps = k->kind < RGC_WINDOW ? 1 : (double)k->geometry.kernel_h * (double)k->geometry.kernel_w;
    double depth = k->kind == RGC_CONTRACT ? (k->form == RGC_WEIGHTS ? b : (double)k->a_extent[RGC_C]) : 1;
    double all = a + out * taps * depth + (k->kind == RGC_REDUCE ? a : 0);
    if (!(all < 3e6)) return false;
    work += (int64_t)all;
  }
  return work < 1 << 23;
}

static void run(const rgc_graph *graph, rgc_arena *arena) {
  rgc_interpreter *interpreter = rgc_interpreter_create(graph, arena);
  for (int i = 0; i < graph->value_count; i++) interpreter->data[i] = calloc((size_t)rgc_shape_elems(graph->values[i].shape), sizeof(double));
  rgc_interpret(interpreter);
  for (int i = 0; i < graph->value_count; i++) free(interpreter->data[i]);
}

/* A mutant of the text that verifies, or NULL. */
static rgc_graph *right_mutant(fixture *f, const char *text) {
  rgc_graph *graph = rgc_graph_parse(f->arena, mutant(f->arena, text), "mutant", &f->diags);
  bool good = graph && rgc_graph_verify(graph, &f->diags);
  cr_assert(good == !f->diags.error_count);
  for (int i = 0; good && i < graph->op_count; i++) good = graph->ops[i].kind == RGC_OP_KERNEL;
  return good ? graph : NULL;
}

/* Whether a mutant was right and ran. */
static bool try_mutant(const char *text) {
  fixture f = setup();
  rgc_graph *graph = right_mutant(&f, text);
  bool good = graph != NULL;
  rgc_memory_plan *memory = good ? rgc_plan_memory(graph, f.arena) : NULL;
  cr_assert(!memory || rgc_memory_verify(graph, memory, &f.diags), "%s", rendered(&f));
  if (good) rgc_cpu_emit(graph, &rgc_cpu_targets[0], f.arena, &f.diags); /* or an error: a kernel beyond the templates */
  good = good && is_small(graph);
  if (good) run(graph, f.arena);
  rgc_arena_destroy(f.arena);
  return good;
}

static const char *program_text(fixture *f, const char *file, const char *const *sets, int set_count, rgc_program_kind kind) {
  rgc_network *network;
  rgc_plan *plan = empty_plan(f, file, sets, set_count, &network);
  rgc_text text = {0};
  add_program(f, plan, network, kind, 2);
  rgc_graph_print(plan->programs[0].graph, &text);
  return rgc_text_take(&text, f->arena);
}

Test(plan_bounds, what_verifies_runs_within_its_values, .timeout = 300) {
  static const char *const plain[] = {"stages=[{block: basic, repeat: 1, width: 4, stride: 2}]", "stem.0.conv.out=4", "input.size=6"};
  static const char *const pools[] = {"stem=[conv: {out: 4, kernel: 3, stride: 2}, relu, maxpool: {kernel: 3, stride: 2, pad: 1}]",
                                      "stages=[]", "input.size=11"};
  static const char *const groups[] = {"stem=[conv: {out: 4, kernel: 3, pad: 2, dilation: 2}, conv: {out: 6, kernel: 3, groups: 2, stride: 2}]",
                                       "stages=[]", "input.size=7"};
  fixture f = setup();
  const char *texts[] = {program_text(&f, "graphs/plain20.yaml", plain, 3, RGC_PROGRAM_TRAIN),
                         program_text(&f, "graphs/plain20.yaml", pools, 3, RGC_PROGRAM_TRAIN),
                         program_text(&f, "graphs/plain20.yaml", groups, 3, RGC_PROGRAM_TRAIN),
                         program_text(&f, "graphs/plain20.yaml", groups, 3, RGC_PROGRAM_EVAL)};
  int ran = 0, count = rounds(600);
  seed();
  for (int i = 0; i < count; i++) ran += try_mutant(texts[draw(4)]);
  fprintf(stderr, "%d of %d mutants verified and ran\n", ran, count);
  cr_assert(ran > 0);
  rgc_arena_destroy(f.arena);
}

/* Compiled. A value's bytes, what rounds them up and the spare bytes of a region end at a page that cannot be touched; all but the
 * bytes themselves is painted, and must stay so. */

enum { PAINT = 0xa5, PAGE = 4096 };

typedef struct guarded {
  unsigned char *begin; /* of the mapping */
  size_t room, mapped;  /* bytes before the forbidden page, and with it */
  size_t offset, size;  /* of the value */
} guarded;

static guarded guard(const rgc_value *value) {
  guarded g = {.size = (size_t)rgc_value_storage_bytes(value)};
  size_t taken = (g.size + RGC_ALIGN_BYTES - 1) / RGC_ALIGN_BYTES * RGC_ALIGN_BYTES + RGC_SPARE_BYTES;
  g.room = (taken + PAGE - 1) / PAGE * PAGE;
  g.mapped = g.room + PAGE;
  g.offset = g.room - taken;
  g.begin = mmap(NULL, g.mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  cr_assert(g.begin != MAP_FAILED && !mprotect(g.begin + g.room, PAGE, PROT_NONE));
  memset(g.begin, PAINT, g.room);
  memset(g.begin + g.offset, 0, g.size);
  return g;
}

static void expect_paint(const guarded *g, const rgc_value *value) {
  for (size_t i = 0; i < g->room; i++)
    if (i < g->offset || i >= g->offset + g->size) cr_assert_eq(g->begin[i], PAINT, "byte %zu of %zu of %%%s", i - g->offset, g->size, value->name);
}

/* Whether the templates have its kernels. */
static bool run_compiled(fixture *f, const rgc_graph *graph, const rgc_cpu_target *target) {
  guarded *values = RGC_NEW_ARRAY(f->arena, guarded, graph->value_count);
  void **data = RGC_NEW_ARRAY(f->arena, void *, graph->value_count);
  for (int i = 0; i < graph->value_count; i++) {
    values[i] = guard(&graph->values[i]);
    data[i] = values[i].begin + values[i].offset;
  }
  for (int i = 0; i < graph->value_count; i++)
    if (graph->values[i].updates >= 0) data[i] = data[graph->values[i].updates];
  rgc_cpu_program *program = rgc_cpu_program_create(graph, target, data, 2, &f->diags);
  rgc_cpu_step step = {.seed = 1};
  for (int i = 0; i < RGC_SCALAR_COUNT; i++) step.scalars[i] = 1;
  step.scalars[RGC_SCALAR_N_VALID] = (float)graph->batch;
  if (program) rgc_cpu_program_run(program, &step);
  if (program) rgc_cpu_program_destroy(program);
  for (int i = 0; i < graph->value_count; i++) {
    expect_paint(&values[i], &graph->values[i]);
    munmap(values[i].begin, values[i].mapped);
  }
  return program != NULL;
}

Test(plan_bounds, what_verifies_runs_within_its_places_when_compiled, .timeout = 300) {
  static const char *const plain[] = {"stages=[{block: basic, repeat: 1, width: 4, stride: 2}]", "stem.0.conv.out=4", "input.size=6"};
  static const char *const groups[] = {("stem=[conv: {out: 4, kernel: 3, pad: 2, dilation: 2}, relu, maxpool: {kernel: 3, stride: 2}, "
                                        "conv: {out: 6, kernel: 3, groups: 2, stride: 2}]"), "stages=[]", "input.size=7"};
  fixture f = setup();
  const char *texts[] = {program_text(&f, "graphs/plain20.yaml", plain, 3, RGC_PROGRAM_TRAIN),
                         program_text(&f, "graphs/plain20.yaml", groups, 3, RGC_PROGRAM_TRAIN)};
  seed();
  for (int ran = 0, count = rounds(600) / 200; ran < count;) {
    fixture g = setup();
    rgc_graph *graph = right_mutant(&g, texts[draw(2)]);
    ran += graph && is_small(graph) && run_compiled(&g, graph, rgc_cpu_target_best());
    rgc_arena_destroy(g.arena);
  }
  rgc_arena_destroy(f.arena);
}
