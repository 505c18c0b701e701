/* cuda_program.c: see cuda_program.h. */
#include "runtime/device/cuda_program.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/device/cuda_args.h"
#include "runtime/device/cuda_build.h"
#include "runtime/device/cuda_product.h"

enum { LOG_BYTES = 8192, PLAIN_SHARED_BYTES = 48 << 10 }; /* dynamic shared memory that needs no asking for */

const rgc_card_functions rgc_cuda_card_functions = {
    .open = rgc_cuda_memory_open, .close = rgc_cuda_memory_close, .tell_free = rgc_cuda_memory_tell_free, .tell_extra = rgc_cuda_program_tell_extra,
    .resize = rgc_cuda_memory_resize, .upload = rgc_cuda_memory_upload, .download = rgc_cuda_memory_download, .swap = rgc_cuda_memory_swap,
    .copy = rgc_cuda_memory_copy, .stage = rgc_cuda_program_stage,
    .load = rgc_cuda_program_load, .run_step = rgc_cuda_program_run_step};

/* ---- kernels ---- */

/* What to do where the driver takes no kernel of this NVRTC. */
static const char *explain_load(const rgc_cuda_card *card, rgc_arena *arena) {
  rgc_arena *scratch = rgc_arena_create();
  rgc_diagnostics unused;
  rgc_diagnostics_init(&unused, scratch);
  rgc_nvrtc *nvrtc = rgc_nvrtc_open(&unused);
  int made = nvrtc ? rgc_nvrtc_version(nvrtc) : 0, runs = card->driver.version;
  rgc_nvrtc_close(nvrtc);
  rgc_arena_destroy(scratch);
  if (made <= runs) return NULL;
  return rgc_arena_printf(arena,
                          "the driver is of CUDA %d.%d, older than NVRTC %d.%d, which compiled it: update the driver, or let RGC_NVRTC name the NVRTC "
                          "of CUDA %d", runs / 1000, runs % 1000 / 10, made / 1000, made % 1000 / 10, runs / 1000);
}

static bool is_of_another_card(unsigned int result) {
  return result == CUDA_ERROR_INVALID_IMAGE || result == CUDA_ERROR_NO_BINARY_FOR_GPU || result == CUDA_ERROR_UNSUPPORTED_PTX_VERSION;
}

/* What messages call a function. */
static const char *name_function(const rgc_cuda_program *p, int function) {
  return rgc_arena_printf(p->arena, "of kernel %s of %s", p->code->functions[function].name, p->code->functions[function].comment);
}

static bool load_module(rgc_cuda_program *p, int function, const rgc_cubin *cubin, rgc_diagnostics *diags) {
  const rgc_cuda_driver *cu = &p->card->driver;
  char *log = rgc_arena_alloc(p->arena, LOG_BYTES);
  unsigned int options[] = {CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES};
  void *values[] = {log, (void *)(size_t)(LOG_BYTES - 1)};
  unsigned int result = cu->cuModuleLoadDataEx(&p->modules[function], cubin->bytes, 2, options, values);
  if (rgc_cuda_check(cu, result, "cuModuleLoadDataEx", name_function(p, function), diags)) return true;
  rgc_diagnostic *d = &diags->items[diags->count - 1];
  if (*log) d->message = rgc_arena_printf(diags->arena, "%s: %s", d->message, log);
  if (is_of_another_card(result)) d->help = explain_load(p->card, diags->arena);
  return false;
}

/* Functions of one group share a cubin, which is loaded for the first of them. */
static bool load_function(rgc_cuda_program *p, const rgc_cuda_build *build, int function, rgc_diagnostics *diags) {
  int first = 0;
  while (build->cubins[first] != build->cubins[function]) first++;
  if (first == function && !load_module(p, function, build->cubins[function], diags)) return false;
  return RGC_CUDA(&p->card->driver, cuModuleGetFunction, name_function(p, function), diags, &p->functions[function], p->modules[first],
                  p->code->functions[function].name);
}

static bool load_kernels(rgc_cuda_program *p, const rgc_cuda_target *target, rgc_diagnostics *diags) {
  rgc_cuda_build *build = rgc_cuda_build_open(p->code, target, p->arena, diags);
  if (!build) return false;
  p->compiled = build->compiled;
  p->compile_seconds = build->seconds;
  p->modules = RGC_NEW_ARRAY(p->arena, CUmodule, build->count + 1);
  p->functions = RGC_NEW_ARRAY(p->arena, CUfunction, build->count + 1);
  bool good = true;
  for (int i = 0; i < build->count && good; i++) good = load_function(p, build, i, diags);
  return good;
}

const char *rgc_cuda_name_op(const rgc_cuda_program *p, int number, rgc_arena *arena) {
  const rgc_op *op = &p->graph->ops[number];
  return rgc_arena_printf(arena, "%s%s%s%s (line %d)", *op->layer ? op->layer : "no layer", op->word ? " " : "", op->word ? op->word : "",
                          op->backward ? ", backward" : "", op->line);
}

/* "kernel k0123 of layer1.0.conv1, backward (line 12)". */
static const char *name_launch(const rgc_cuda_program *p, const rgc_cuda_launch *launch, rgc_arena *arena) {
  const char *of = launch->op < 0 ? p->code->functions[launch->function].comment : rgc_cuda_name_op(p, launch->op, arena);
  return rgc_arena_printf(arena, "kernel %s of %s", p->code->functions[launch->function].name, of);
}

/* More shared memory than every kernel may have, asked for once a function. */
static bool allow_shared(rgc_cuda_program *p, rgc_diagnostics *diags) {
  bool good = true;
  for (int i = 0; i < p->code->launch_count && good; i++) {
    const rgc_cuda_launch *launch = &p->code->launches[i];
    if (launch->shared_bytes > PLAIN_SHARED_BYTES)
      good = RGC_CUDA(&p->card->driver, cuFuncSetAttribute, name_launch(p, launch, diags->arena), diags, p->functions[launch->function],
                      CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, (int)launch->shared_bytes);
  }
  return good;
}

bool rgc_cuda_program_wait_each(rgc_cuda_program *p, const char *of, rgc_diagnostics *diags) {
  return !p->wait_each || RGC_CUDA(&p->card->driver, cuStreamSynchronize, of, diags, p->card->compute);
}

bool rgc_cuda_program_launch(rgc_cuda_program *p, const rgc_cuda_launch *launch, void *args, rgc_diagnostics *diags) {
  const rgc_cuda_driver *cu = &p->card->driver;
  void *params[] = {args};
  unsigned int result = cu->cuLaunchKernel(p->functions[launch->function], (unsigned int)launch->blocks, 1, 1, (unsigned int)launch->threads, 1, 1,
                                           (unsigned int)launch->shared_bytes, p->card->compute, params, NULL);
  p->card->asked++;
  if (result) return rgc_cuda_check(cu, result, "cuLaunchKernel", name_launch(p, launch, diags->arena), diags);
  return !p->wait_each || rgc_cuda_program_wait_each(p, name_launch(p, launch, diags->arena), diags);
}

/* ---- programs ---- */

/* Where the card has what the process sees at `host`. */
static CUdeviceptr find_place(const rgc_device_memory *memory, const rgc_cuda_card *card, const char *host) {
  for (int r = 0; r < RGC_REGION_COUNT; r++) {
    const char *begin = memory->host[r];
    if (begin && host >= begin && host < begin + memory->size_bytes[r]) return card->regions[r] + (CUdeviceptr)(host - begin);
  }
  return 0;
}

static void bind(rgc_cuda_program *p, const rgc_device_memory *memory, void *const *data) {
  const rgc_graph *graph = p->graph;
  p->data = RGC_NEW_ARRAY(p->arena, CUdeviceptr, graph->value_count + 1);
  p->args = RGC_NEW_ARRAY(p->arena, kernel_args, graph->op_count + 1);
  for (int i = 0; i < graph->value_count; i++) p->data[i] = find_place(memory, p->card, data[i]);
  for (int i = 0; i < graph->op_count; i++) {
    const rgc_op *op = &graph->ops[i];
    p->args[i] = (kernel_args){.workspace = (float *)p->workspace, .step = (const kernel_step *)p->step};
    for (int k = 0; k < op->input_count; k++) p->args[i].operands[k] = (const float *)p->data[op->inputs[k]];
    for (int k = 0; k < op->output_count; k++) p->args[i].outputs[k] = (float *)p->data[op->outputs[k]];
  }
}

/* Dense bf16 in boxes 128 bytes wide. Corners and steps go from the innermost dimension on, as sizes do: W, then H. */
static bool encode_map(void *context, void *map, const rgc_tensor_map *what, const void *base, const char *of, rgc_diagnostics *diags) {
  const rgc_cuda_program *p = context;
  bool im2col = what->rank == RGC_TENSOR_MAP_IM2COL;
  uint64_t sizes[4], strides[4], bytes = 2;
  unsigned int box[3], steps[4] = {1, 1, 1, 1}, rank = (unsigned int)what->rank;
  for (int i = 0; i < what->rank; i++) {
    sizes[i] = (uint64_t)what->size[i];
    strides[i] = bytes *= sizes[i];
  }
  if (!im2col) {
    for (int i = 0; i < what->rank; i++) box[i] = (unsigned int)what->box[i];
    return RGC_CUDA(&p->card->driver, cuTensorMapEncodeTiled, of, diags, map, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, rank, (void *)base, sizes, strides, box, steps,
                    CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B, CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  }
  steps[1] = steps[2] = (unsigned int)what->stride;
  return RGC_CUDA(&p->card->driver, cuTensorMapEncodeIm2col, of, diags, map, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, rank, (void *)base, sizes, strides, what->lower,
                  what->upper, RGC_TENSOR_BOX_ELEMS, (unsigned int)what->pixels, steps, CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
                  CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
}

/* What launches and products take, which are one after another. */
static int64_t workspace_bytes(rgc_cuda_card *card, const rgc_cuda_code *code, rgc_diagnostics *diags) {
  int64_t products = rgc_cuda_products_bytes(card, code, diags);
  return products > code->workspace_bytes ? products : code->workspace_bytes;
}

static bool make_step(rgc_cuda_program *p, rgc_diagnostics *diags) {
  const rgc_cuda_driver *cu = &p->card->driver;
  bool good = rgc_cuda_card_allocate(p->card, &p->step, sizeof(kernel_step), "the numbers of a step", diags) &&
              rgc_cuda_card_allocate(p->card, &p->workspace, workspace_bytes(p->card, p->code, diags), "a workspace", diags);
  for (int i = 0; i < 2 && good; i++)
    good = RGC_CUDA(cu, cuMemHostAlloc, NULL, diags, (void **)&p->step_pinned[i], sizeof(kernel_step), 0) &&
           RGC_CUDA(cu, cuEventCreate, NULL, diags, &p->step_copied[i], CU_EVENT_DISABLE_TIMING);
  for (int i = 0; i < RGC_DEVICE_SLOTS && good; i++) good = rgc_cuda_slot_open(p, &p->slots[i], diags);
  return good;
}

bool rgc_cuda_program_tell_extra(void *card, const rgc_graph *graph, const rgc_target *target, int64_t *bytes, rgc_diagnostics *diags) {
  const rgc_cuda_target *cuda = rgc_cuda_target_choose(target->name, diags);
  rgc_arena *scratch = rgc_arena_create();
  const rgc_cuda_code *code = cuda && rgc_cuda_card_enter(card, diags) ? rgc_cuda_emit(graph, cuda, scratch, diags) : NULL;
  *bytes = code ? workspace_bytes(card, code, diags) + (int64_t)sizeof(kernel_step) + RGC_DEVICE_SLOTS * rgc_cuda_slot_bytes(graph) : 0;
  rgc_arena_destroy(scratch);
  return code != NULL;
}

static bool is_set(const char *name, const char *to) {
  const char *value = getenv(name);
  return value && !strcmp(value, to);
}

void *rgc_cuda_program_create(const rgc_device_memory *memory, const rgc_graph *graph, const rgc_target *target, void *const *data, int threads,
                              rgc_diagnostics *diags) {
  (void)threads;
  const rgc_cuda_target *cuda = rgc_cuda_target_choose(target->name, diags);
  if (!cuda || !rgc_cuda_card_enter(memory->card, diags)) return NULL;
  rgc_arena *arena = rgc_arena_create();
  rgc_cuda_program *p = RGC_NEW(arena, rgc_cuda_program);
  *p = (rgc_cuda_program){.arena = arena, .target = cuda, .card = memory->card, .graph = graph, .wait_each = is_set("RGC_CUDA_SYNC", "1")};
  p->one_by_one = p->wait_each || is_set("RGC_CUDA_GRAPH", "0");
  p->code = rgc_cuda_emit(graph, cuda, arena, diags);
  if (!p->code || !load_kernels(p, cuda, diags) || !allow_shared(p, diags) || !make_step(p, diags)) return rgc_cuda_program_destroy(p), NULL;
  bind(p, memory, data);
  p->launch_args = rgc_cuda_make_args(p->code, graph, p->args, encode_map, p, arena, diags);
  if (!p->launch_args || !rgc_cuda_products_open(p, diags)) return rgc_cuda_program_destroy(p), NULL;
  return p;
}

void rgc_cuda_program_forget_graphs(rgc_cuda_program *p) {
  for (int i = 0; i < 4; i++) {
    CUgraphExec *graph = &p->graphs[i / 2][i % 2];
    if (*graph) p->card->driver.cuGraphExecDestroy(*graph);
    *graph = NULL;
  }
  p->started[false] = p->started[true] = false;
}

void rgc_cuda_program_destroy(void *program) {
  rgc_cuda_program *p = program;
  const rgc_cuda_driver *cu = &p->card->driver;
  cu->cuCtxSetCurrent(p->card->context);
  cu->cuStreamSynchronize(p->card->copy);
  cu->cuStreamSynchronize(p->card->compute);
  rgc_cuda_program_forget_graphs(p);
  rgc_cuda_products_close(p);
  for (int i = 0; i < RGC_DEVICE_SLOTS; i++) rgc_cuda_slot_close(p, &p->slots[i]);
  for (int i = 0; i < 2; i++) {
    if (p->step_pinned[i]) cu->cuMemFreeHost(p->step_pinned[i]);
    if (p->step_copied[i]) cu->cuEventDestroy(p->step_copied[i]);
  }
  if (p->workspace) cu->cuMemFree(p->workspace);
  if (p->step) cu->cuMemFree(p->step);
  for (int i = 0; p->modules && i < p->code->function_count; i++)
    if (p->modules[i]) cu->cuModuleUnload(p->modules[i]);
  rgc_arena_destroy(p->arena);
}

/* ---- runs ---- */

/* The numbers of the next run, in the order of the stream. */
static bool tell_step(rgc_cuda_program *p, const rgc_cpu_step *step, rgc_diagnostics *diags) {
  const rgc_cuda_driver *cu = &p->card->driver;
  int turn = p->step_turn;
  kernel_step *to = p->step_pinned[turn];
  p->step_turn = !turn;
  if (!RGC_CUDA(cu, cuEventSynchronize, "for the numbers of a step", diags, p->step_copied[turn])) return false;
  memset(to, 0, sizeof *to);
  memcpy(to->scalars, step->scalars, sizeof step->scalars);
  to->seed = step->seed;
  to->number = step->step;
  to->valid = (int)step->scalars[RGC_SCALAR_N_VALID];
  return RGC_CUDA(cu, cuMemcpyHtoDAsync, "of the numbers of a step", diags, p->step, to, sizeof *to, p->card->compute) &&
         RGC_CUDA(cu, cuEventRecord, NULL, diags, p->step_copied[turn], p->card->compute);
}

bool rgc_cuda_program_launch_own(rgc_cuda_program *p, int op, rgc_diagnostics *diags) {
  bool good = true;
  for (int i = p->code->first_launch[op]; i < p->code->first_launch[op + 1] && good; i++)
    good = rgc_cuda_program_launch(p, &p->code->launches[i], p->launch_args[i], diags);
  return good;
}

/* full: all samples count. */
static bool launch_op(rgc_cuda_program *p, int op, bool full, rgc_diagnostics *diags) {
  const rgc_cuda_product *product = rgc_cuda_product_of(p, op, full);
  return product ? rgc_cuda_product_launch(p, product, &product->choice, diags) : rgc_cuda_program_launch_own(p, op, diags);
}

/* loss -1: no guard. */
static bool launch_ops(rgc_cuda_program *p, int first, int count, int loss, bool full, rgc_diagnostics *diags) {
  int guarded = loss < 0 ? -1 : p->graph->values[loss].op;
  kernel_args guard = {.step = (const kernel_step *)p->step, .outputs = {(float *)p->step}};
  if (loss >= 0) guard.operands[0] = (const float *)p->data[loss];
  bool good = true;
  for (int i = first; i < first + count && good; i++)
    good = launch_op(p, i, full, diags) && (i != guarded || rgc_cuda_program_launch(p, &p->code->guard, &guard, diags));
  return good;
}

static bool capture(rgc_cuda_program *p, int loss, bool full, CUgraphExec *made, rgc_diagnostics *diags) {
  const rgc_cuda_driver *cu = &p->card->driver;
  CUgraph graph = NULL;
  if (!RGC_CUDA(cu, cuStreamBeginCapture, NULL, diags, p->card->compute, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL)) return false;
  bool good = launch_ops(p, 0, p->graph->op_count, loss, full, diags);
  good = RGC_CUDA(cu, cuStreamEndCapture, NULL, diags, p->card->compute, &graph) && good;
  good = good && RGC_CUDA(cu, cuGraphInstantiateWithFlags, NULL, diags, made, graph, 0);
  if (graph) cu->cuGraphDestroy(graph);
  return good;
}

static bool is_full(const rgc_cuda_program *p, const rgc_cpu_step *step) { return (int64_t)step->scalars[RGC_SCALAR_N_VALID] >= p->graph->batch; }

bool rgc_cuda_program_begin(rgc_cuda_program *p, const rgc_cpu_step *step, rgc_diagnostics *diags) {
  return rgc_cuda_card_enter(p->card, diags) && tell_step(p, step, diags);
}

/* All ops, as a graph. */
static bool run_whole(rgc_cuda_program *p, const rgc_cpu_step *step, int loss, rgc_diagnostics *diags) {
  bool full = is_full(p, step), alone = p->one_by_one || (p->products && !p->started[full] && !p->started[true]);
  CUgraphExec *graph = &p->graphs[loss >= 0][full];
  p->started[full] = true;
  if (!rgc_cuda_program_begin(p, step, diags)) return false;
  if (alone) return launch_ops(p, 0, p->graph->op_count, loss, full, diags);
  if (!*graph && !capture(p, loss, full, graph, diags)) return false;
  p->card->asked += p->code->launch_count;
  return RGC_CUDA(&p->card->driver, cuGraphLaunch, NULL, diags, *graph, p->card->compute);
}

bool rgc_cuda_program_run_ops(void *program, const rgc_cpu_step *step, int first, int count, rgc_diagnostics *diags) {
  rgc_cuda_program *p = program;
  if (count == p->graph->op_count) return run_whole(p, step, -1, diags);
  return rgc_cuda_program_begin(p, step, diags) && launch_ops(p, first, count, -1, is_full(p, step), diags);
}

bool rgc_cuda_program_run_step(void *program, const rgc_cpu_step *step, int loss, rgc_diagnostics *diags) {
  return run_whole(program, step, loss, diags);
}

/* Events between the ops, on the card's own clock. */
bool rgc_cuda_program_profile(void *program, const rgc_cpu_step *step, double *seconds, rgc_diagnostics *diags) {
  rgc_cuda_program *p = program;
  const rgc_cuda_driver *cu = &p->card->driver;
  int count = p->graph->op_count;
  rgc_arena *scratch = rgc_arena_create();
  CUevent *events = RGC_NEW_ARRAY(scratch, CUevent, count + 1);
  bool good = rgc_cuda_program_begin(p, step, diags);
  for (int i = 0; i <= count && good; i++) {
    good = RGC_CUDA(cu, cuEventCreate, NULL, diags, &events[i], CU_EVENT_DEFAULT) && RGC_CUDA(cu, cuEventRecord, NULL, diags, events[i], p->card->compute);
    if (i < count) good = good && launch_op(p, i, is_full(p, step), diags);
  }
  good = good && rgc_cuda_card_wait(p->card, p->card->compute, diags);
  for (int i = 0; i < count && good; i++) {
    float milliseconds = 0;
    good = RGC_CUDA(cu, cuEventElapsedTime, NULL, diags, &milliseconds, events[i], events[i + 1]);
    seconds[i] += 1e-3 * (double)milliseconds;
  }
  for (int i = 0; i <= count; i++)
    if (events[i]) cu->cuEventDestroy(events[i]);
  rgc_arena_destroy(scratch);
  return good;
}

void rgc_cuda_program_tell(const void *program, rgc_device_facts *facts) {
  const rgc_cuda_program *p = program;
  *facts = (rgc_device_facts){.threads = 1, .functions = p->code->function_count, .compiled = p->compiled, .compile_seconds = p->compile_seconds};
  for (int i = 0; i < p->graph->op_count; i++) facts->products += rgc_cuda_product_of(p, i, true) != NULL;
}

const char *rgc_cuda_program_tell_library(const void *program, int op) { return rgc_cuda_product_of(program, op, true) ? "cuBLAS" : NULL; }
