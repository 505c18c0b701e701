/* bench.c: how fast a network's programs are, on random data: rgc_model_bench, rgc_model_tune and rgc_model_peak of rgc.h. */
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/graph/graph_text.h"
#include "compiler/passes/cost.h"
#include "compiler/passes/matmul.h"
#include "runtime/reference/philox.h"
#include "runtime/train/model.h"

static int compare(const void *a, const void *b) {
  return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b);
}

static double median(double *numbers, int count) {
  qsort(numbers, (size_t)count, sizeof *numbers, compare);
  return numbers[count / 2];
}

static bool fill_input(const rgc_model *model, const rgc_model_program *program, rgc_diagnostics *diags) {
  bool good = true;
  const rgc_value *input = &program->program->graph->values[program->input];
  float *x = program->data[program->input];
  for (int64_t e = 0; e < rgc_shape_elems(input->shape); e++) x[e] = (float)(2 * rgc_philox_uniform(1, 0, 0, (uint64_t)e) - 1);
  for (int k = 0; k < model->network->class_set_count; k++) {
    int32_t *label = program->outputs[k].label < 0 ? NULL : program->data[program->outputs[k].label];
    for (int64_t i = 0; label && i < model->batch; i++) label[i] = (int32_t)(i % model->network->classes[k].count);
    if (label) good = good && rgc_device_write(program->run, program->outputs[k].label, diags);
  }
  return good && rgc_device_write(program->run, program->input, diags);
}

/* A step that changes the weights very little, so that repeats compute on the same kind of numbers. */
static rgc_cpu_step make_step(const rgc_model *model) {
  rgc_cpu_step step = {.seed = 1};
  step.scalars[RGC_SCALAR_LR] = 1e-9f;
  step.scalars[RGC_SCALAR_BIAS1] = step.scalars[RGC_SCALAR_BIAS2] = 1;
  rgc_cpu_step_set_valid(&step, model->batch);
  return step;
}

static const char *kind_word(const rgc_kernel *kernel) {
  const char *gradient = rgc_kernel_gradient(kernel);
  return gradient ? gradient : rgc_kernel_words[kernel->kind];
}

static bool bench_ops(const rgc_model_program *program, const rgc_cpu_step *step, int repeats, rgc_bench_result *result, rgc_diagnostics *diags) {
  rgc_arena *arena = rgc_arena_create();
  const rgc_graph *graph = program->program->graph;
  int count = graph->op_count;
  double *seconds = RGC_NEW_ARRAY(arena, double, count * repeats), *column = RGC_NEW_ARRAY(arena, double, repeats);
  bool good = true;
  for (int r = 0; r < repeats && good; r++) good = rgc_device_profile(program->run, step, seconds + r * count, diags);
  result->each = calloc((size_t)count, sizeof *result->each);
  result->each_count = result->each ? count : 0;
  for (int i = 0; i < result->each_count; i++) {
    for (int r = 0; r < repeats; r++) column[r] = seconds[r * count + i];
    const rgc_op *op = &graph->ops[i];
    result->each[i] = (rgc_bench_kernel){.layer = op->layer ? op->layer : "", .kind = kind_word(op->kernel), .seconds = median(column, repeats),
                                         .flops = rgc_kernel_flops(op->kernel), .bytes = (double)rgc_op_bytes(graph, op),
                                         .library = rgc_device_tell_library(program->run, i)};
  }
  rgc_arena_destroy(arena);
  return good;
}

bool rgc_model_bench(rgc_model *model, bool train, int repeats, bool with_kernels, rgc_bench_result *result, rgc_diagnostics *diags) {
  const rgc_model_program *program = rgc_model_program_of(model, !train, diags);
  if (!program) return false;
  if (repeats < 1) return rgc_diag_fail(diags, RGC_CODE_USAGE, NULL, NULL, "at least one run is needed to time");
  rgc_cpu_step step = make_step(model);
  rgc_arena *arena = rgc_arena_create();
  double *seconds = RGC_NEW_ARRAY(arena, double, repeats);
  *result = (rgc_bench_result){.kernels = program->program->graph->op_count, .products = rgc_device_tell(program->run).products};
  if (train) model->folded = false;
  bool good = train || rgc_model_fold(model, diags);
  for (int r = -1; good && r < repeats; r++) {
    good = fill_input(model, program, diags); /* other values lie over it once it was read */
    double begun = omp_get_wtime();
    good = good && rgc_device_run(program->run, &step, diags) && rgc_device_read(program->run, train ? program->loss : program->logits, diags);
    if (r >= 0) seconds[r] = omp_get_wtime() - begun;
  }
  result->seconds = median(seconds, repeats);
  rgc_arena_destroy(arena);
  return good && (!with_kernels || bench_ops(program, &step, repeats, result, diags));
}

static const char *name_product(const rgc_model *model, const rgc_graph *graph, const rgc_op *op) {
  rgc_matmul product;
  rgc_text text = {0};
  if (rgc_matmul_find(graph, op, model->target, &product)) rgc_matmul_print(&product, &text);
  return rgc_text_take(&text, model->arena);
}

bool rgc_model_tune(rgc_model *model, bool train, rgc_tuned_product **products, int *count, rgc_diagnostics *diags) {
  const rgc_model_program *program = rgc_model_program_of(model, !train, diags);
  *products = NULL, *count = 0;
  if (!program) return false;
  const rgc_graph *graph = program->program->graph;
  rgc_arena *arena = rgc_arena_create();
  rgc_device_tuned *tuned = RGC_NEW_ARRAY(arena, rgc_device_tuned, graph->op_count + 1);
  rgc_cpu_step step = make_step(model);
  bool good = rgc_device_tune(program->run, &step, tuned, diags);
  if (good) *products = calloc((size_t)graph->op_count, sizeof **products);
  for (int i = 0; *products && i < graph->op_count; i++) {
    const rgc_op *op = &graph->ops[i];
    if (tuned[i].algorithms < 0) continue;
    (*products)[(*count)++] = (rgc_tuned_product){.layer = op->layer ? op->layer : "", .product = name_product(model, graph, op), .algorithms = tuned[i].algorithms,
                                                  .seconds = tuned[i].seconds, .own_seconds = tuned[i].own_seconds, .library = tuned[i].library};
  }
  rgc_arena_destroy(arena);
  return good;
}

bool rgc_model_peak(const rgc_model *model, rgc_peak *peak, rgc_diagnostics *diags) {
  rgc_device_peak measured = {0};
  if (!model->device->measure)
    return rgc_diag_fail(diags, RGC_CODE_DEVICE, NULL, NULL, "what device %s can do at most cannot be measured", model->device->name);
  bool good = model->device->measure(&model->memory, model->target, rgc_device_tell(model->infer.run).threads, &measured, diags);
  *peak = (rgc_peak){.gflops = measured.flops * 1e-9, .gbytes = measured.bytes * 1e-9};
  return good;
}
