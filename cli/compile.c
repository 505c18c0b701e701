/* compile.c: rgc compile: a graph file becomes a plan; looking into the passes on the way. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/commands.h"
#include "cli/network.h"
#include "codegen/cpu/emit.h"
#include "codegen/cpu/templates.h"
#include "runtime/device/kernel_cache.h"

const command_option compile_options[] = {
    {"-o", OPTION_TEXT, "FILE", "the plan (plan.bin)"},
    {"--batch", OPTION_INT, "N", "samples of a training step and of inference (the graph file's train: batch)"},
    {"--infer-batch", OPTION_LIST, "N", "inference for this batch, too; may be given again"},
    {"--infer-only", OPTION_FLAG, NULL, "no training program"},
    {"--target", OPTION_TEXT, "NAME", "cpu-avx512, cpu-avx2 or cpu-plain (the best for this machine)"},
    {"--no-kernels", OPTION_FLAG, NULL, "do not run the C compiler now"},
    {"--emit", OPTION_TEXT, "DIR", "write every kernel and the templates there, to read"},
    {"--dump-after", OPTION_LIST, "PASS", "print the training graph after a pass, or 'all'; nothing else is made"},
    {"--stop-after", OPTION_TEXT, "PASS", "end there"},
    {"--time-passes", OPTION_FLAG, NULL, "print what each pass takes"},
    {"--list-passes", OPTION_FLAG, NULL, "print the passes, in order"},
    NETWORK_OPTION_SET,
    {0}};

/* What the observer of the passes looks at. */
typedef struct watching {
  const command_line *line;
  const char *stop_after;
  bool time;
} watching;

static bool wants_dump(const command_line *line, const char *pass) {
  int count;
  const char *const *names = option_list(line, "--dump-after", &count);
  for (int i = 0; i < count; i++)
    if (!strcmp(names[i], pass) || !strcmp(names[i], "all")) return true;
  return false;
}

static bool watch(void *context, const rgc_pass *pass, const rgc_compilation *c, double seconds) {
  watching *w = context;
  if (w->time) printf("%-6s %-14s %9.3f ms  %6d ops\n", rgc_program_word(c->kind), pass->name, 1e3 * seconds, c->graph->op_count);
  if (wants_dump(w->line, pass->name)) {
    rgc_text text = {0};
    rgc_graph_print(c->graph, &text);
    printf("# after %s\n%s", pass->name, rgc_text_chars(&text));
    rgc_text_free(&text);
  }
  return !w->stop_after || strcmp(w->stop_after, pass->name);
}

static bool is_pass(const char *name) {
  for (const rgc_pass *pass = rgc_passes; pass->name; pass++)
    if (!strcmp(pass->name, name)) return true;
  return !strcmp(name, "all");
}

static bool check_pass_names(const command_line *line) {
  int count;
  const char *const *names = option_list(line, "--dump-after", &count), *stop = option_text(line, "--stop-after", NULL);
  for (int i = 0; i <= count; i++) {
    const char *name = i < count ? names[i] : stop;
    if (name && !is_pass(name)) return rgc_diag_fail(line->diags, RGC_CODE_USAGE, NULL, "rgc compile --list-passes", "'%s' is no pass", name);
  }
  return true;
}

/* Only looks at the training program's passes. */
static bool inspect_passes(const command_line *line, rgc_network *network, const rgc_cpu_target *target, int64_t batch) {
  watching w = {.line = line, .stop_after = option_text(line, "--stop-after", NULL), .time = option_flag(line, "--time-passes")};
  rgc_compile_options o = {.kind = option_flag(line, "--infer-only") ? RGC_PROGRAM_INFER : RGC_PROGRAM_TRAIN, .batch = batch,
                           .target = &target->facts, .observer = watch, .context = &w};
  return rgc_compile(network, &o, line->arena, line->diags) != NULL;
}

static double megabytes(int64_t bytes) { return (double)bytes * 1e-6; }

static void print_memory(const rgc_program *program, const rgc_cpu_code *code) {
  const rgc_memory_plan *m = program->memory;
  printf("  %.1f MB: parameters %.1f, optimizer state %.1f, folded %.1f, activations %.1f (lower bound %.1f:", megabytes(rgc_memory_bytes(m)),
         megabytes(m->region_bytes[RGC_REGION_PARAM]), megabytes(m->region_bytes[RGC_REGION_STATE]),
         megabytes(m->region_bytes[RGC_REGION_FOLDED]), megabytes(m->region_bytes[RGC_REGION_ACT]), megabytes(m->peak.bytes));
  for (int k = 0; k < RGC_PART_COUNT; k++)
    if (m->peak.part_bytes[k]) printf(" %s %.1f", rgc_part_word((rgc_part)k), megabytes(m->peak.part_bytes[k]));
  printf("); and %.2f MB of scratch a thread\n", megabytes(code->slab_bytes));
}

/* Folders --emit needs; made one by one. */
static bool make_dirs(const command_line *line, const char *path) {
  char *copy = rgc_arena_strdup(line->arena, path);
  for (char *at = copy + 1;; at++) {
    if (*at && *at != '/') continue;
    char keep = *at;
    *at = 0;
    if (mkdir(copy, 0777) && errno != EEXIST)
      return rgc_diag_fail(line->diags, RGC_CODE_FILE_WRITE, copy, "choose another --emit", "cannot be made: %s", strerror(errno));
    if (!keep) return true;
    *at = keep;
  }
}

static bool write_text(const command_line *line, const char *path, const char *text) {
  FILE *file = fopen(path, "w");
  bool good = file && fputs(text, file) >= 0;
  if (file && fclose(file)) good = false;
  return good || rgc_diag_fail(line->diags, RGC_CODE_FILE_WRITE, path, NULL, "cannot be written: %s", strerror(errno));
}

static bool emit(const command_line *line, const rgc_cpu_code *code, const char *dir) {
  const char *templates = rgc_arena_printf(line->arena, "%s/codegen/cpu/templates", dir);
  bool good = make_dirs(line, templates);
  for (int i = 0; good && i < rgc_cpu_template_count; i++)
    good = write_text(line, rgc_arena_printf(line->arena, "%s/%s", templates, rgc_cpu_templates[i].name), rgc_cpu_templates[i].text);
  for (int i = 0; good && i < code->function_count; i++) {
    rgc_text text = {0};
    rgc_cpu_print_function(&code->functions[i], &text);
    good = write_text(line, rgc_arena_printf(line->arena, "%s/%s.c", dir, code->functions[i].name), rgc_text_chars(&text));
    rgc_text_free(&text);
  }
  return good;
}

/* Kernels of one program: told, written, compiled, as asked for. */
static bool finish_program(const command_line *line, const rgc_program *program, const rgc_cpu_target *target) {
  const char *dir = option_text(line, "--emit", NULL);
  rgc_cpu_code *code = rgc_cpu_emit(program->graph, target, line->arena, line->diags);
  if (!code) return false;
  printf("%s, batch %lld, %s: %d kernels of %d functions", rgc_program_word(program->kind), (long long)program->batch, program->target,
         program->graph->op_count, code->function_count);
  rgc_kernel_build *build = NULL;
  if (!option_flag(line, "--no-kernels")) {
    build = rgc_kernel_build_open(code, target, line->arena, line->diags);
    if (build && build->compiled) printf(", %d compiled in %.1f s", build->compiled, build->seconds);
    else if (build) printf(", all in the cache");
  }
  printf("\n");
  print_memory(program, code);
  bool good = (build || option_flag(line, "--no-kernels")) && (!dir || emit(line, code, dir));
  rgc_kernel_build_close(build);
  return good;
}

static bool add_program(const command_line *line, rgc_network *network, rgc_plan *plan, rgc_program_kind kind, int64_t batch,
                        const rgc_cpu_target *target) {
  rgc_compile_options o = {.kind = kind, .batch = batch, .target = &target->facts};
  const rgc_program *program = rgc_plan_need_program(plan, network, &o, line->diags);
  if (!program || !finish_program(line, program, target)) return false;
  int64_t thawed = kind == RGC_PROGRAM_TRAIN ? rgc_unfrozen_bytes(network, &o) : -1;
  if (thawed >= 0)
    printf("  freeze: saves %.1f MB of %.1f MB\n", megabytes(thawed - rgc_memory_bytes(program->memory)), megabytes(thawed));
  return true;
}

static bool compile_all(const command_line *line, rgc_network *network, const rgc_cpu_target *target, int64_t batch) {
  rgc_plan *plan = rgc_plan_create(network, line->arena, line->diags);
  const char *path = option_text(line, "-o", "plan.bin");
  int count;
  const char *const *more = option_list(line, "--infer-batch", &count);
  bool good = plan && (option_flag(line, "--infer-only") || add_program(line, network, plan, RGC_PROGRAM_TRAIN, batch, target));
  for (int i = -1; good && i < count; i++) {
    int64_t size = i < 0 ? batch : strtoll(more[i], NULL, 10);
    if (size < 1) return rgc_diag_fail(line->diags, RGC_CODE_USAGE, NULL, NULL, "--infer-batch %s is no batch", more[i]);
    good = add_program(line, network, plan, RGC_PROGRAM_FOLD, size, target) && add_program(line, network, plan, RGC_PROGRAM_INFER, size, target);
  }
  good = good && rgc_plan_write(plan, path, line->diags);
  if (good) printf("%s: %s, %lld parameters, %.4g MACs a sample\n", path, network->name, (long long)network->params, (double)network->macs);
  return good;
}

static int list_passes(void) {
  for (const rgc_pass *pass = rgc_passes; pass->name; pass++) printf("%-14s %s\n", pass->name, pass->about);
  return RGC_EXIT_OK;
}

int run_compile(const command_line *line) {
  if (option_flag(line, "--list-passes")) return list_passes();
  if (!line->word_count) {
    rgc_diag_fail(line->diags, RGC_CODE_USAGE, NULL, "rgc compile graphs/resnet50.yaml", "a graph file is needed");
    return RGC_EXIT_USAGE;
  }
  int dumps;
  option_list(line, "--dump-after", &dumps);
  if (!check_pass_names(line)) return RGC_EXIT_USAGE;
  const rgc_cpu_target *target = rgc_cpu_target_choose(option_text(line, "--target", NULL), line->diags);
  rgc_network *network = target ? command_network(line) : NULL;
  if (!network) return RGC_EXIT_INPUT;
  int64_t batch = option_int(line, "--batch", network->train.batch);
  bool inspect = dumps || option_text(line, "--stop-after", NULL) || option_flag(line, "--time-passes");
  bool good = inspect ? inspect_passes(line, network, target, batch) : compile_all(line, network, target, batch);
  return good ? RGC_EXIT_OK : RGC_EXIT_INPUT;
}
