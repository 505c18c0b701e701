/* compile.c: rgc compile: a graph file becomes a plan; looking into the passes on the way. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/network.h"

const command_option compile_options[] = {
    {"-o", OPTION_TEXT, "FILE", "the plan (plan.bin)"},
    {"--batch", OPTION_INT, "N", "samples of a training step and of inference (the graph file's train: batch)"},
    {"--infer-batch", OPTION_LIST, "N", "inference for this batch, too; may be given again"},
    {"--infer-only", OPTION_FLAG, NULL, "no training program"},
    {"--target", OPTION_TEXT, "NAME", "cpu-avx512, cpu-avx2, cpu-plain (the best for this machine); sm_80, sm_90a, sm_100, sm_120, or cuda with --arch"},
    {"--arch", OPTION_TEXT, "NAME", "of --target cuda: sm_80, sm_90a, sm_100 or sm_120 (sm_80); needs NVRTC, and no GPU"},
    {"--functions", OPTION_FLAG, NULL, "of --target cuda: print what each function takes of the GPU, and which layers it serves"},
    {"--no-kernels", OPTION_FLAG, NULL, "do not run the C compiler or NVRTC now"},
    {"--emit", OPTION_TEXT, "DIR", "write every kernel and the templates there, to read"},
    {"--dump-after", OPTION_LIST, "PASS", "print the training graph after a pass, or 'all'; nothing else is made"},
    {"--stop-after", OPTION_TEXT, "PASS", "end there"},
    {"--time-passes", OPTION_FLAG, NULL, "print what each pass takes"},
    {"--list-passes", OPTION_FLAG, NULL, "print the passes, in order"},
    NETWORK_OPTION_SET,
    {0}};

static void print_text(void *context, const char *text) {
  (void)context;
  fputs(text, stdout);
}

static bool is_pass(const char *name) {
  const char *pass, *about;
  for (int i = 0; rgc_pass_tell(i, &pass, &about); i++)
    if (!strcmp(pass, name)) return true;
  return !strcmp(name, "all");
}

/* NULL, or the first word of --dump-after and --stop-after that is no pass. */
static const char *wrong_pass(const command_line *line) {
  int count;
  const char *const *names = option_list(line, "--dump-after", &count), *stop = option_text(line, "--stop-after", NULL);
  for (int i = 0; i < count; i++)
    if (!is_pass(names[i])) return names[i];
  return !stop || is_pass(stop) ? NULL : stop;
}

/* --target cuda --arch sm_90a is the target of that architecture. */
static const char *target_name(const command_line *line) {
  const char *target = option_text(line, "--target", NULL), *arch = option_text(line, "--arch", NULL);
  return target && arch && !strcmp(target, "cuda") ? arch : target;
}

/* Only looks at the training program's passes. */
static bool inspect_passes(const command_line *line, rgc_network *network) {
  rgc_watch_options o = {.infer = option_flag(line, "--infer-only"), .batch = option_int(line, "--batch", 0),
                         .target = target_name(line), .stop_after = option_text(line, "--stop-after", NULL),
                         .time = option_flag(line, "--time-passes")};
  o.dump_after = option_list(line, "--dump-after", &o.dump_count);
  return rgc_network_watch(network, &o, print_text, NULL, line->diags);
}

static double megabytes(int64_t bytes) { return (double)bytes * 1e-6; }

static bool is_cuda(const char *target) { return !strncmp(target, "cuda", 4); }

/* What the functions of each template take of a GPU, the most that any does. */
static void print_templates(const rgc_program_facts *p) {
  printf("  %-22s %9s %10s %9s %10s %9s\n", "template", "functions", "registers", "declared", "shared KB", "spilling");
  for (int i = 0; i < p->functions; i++) {
    const char *name = p->function_facts[i].template_name;
    rgc_function_facts most = {0};
    int count = 0, spilling = 0, first = i;
    for (int k = 0; k < p->functions; k++) {
      const rgc_function_facts *f = &p->function_facts[k];
      if (strcmp(f->template_name, name)) continue;
      if (k < first) first = k;
      count++;
      spilling += f->spill_bytes > 0;
      if (f->registers > most.registers) most.registers = f->registers, most.most_registers = f->most_registers;
      if (f->shared_bytes > most.shared_bytes) most.shared_bytes = f->shared_bytes;
    }
    if (first == i) printf("  %-22s %9d %10d %9d %10.1f %9d\n", name, count, most.registers, most.most_registers, (double)most.shared_bytes / 1024, spilling);
  }
}

static void print_functions(const rgc_program_facts *p) {
  for (int i = 0; i < p->functions; i++) {
    const rgc_function_facts *f = &p->function_facts[i];
    printf("  %s %s: %d registers of %d, %.1f KB shared, %d bytes spilled; %s\n", f->name, f->template_name, f->registers, f->most_registers,
           (double)f->shared_bytes / 1024, f->spill_bytes, f->layers);
  }
}

static void print_program(void *context, const rgc_program_facts *p) {
  printf("%s, batch %lld, %s: %d kernels of %d functions", p->kind, (long long)p->batch, p->target, p->kernels, p->functions);
  if (p->compiled) printf(", %d compiled in %.1f s", p->compiled, p->compile_seconds);
  else if (p->with_code) printf(", all in the cache");
  printf("\n  %.1f MB: parameters %.1f, optimizer state %.1f, folded %.1f, activations %.1f (lower bound %.1f:", megabytes(p->total_bytes),
         megabytes(p->param_bytes), megabytes(p->state_bytes), megabytes(p->folded_bytes), megabytes(p->activation_bytes),
         megabytes(p->peak_bytes));
  for (int k = 0; k < p->share_count; k++)
    if (p->shares[k].bytes) printf(" %s %.1f", p->shares[k].kind, megabytes(p->shares[k].bytes));
  printf("); and %.2f MB of scratch%s\n", megabytes(p->scratch_bytes), is_cuda(p->target) ? "" : " a thread");
  if (p->parts > 1)
    printf("  memory: the batch is split in %lld micro-batches of %lld, gradients accumulated; batch normalisation takes its statistics of a micro-batch\n",
           (long long)p->parts, (long long)((p->batch + p->parts - 1) / p->parts));
  if (p->function_facts) print_templates(p);
  if (p->function_facts && *(const bool *)context) print_functions(p);
  if (p->unfrozen_bytes >= 0)
    printf("  freeze: saves %.1f MB of %.1f MB\n", megabytes(p->unfrozen_bytes - p->total_bytes), megabytes(p->unfrozen_bytes));
}

static bool compile_all(const command_line *line, rgc_network *network) {
  int64_t batches[MAX_WORDS];
  const char *path = option_text(line, "-o", "plan.bin");
  bool functions = option_flag(line, "--functions");
  rgc_compile_settings s = {.batch = option_int(line, "--batch", 0), .infer_batches = batches, .infer_only = option_flag(line, "--infer-only"),
                            .target = target_name(line), .without_code = option_flag(line, "--no-kernels"),
                            .emit_dir = option_text(line, "--emit", NULL), .compiled = print_program, .context = &functions};
  const char *const *more = option_list(line, "--infer-batch", &s.infer_batch_count);
  for (int i = 0; i < s.infer_batch_count; i++)
    if ((batches[i] = strtoll(more[i], NULL, 10)) < 1)
      return rgc_diagnostics_fail(line->diags, "usage", NULL, NULL, "--infer-batch %s is no batch", more[i]);
  rgc_plan *plan = rgc_plan_of_network(network, line->diags);
  bool good = plan && rgc_plan_compile(plan, &s, line->diags) && rgc_plan_save(plan, path, line->diags);
  if (good) {
    rgc_network_facts n;
    rgc_network_tell(network, &n);
    printf("%s: %s, %lld parameters, %.4g MACs a sample\n", path, n.name, (long long)n.params, (double)n.macs);
  }
  rgc_plan_close(plan);
  return good;
}

static int list_passes(void) {
  const char *name, *about;
  for (int i = 0; rgc_pass_tell(i, &name, &about); i++) printf("%-14s %s\n", name, about);
  return RGC_EXIT_OK;
}

int run_compile(const command_line *line) {
  if (option_flag(line, "--list-passes")) return list_passes();
  if (!line->word_count) return command_usage(line, "rgc compile graphs/resnet50.yaml", "a graph file is needed");
  const char *wrong = wrong_pass(line);
  if (wrong) return command_usage(line, "rgc compile --list-passes", "'%s' is no pass", wrong);
  int dumps;
  option_list(line, "--dump-after", &dumps);
  rgc_network *network = command_network(line);
  bool inspect = dumps || option_text(line, "--stop-after", NULL) || option_flag(line, "--time-passes");
  bool good = network && (inspect ? inspect_passes(line, network) : compile_all(line, network));
  rgc_network_close(network);
  return good ? RGC_EXIT_OK : RGC_EXIT_INPUT;
}
