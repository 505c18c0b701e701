/* cuda_emu.c: see cuda_emu.h. */
#include "runtime/device/cuda_emu.h"

#include <stdlib.h>
#include <string.h>

#include "codegen/cuda/emit.h"
#include "codegen/cuda/templates.h"
#include "codegen/cuda/templates/kernel_args.cuh"
#include "compiler/base/clock.h"
#include "compiler/passes/memory.h"
#include "runtime/device/cuda_args.h"
#include "runtime/device/emu/emu.h"

_Static_assert((int)RGC_SCALAR_COUNT <= (int)CUDA_SCALARS, "the scalars of a step have no room");

typedef struct emu_program {
  rgc_arena *arena;
  const rgc_graph *graph;
  rgc_cuda_code *code;
  rgc_emu_module *module;
  rgc_emu *emu;
  kernel_args *args; /* [op_count] */
  void **launch_args; /* [launch_count]: cuda_args.h */
  kernel_step *step;
  rgc_emu_options options;
  uint64_t launches; /* so far: the order of blocks and warps changes from one to the next */
  double compile_seconds;
} emu_program;

enum { TEXTS = 8 };

static int by_template(const void *a, const void *b) {
  const rgc_function *const *x = a, *const *y = b;
  int order = strcmp((*x)->template_name, (*y)->template_name);
  return order ? order : strcmp((*x)->name, (*y)->name);
}

/* Functions in a few texts, so that the compiler starts seldom and on all processors; those of one template together, so that another template's
 * change leaves them as they are. Messages name the function's own line. */
static rgc_emu_module *build(const rgc_cuda_code *code, const rgc_template *templates, int template_count, bool watched,
                             rgc_arena *arena, rgc_diagnostics *diags) {
  rgc_text texts[TEXTS] = {0};
  rgc_template made[TEXTS];
  int all = code->function_count, count = all < TEXTS ? all : TEXTS;
  const rgc_function **sorted = RGC_NEW_ARRAY(arena, const rgc_function *, all + 1);
  for (int i = 0; i < all; i++) sorted[i] = &code->functions[i];
  qsort(sorted, (size_t)all, sizeof *sorted, by_template);
  for (int i = 0; i < all; i++) {
    rgc_text *to = &texts[i * count / all];
    rgc_text_printf(to, "#line 1 \"%s.cu\"\n", sorted[i]->name);
    rgc_function_print(sorted[i], to);
  }
  for (int i = 0; i < count; i++) made[i] = (rgc_template){rgc_arena_printf(arena, "kernels-%d.cu", i), rgc_text_take(&texts[i], arena)};
  return rgc_emu_module_build(made, count, templates, template_count, watched, diags);
}

static void bind(emu_program *p, void *const *data) {
  float *workspace = p->code->workspace_bytes ? rgc_emu_alloc(p->emu, "workspace", (size_t)p->code->workspace_bytes) : NULL;
  p->step = rgc_emu_alloc(p->emu, "step", sizeof *p->step);
  p->args = RGC_NEW_ARRAY(p->arena, kernel_args, p->graph->op_count + 1);
  for (int i = 0; i < p->graph->op_count; i++) {
    const rgc_op *op = &p->graph->ops[i];
    p->args[i] = (kernel_args){.workspace = workspace, .step = p->step};
    for (int k = 0; k < op->input_count; k++) p->args[i].operands[k] = data[op->inputs[k]];
    for (int k = 0; k < op->output_count; k++) p->args[i].outputs[k] = data[op->outputs[k]];
  }
}

static bool encode_map(void *context, void *map, const rgc_tensor_map *what, const void *base, const char *of, rgc_diagnostics *diags) {
  (void)context, (void)of;
  return rgc_emu_tensor_map(map, what, base, diags);
}

typedef struct span {
  char *begin, *end;
} span;

static int by_begin(const void *a, const void *b) {
  const span *x = a, *y = b;
  return (x->begin > y->begin) - (x->begin < y->begin);
}

/* Kernels may use what the graph's values take. Values lie over one another, so what is told is all that they cover. */
static void register_values(emu_program *p, void *const *data) {
  span *spans = RGC_NEW_ARRAY(p->arena, span, p->graph->value_count + 1);
  int count = 0;
  for (int i = 0; i < p->graph->value_count; i++) {
    const rgc_value *v = &p->graph->values[i];
    bool used = v->op >= 0 || v->role != RGC_ROLE_TEMP;
    if (used && data[i]) spans[count++] = (span){data[i], (char *)data[i] + rgc_value_storage_bytes(v)};
  }
  qsort(spans, (size_t)count, sizeof *spans, by_begin);
  for (int i = 0, next; i < count; i = next) {
    char *end = spans[i].end;
    for (next = i + 1; next < count && spans[next].begin <= end; next++)
      if (spans[next].end > end) end = spans[next].end;
    rgc_emu_register(p->emu, "the values", spans[i].begin, (size_t)(end - spans[i].begin));
  }
}

/* $RGC_EMU_SEED and $RGC_EMU_ASYNC (late, early, mixed), for who looks for a mistake. */
static rgc_emu_options choose_options(void) {
  const char *seed = getenv("RGC_EMU_SEED"), *async = getenv("RGC_EMU_ASYNC");
  bool late = async && !strcmp(async, "late"), early = async && !strcmp(async, "early");
  return (rgc_emu_options){.seed = seed ? strtoull(seed, NULL, 10) : 0, .async = late ? RGC_EMU_LATE : early ? RGC_EMU_EARLY : RGC_EMU_MIXED};
}

void *rgc_cuda_emu_create(const rgc_device_memory *memory, const rgc_graph *graph, const rgc_target *target, void *const *data, int threads,
                          rgc_diagnostics *diags) {
  (void)memory, (void)threads;
  return rgc_cuda_emu_create_with(graph, target, data, rgc_cuda_templates, rgc_cuda_template_count, false, diags);
}

void *rgc_cuda_emu_create_with(const rgc_graph *graph, const rgc_target *target, void *const *data, const rgc_template *templates,
                               int template_count, bool watched, rgc_diagnostics *diags) {
  const rgc_cuda_target *cuda = rgc_cuda_target_choose(target->name, diags);
  if (!cuda) return NULL;
  rgc_arena *arena = rgc_arena_create();
  emu_program *p = RGC_NEW(arena, emu_program);
  *p = (emu_program){.arena = arena, .graph = graph, .options = choose_options()};
  double start = rgc_now_seconds();
  p->code = rgc_cuda_emit(graph, cuda, arena, diags);
  p->module = p->code ? build(p->code, templates, template_count, watched, arena, diags) : NULL;
  p->compile_seconds = rgc_now_seconds() - start;
  if (!p->module) return rgc_arena_destroy(arena), NULL;
  p->emu = rgc_emu_create();
  bind(p, data);
  register_values(p, data);
  p->launch_args = rgc_cuda_make_args(p->code, graph, p->args, encode_map, NULL, arena, diags);
  if (p->launch_args) return p;
  rgc_cuda_emu_destroy(p);
  return NULL;
}

void rgc_cuda_emu_destroy(void *program) {
  emu_program *p = program;
  rgc_emu_destroy(p->emu);
  rgc_emu_module_close(p->module);
  rgc_arena_destroy(p->arena);
}

static bool run_launch(emu_program *p, int number, const rgc_emu_options *options, rgc_diagnostics *diags) {
  const rgc_cuda_launch *launch = &p->code->launches[number];
  rgc_emu_launch what = {.kernel = p->code->functions[launch->function].name, .grid = {(unsigned)launch->blocks, 1, 1},
                         .block = {(unsigned)launch->threads, 1, 1}, .shared_bytes = (size_t)launch->shared_bytes,
                         .args = p->launch_args[number], .args_bytes = rgc_tensor_args_bytes(sizeof(kernel_args), launch->map_count)};
  rgc_emu_options own = *options;
  own.seed += p->launches++;
  return rgc_emu_run(p->emu, p->module, &what, &own, diags);
}

static void tell_step(emu_program *p, const rgc_cpu_step *step) {
  memset(p->step, 0, sizeof *p->step);
  memcpy(p->step->scalars, step->scalars, sizeof step->scalars);
  p->step->seed = step->seed;
  p->step->number = step->step;
  p->step->valid = (int)step->scalars[RGC_SCALAR_N_VALID];
}

bool rgc_cuda_emu_try_ops(void *program, const rgc_cpu_step *step, int first, int count, const rgc_emu_options *options,
                          rgc_diagnostics *diags) {
  emu_program *p = program;
  bool good = true;
  tell_step(p, step);
  for (int i = p->code->first_launch[first]; good && i < p->code->first_launch[first + count]; i++) good = run_launch(p, i, options, diags);
  return good;
}

bool rgc_cuda_emu_run_ops(void *program, const rgc_cpu_step *step, int first, int count, rgc_diagnostics *diags) {
  return rgc_cuda_emu_try_ops(program, step, first, count, &((emu_program *)program)->options, diags);
}

bool rgc_cuda_emu_profile(void *program, const rgc_cpu_step *step, double *seconds, rgc_diagnostics *diags) {
  emu_program *p = program;
  for (int i = 0; i < p->graph->op_count; i++) {
    double start = rgc_now_seconds();
    if (!rgc_cuda_emu_run_ops(p, step, i, 1, diags)) return false;
    seconds[i] += rgc_now_seconds() - start;
  }
  return true;
}

void rgc_cuda_emu_tell(const void *program, rgc_device_facts *facts) {
  const emu_program *p = program;
  int functions = p->code->function_count;
  *facts = (rgc_device_facts){.threads = 1, .functions = functions, .compiled = rgc_emu_module_compiled(p->module) ? functions : 0, /* a text has several */
                              .compile_seconds = p->compile_seconds};
}
