/* test_cuda_graphs.c: the kernels of every graph file, at its smallest, through NVRTC: none spills, none has local memory, none takes
 * more registers than its template declares.
 *
 * Of kernels that differ in extents alone one stands for all: same template, block, bodies and kinds of copies, other numbers; and each such class is
 * compiled for one of the targets, those of wgmma for theirs. RGC_TEST_GRAPHS=1 compiles each and every kernel for every target, which is hours on two
 * cores, once: cubins stay in the cache, also of a run that was stopped. */
#include <criterion/criterion.h>
#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "compiler/pipeline.h"
#include "runtime/device/cuda_build.h"

typedef struct sweep {
  rgc_arena *arena;
  rgc_diagnostics diags;
  const rgc_cuda_target *target;
  rgc_cuda_code code;   /* functions only: those to compile */
  uint64_t *classes;    /* [code.function_count] */
  int class_capacity;
  int seen;             /* functions, alike or not */
} sweep;

static void fail_with(const sweep *s, const char *what) {
  rgc_text text = {0};
  rgc_diag_render(&s->diags, false, &text);
  cr_assert_fail("%s: %s", what, rgc_text_chars(&text));
}

/* Numbers that choose code, not only its constants. */
static bool keeps_numbers(const char *line) {
  static const char *const kept[] = {"BLOCK_M ", "BLOCK_N ", "BLOCK_K ", "THREAD_", "STAGES ", "MMA_PRODUCTS ", "A_ASYNC ", "WEIGHT_ASYNC ", "TRANSPOSED ",
                                     "CONTRACT_TILED ", "KERNEL_H ", "KERNEL_PARTIALS ", "ACCS ", "REDUCE_AXES ", "WINDOW_ROOTS "};
  for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
    if (!strncmp(line, "#define ", 8) && !strncmp(line + 8, kept[i], strlen(kept[i]))) return true;
  return false;
}

static bool in_word(char c) { return isalnum((unsigned char)c) || c == '_'; }

/* The text with # for its own name and for every number but those that are kept. */
static uint64_t class_of(const rgc_function *function) {
  rgc_text text = {0};
  bool keep = keeps_numbers(function->text);
  for (const char *at = function->text; *at;) {
    size_t length = 1;
    while (in_word(*at) && (in_word(at[length]) || (at[length] == '.' && isdigit((unsigned char)*at)))) length++;
    bool own = !strncmp(at, function->name, strlen(function->name)), number = isdigit((unsigned char)*at) && !keep;
    if (own) rgc_text_add_bytes(&text, at + strlen(function->name), length - strlen(function->name));
    else if (number) rgc_text_add(&text, "#");
    else rgc_text_add_bytes(&text, at, length);
    if (*at == '\n') keep = keeps_numbers(at + 1);
    at += length;
  }
  uint64_t hash = XXH3_64bits(text.chars, text.length);
  rgc_text_free(&text);
  return hash;
}

static bool is_new(const sweep *s, const rgc_function *function, uint64_t class) {
  for (int i = 0; i < s->code.function_count; i++)
    if (s->classes[i] == class || !strcmp(s->code.functions[i].name, function->name)) return false;
  return true;
}

/* Whether the class falls to this target, which others have, too. */
static bool falls_to(const sweep *s, const rgc_function *function, uint64_t class) {
  size_t targets = 0;
  while (rgc_cuda_targets[targets].arch) targets++;
  return !strcmp(function->template_name, "contract_wgmma") || class % targets == (size_t)(s->target - rgc_cuda_targets);
}

static void take_function(sweep *s, const rgc_function *function, const char *network) {
  bool all = getenv("RGC_TEST_GRAPHS");
  uint64_t class = all ? XXH3_64bits(function->name, strlen(function->name)) : class_of(function);
  int count = s->code.function_count;
  s->seen++;
  if (!is_new(s, function, class) || (!all && !falls_to(s, function, class))) return;
  rgc_function *to = RGC_PUSH(s->arena, s->code.functions, s->code.function_count, s->code.function_capacity);
  *to = (rgc_function){.name = rgc_arena_strdup(s->arena, function->name), .text = rgc_arena_strdup(s->arena, function->text), .heavy = function->heavy,
                       .template_name = function->template_name, .comment = rgc_arena_printf(s->arena, "%s: %s", network, function->comment)};
  *RGC_PUSH(s->arena, s->classes, count, s->class_capacity) = class;
}

static void take_program(sweep *s, rgc_network *network, rgc_program_kind kind, const char *name, rgc_arena *scratch) {
  rgc_compile_options o = {.kind = kind, .batch = 2, .target = &s->target->facts, .memory_bytes = RGC_UNLIMITED};
  rgc_compilation *c = rgc_compile(network, &o, scratch, &s->diags);
  rgc_cuda_code *code = c ? rgc_cuda_emit(c->graph, s->target, scratch, &s->diags) : NULL;
  if (!code) fail_with(s, name);
  for (int i = 0; i < code->function_count; i++) take_function(s, &code->functions[i], name);
}

/* At 32x32, where its pools allow that, or as it is. */
static rgc_network *load_smallest(sweep *s, const char *path, rgc_arena *scratch) {
  const char *small[] = {"input.size=32"};
  rgc_diagnostics unheard;
  rgc_diagnostics_init(&unheard, scratch);
  rgc_network *network = rgc_network_load(scratch, path, small, 1, &unheard);
  return network && rgc_network_build(network, 2, true, &unheard) ? network : rgc_network_load(scratch, path, NULL, 0, &s->diags);
}

static void take_graph(sweep *s, const char *name) {
  static const rgc_program_kind kinds[] = {RGC_PROGRAM_TRAIN, RGC_PROGRAM_FOLD, RGC_PROGRAM_INFER};
  rgc_arena *scratch = rgc_arena_create();
  rgc_network *network = load_smallest(s, rgc_arena_printf(scratch, RGC_SOURCE_DIR "/graphs/%s", name), scratch);
  if (!network) fail_with(s, name);
  for (int i = 0; i < 3; i++) take_program(s, network, kinds[i], name, scratch);
  rgc_arena_destroy(scratch);
}

static void take_graphs(sweep *s) {
  struct dirent **entries;
  int count = scandir(RGC_SOURCE_DIR "/graphs", &entries, NULL, alphasort), graphs = 0;
  for (int i = 0; i < count; i++) {
    const char *dot = strrchr(entries[i]->d_name, '.');
    if (dot && !strcmp(dot, ".yaml")) take_graph(s, entries[i]->d_name), graphs++;
    free(entries[i]);
  }
  free(entries);
  cr_assert_gt(graphs, 50, "only %d graph files", graphs);
  printf("%s: %d graph files, %d functions, of which %d are compiled\n", s->target->arch, graphs, s->seen, s->code.function_count);
}

static void check_target(const rgc_cuda_target *target) {
  sweep s = {.arena = rgc_arena_create(), .target = target};
  rgc_diagnostics_init(&s.diags, s.arena);
  take_graphs(&s);
  rgc_cuda_build *build = rgc_cuda_build_open(&s.code, target, s.arena, &s.diags);
  if (!build) fail_with(&s, target->arch);
  for (int i = 0; i < build->count; i++)
    cr_expect_eq(build->kernels[i]->stack_bytes, 0, "%s: %s of %s has %d bytes of local memory", target->arch, build->kernels[i]->name,
                 s.code.functions[i].comment, build->kernels[i]->stack_bytes);
  printf("%s: at most %d registers of %d (%s), %d compiled in %.0f s\n", target->arch, build->most_registers, build->kernels[build->widest]->most_registers,
         s.code.functions[build->widest].template_name, build->compiled, build->seconds);
  if (rgc_cuda_build_warn(build, &s.code, &s.diags)) fail_with(&s, target->arch);
  rgc_arena_destroy(s.arena);
}

Test(cuda_graphs, every_kernel_fits_its_registers, .timeout = 7200) {
  rgc_arena *arena = rgc_arena_create();
  rgc_diagnostics diags;
  rgc_diagnostics_init(&diags, arena);
  rgc_nvrtc *nvrtc = rgc_nvrtc_open(&diags);
  if (!nvrtc) cr_log_error("SKIPPED: NVRTC is not here, so no graph file's kernels were compiled for a GPU (%s)", diags.items[0].message);
  for (const rgc_cuda_target *target = rgc_cuda_targets; nvrtc && target->arch; target++) check_target(target);
  rgc_nvrtc_close(nvrtc);
  rgc_arena_destroy(arena);
}
