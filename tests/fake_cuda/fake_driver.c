/* fake_driver.c: the driver's functions. See fake.h; what they do is told by NVIDIA's documentation of the real ones. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/device/emu/emu_module.h"
#include "tests/fake_cuda/fake.h"

static int streams;        /* that there are */
static struct CUctx_st primary;
static _Thread_local CUcontext current;
static unsigned int stuck; /* an error of the card, which stays */
static int captures;       /* under way */
CUmodule fake_modules;
static CUfunction all_functions;

long fake_number(const char *variable, long otherwise) {
  const char *value = getenv(variable);
  return value && *value ? strtol(value, NULL, 10) : otherwise;
}

rgc_emu *fake_emu(void) { return primary.emu; }
void fake_stick(unsigned int error) { stuck = error; }

void fake_trace(const char *format, ...) {
  const char *path = getenv("RGC_FAKE_CUDA_TRACE");
  FILE *to = path && *path ? fopen(path, "a") : NULL;
  if (!to) return;
  va_list args;
  va_start(args, format);
  vfprintf(to, format, args);
  va_end(args);
  fputc('\n', to);
  fclose(to);
}

/* Whether RGC_FAKE_CUDA_FAIL says that this call fails; its error, else 0. */
static unsigned int planned_failure(const char *call) {
  static int counted;
  static char counted_for[128];
  const char *plan = getenv("RGC_FAKE_CUDA_FAIL");
  char name[64];
  int nth, error;
  if (plan && strcmp(plan, counted_for)) snprintf(counted_for, sizeof counted_for, "%s", plan), counted = 0; /* another plan begins anew */
  if (!plan || sscanf(plan, "%63[^:]:%d=%d", name, &nth, &error) != 3 || strcmp(name, call)) return 0;
  return ++counted == nth ? (unsigned int)error : 0;
}

bool fake_kernel_fails(void) { return planned_failure("kernel") != 0; }

unsigned int fake_enter(const char *call, bool needs_context) {
  fake_trace("%s", call);
  if (stuck) return stuck;
  if (needs_context && !current) return INVALID_CONTEXT;
  return planned_failure(call);
}

#define ENTER(call, needs_context)                              \
  do {                                                          \
    unsigned int error = fake_enter(#call, needs_context);      \
    if (error) return error;                                    \
  } while (0)
/* What the real driver refuses while this thread captures. */
#define REFUSE_IN_CAPTURE() \
  if (captures) return CAPTURE_UNSUPPORTED

/* ---- the card ---- */

FAKE_API cuInit(unsigned int flags) {
  ENTER(cuInit, false);
  return flags ? INVALID_VALUE : CUDA_SUCCESS;
}

FAKE_API cuDriverGetVersion(int *version) {
  *version = (int)fake_number("RGC_FAKE_CUDA_VERSION", FAKE_NVRTC_VERSION);
  return CUDA_SUCCESS;
}

typedef struct error_row {
  unsigned int error;
  const char *name, *words;
} error_row;

static const error_row errors[] = {{CUDA_SUCCESS, "CUDA_SUCCESS", "no error"},
                                   {INVALID_VALUE, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
                                   {CUDA_ERROR_OUT_OF_MEMORY, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
                                   {CUDA_ERROR_NO_DEVICE, "CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"},
                                   {CUDA_ERROR_INVALID_IMAGE, "CUDA_ERROR_INVALID_IMAGE", "device kernel image is invalid"},
                                   {INVALID_CONTEXT, "CUDA_ERROR_INVALID_CONTEXT", "invalid device context"},
                                   {CUDA_ERROR_NO_BINARY_FOR_GPU, "CUDA_ERROR_NO_BINARY_FOR_GPU", "no kernel image is available for execution on the device"},
                                   {INVALID_HANDLE, "CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"},
                                   {NOT_FOUND, "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
                                   {ILLEGAL_ADDRESS, "CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered"},
                                   {701, "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES", "too many resources requested for launch"},
                                   {CAPTURE_UNSUPPORTED, "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED", "operation not permitted when stream is capturing"},
                                   {CAPTURE_ISOLATION, "CUDA_ERROR_STREAM_CAPTURE_ISOLATION", "dependency created on uncaptured work in another stream"}};

static const error_row *find_error(unsigned int error) {
  for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
    if (errors[i].error == error) return &errors[i];
  return NULL;
}

FAKE_API cuGetErrorName(unsigned int error, const char **name) {
  const error_row *row = find_error(error);
  *name = row ? row->name : NULL;
  return row ? CUDA_SUCCESS : INVALID_VALUE;
}

FAKE_API cuGetErrorString(unsigned int error, const char **words) {
  const error_row *row = find_error(error);
  *words = row ? row->words : NULL;
  return row ? CUDA_SUCCESS : INVALID_VALUE;
}

FAKE_API cuDeviceGetCount(int *count) {
  ENTER(cuDeviceGetCount, false);
  *count = 1;
  return CUDA_SUCCESS;
}

FAKE_API cuDeviceGet(CUdevice *device, int number) {
  ENTER(cuDeviceGet, false);
  *device = number;
  return CUDA_SUCCESS;
}

FAKE_API cuDeviceGetName(char *name, int room, CUdevice device) {
  (void)device;
  ENTER(cuDeviceGetName, false);
  snprintf(name, (size_t)room, "Fake GPU");
  return CUDA_SUCCESS;
}

FAKE_API cuDeviceGetAttribute(int *value, unsigned int attribute, CUdevice device) {
  (void)device;
  ENTER(cuDeviceGetAttribute, false);
  int sm = (int)fake_number("RGC_FAKE_CUDA_SM", 80);
  *value = attribute == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR ? sm / 10 : sm % 10;
  return CUDA_SUCCESS;
}

FAKE_API cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice device) {
  (void)device;
  ENTER(cuDevicePrimaryCtxRetain, false);
  if (!primary.users++ && !primary.emu) primary.emu = rgc_emu_create();
  *context = &primary;
  return CUDA_SUCCESS;
}

FAKE_API cuDevicePrimaryCtxRelease_v2(CUdevice device) {
  (void)device;
  fake_trace("cuDevicePrimaryCtxRelease");
  if (--primary.users) return CUDA_SUCCESS;
  int left = fake_memory_left();
  if (left) fprintf(stderr, "fake driver: %d allocations were not given back\n", left);
  current = NULL;
  stuck = 0;
  return CUDA_SUCCESS;
}

FAKE_API cuCtxSetCurrent(CUcontext context) {
  ENTER(cuCtxSetCurrent, false);
  current = context;
  return CUDA_SUCCESS;
}

/* ---- memory ---- */

static size_t card_bytes(void) { return (size_t)fake_number("RGC_FAKE_CUDA_MEMORY", 1l << 30); }

FAKE_API cuMemGetInfo_v2(size_t *free_bytes, size_t *total_bytes) {
  ENTER(cuMemGetInfo, true);
  *total_bytes = card_bytes();
  *free_bytes = card_bytes() - fake_memory_used();
  return CUDA_SUCCESS;
}

FAKE_API cuMemAlloc_v2(CUdeviceptr *made, size_t size_bytes) {
  ENTER(cuMemAlloc, true);
  REFUSE_IN_CAPTURE();
  void *memory;
  if (!size_bytes) return INVALID_VALUE;
  if (size_bytes > card_bytes() - fake_memory_used()) return CUDA_ERROR_OUT_OF_MEMORY;
  unsigned int error = fake_allocate(primary.emu, size_bytes, &memory);
  *made = (CUdeviceptr)(uintptr_t)memory;
  return error;
}

FAKE_API cuMemFree_v2(CUdeviceptr memory) {
  fake_trace("cuMemFree");
  REFUSE_IN_CAPTURE();
  return fake_free(primary.emu, (void *)(uintptr_t)memory) ? CUDA_SUCCESS : INVALID_VALUE;
}

FAKE_API cuMemHostAlloc(void **made, size_t size_bytes, unsigned int flags) {
  (void)flags;
  ENTER(cuMemHostAlloc, true);
  REFUSE_IN_CAPTURE();
  *made = calloc(1, size_bytes);
  fake_pin(*made, size_bytes);
  return CUDA_SUCCESS;
}

FAKE_API cuMemFreeHost(void *memory) {
  fake_trace("cuMemFreeHost");
  if (!fake_unpin(memory)) return INVALID_VALUE;
  free(memory);
  return CUDA_SUCCESS;
}

/* Waits for nothing: streams made without blocking go their own way. */
FAKE_API cuMemcpyDtoH_v2(void *to, CUdeviceptr from, size_t size_bytes) {
  ENTER(cuMemcpyDtoH, true);
  REFUSE_IN_CAPTURE();
  if (!fake_is_device((void *)(uintptr_t)from, size_bytes)) return INVALID_VALUE;
  fake_open_memory();
  memcpy(to, (void *)(uintptr_t)from, size_bytes);
  fake_close_memory();
  return CUDA_SUCCESS;
}

static unsigned int ask_copy(CUdeviceptr to, const void *from, size_t size_bytes, bool from_host, CUstream stream) {
  fake_operation o = {.kind = FAKE_COPY, .to = (void *)(uintptr_t)to, .from = from, .size_bytes = size_bytes};
  if (!fake_is_device(o.to, size_bytes) || (!from_host && !fake_is_device(from, size_bytes))) return INVALID_VALUE;
  if (from_host && !fake_is_pinned(from, size_bytes)) o.from = o.owned = memcpy(malloc(size_bytes + 1), from, size_bytes);
  fake_trace("  %zu bytes from %s", size_bytes, !from_host ? "the card" : o.owned ? "pageable memory" : "pinned memory");
  return fake_ask(stream, o);
}

FAKE_API cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void *from, size_t size_bytes, CUstream stream) {
  ENTER(cuMemcpyHtoDAsync, true);
  return ask_copy(to, from, size_bytes, true, stream);
}

FAKE_API cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, size_t size_bytes, CUstream stream) {
  ENTER(cuMemcpyDtoDAsync, true);
  return ask_copy(to, (const void *)(uintptr_t)from, size_bytes, false, stream);
}

FAKE_API cuMemsetD8Async(CUdeviceptr to, unsigned char value, size_t size_bytes, CUstream stream) {
  ENTER(cuMemsetD8Async, true);
  fake_operation o = {.kind = FAKE_SET, .to = (void *)(uintptr_t)to, .size_bytes = size_bytes, .value = value};
  return fake_is_device(o.to, size_bytes) ? fake_ask(stream, o) : INVALID_VALUE;
}

/* ---- streams and events ---- */

FAKE_API cuStreamCreate(CUstream *made, unsigned int flags) {
  ENTER(cuStreamCreate, true);
  if (flags != CU_STREAM_NON_BLOCKING) return INVALID_VALUE; /* the fake's streams know no default stream */
  *made = calloc(1, sizeof **made);
  (*made)->number = ++streams;
  return CUDA_SUCCESS;
}

FAKE_API cuStreamDestroy_v2(CUstream stream) {
  fake_trace("cuStreamDestroy");
  if (!stuck) fake_run_stream(stream, stream->asked.count);
  fake_operations_free(&stream->asked);
  free(stream);
  streams--;
  return CUDA_SUCCESS;
}

FAKE_API cuStreamSynchronize(CUstream stream) {
  ENTER(cuStreamSynchronize, true);
  if (stream->capture) return stream->capture->invalid = true, CAPTURE_UNSUPPORTED;
  fake_run_stream(stream, stream->asked.count);
  return stuck;
}

/* Whether RGC_FAKE_CUDA_SKIP leaves this wait out: of stream `number`, 0 of the process. */
static bool is_skipped(int number) {
  const char *skip = getenv("RGC_FAKE_CUDA_SKIP");
  return skip && (number ? atoi(skip) == number : !strcmp(skip, "host"));
}

FAKE_API cuStreamWaitEvent(CUstream stream, CUevent event, unsigned int flags) {
  (void)flags;
  ENTER(cuStreamWaitEvent, true);
  if (stream->capture != event->capture) return CAPTURE_ISOLATION;
  if (!event->stream || is_skipped(stream->number)) return CUDA_SUCCESS; /* what was never recorded is over */
  return fake_ask(stream, (fake_operation){.kind = FAKE_WAIT, .other = event->stream, .position = event->position});
}

FAKE_API cuEventCreate(CUevent *made, unsigned int flags) {
  (void)flags;
  ENTER(cuEventCreate, true);
  *made = calloc(1, sizeof **made);
  return CUDA_SUCCESS;
}

FAKE_API cuEventDestroy_v2(CUevent event) {
  fake_trace("cuEventDestroy");
  if (event->stream && !stuck) fake_run_stream(event->stream, event->position);
  free(event);
  return CUDA_SUCCESS;
}

FAKE_API cuEventRecord(CUevent event, CUstream stream) {
  ENTER(cuEventRecord, true);
  event->capture = stream->capture;
  event->stream = stream->capture ? NULL : stream;
  event->position = stream->asked.count + 1;
  return fake_ask(stream, (fake_operation){.kind = FAKE_RECORD, .event = event});
}

FAKE_API cuEventSynchronize(CUevent event) {
  ENTER(cuEventSynchronize, true);
  REFUSE_IN_CAPTURE();
  if (event->stream && !is_skipped(0)) fake_run_stream(event->stream, event->position);
  return stuck;
}

FAKE_API cuEventElapsedTime(float *milliseconds, CUevent begin, CUevent end) {
  ENTER(cuEventElapsedTime, true);
  *milliseconds = (float)(1e3 * (end->seconds - begin->seconds));
  return CUDA_SUCCESS;
}

/* ---- kernels ---- */

static bool image_runs(const fake_image *image) {
  int sm = (int)fake_number("RGC_FAKE_CUDA_SM", 80);
  return image->own ? image->arch == sm : image->arch / 10 == sm / 10 && image->arch <= sm;
}

static void log_error(unsigned int count, const unsigned int *options, void **values, const char *words) {
  size_t room = 0;
  char *log = NULL;
  for (unsigned int i = 0; i < count; i++) {
    if (options[i] == CU_JIT_ERROR_LOG_BUFFER) log = values[i];
    if (options[i] == CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES) room = (size_t)values[i];
  }
  if (log && room) snprintf(log, room, "%s", words);
}

FAKE_API cuModuleLoadDataEx(CUmodule *made, const void *image, unsigned int option_count, unsigned int *options, void **values) {
  ENTER(cuModuleLoadDataEx, true);
  REFUSE_IN_CAPTURE();
  const fake_image *head = image;
  if (memcmp(head->magic, fake_image_magic, sizeof head->magic)) return CUDA_ERROR_INVALID_IMAGE;
  int version;
  cuDriverGetVersion(&version);
  if (version / 1000 < head->nvrtc_version / 1000) {
    log_error(option_count, options, values, "the image is of a later version");
    return CUDA_ERROR_INVALID_IMAGE;
  }
  if (!image_runs(head)) return CUDA_ERROR_NO_BINARY_FOR_GPU;
  const char *text = (const char *)(head + 1);
  for (CUmodule m = fake_modules; m; m = m->next)
    if (!strcmp(m->text, text)) return *made = m, CUDA_SUCCESS; /* of another program: its kernels are built once */
  CUmodule module = calloc(1, sizeof *module);
  *module = (struct CUmod_st){.text = strdup(text), .name = strdup(head->name), .next = fake_modules};
  fake_modules = module;
  return *made = module, CUDA_SUCCESS;
}

/* The module and its functions stay until the process ends: what was asked of a stream may still need them. */
FAKE_API cuModuleUnload(CUmodule module) {
  (void)module;
  fake_trace("cuModuleUnload");
  return CUDA_SUCCESS;
}

FAKE_API cuModuleGetFunction(CUfunction *found, CUmodule module, const char *name) {
  ENTER(cuModuleGetFunction, true);
  if (!strstr(module->text, name)) return NOT_FOUND;
  CUfunction function = calloc(1, sizeof *function);
  *function = (struct CUfunc_st){.module = module, .shared_limit = 48 << 10, .next = all_functions};
  snprintf(function->name, sizeof function->name, "%s", name);
  all_functions = function;
  return *found = function, CUDA_SUCCESS;
}

FAKE_API cuFuncSetAttribute(CUfunction function, unsigned int attribute, int value) {
  ENTER(cuFuncSetAttribute, true);
  if (attribute != CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES || value < 0 || value > RGC_EMU_MAX_SHARED_BYTES) return INVALID_VALUE;
  function->shared_limit = (size_t)value;
  return CUDA_SUCCESS;
}

static unsigned int find_args_bytes(CUfunction function) {
  emu_kernel kernel;
  if (function->args_bytes) return CUDA_SUCCESS;
  if (!fake_build_modules() || !emu_module_find(function->module->built, function->name, &kernel)) return CUDA_ERROR_INVALID_IMAGE;
  function->args_bytes = kernel.limits[1];
  return CUDA_SUCCESS;
}

FAKE_API cuLaunchKernel(CUfunction f, unsigned int grid_x, unsigned int grid_y, unsigned int grid_z, unsigned int block_x, unsigned int block_y,
                        unsigned int block_z, unsigned int shared_bytes, CUstream stream, void **params, void **extra) {
  ENTER(cuLaunchKernel, true);
  (void)extra;
  if (shared_bytes > f->shared_limit || !grid_x || !block_x) return INVALID_VALUE;
  unsigned int error = find_args_bytes(f);
  if (error) return error;
  fake_operation o = {.kind = FAKE_KERNEL, .function = f, .grid = {grid_x, grid_y, grid_z}, .block = {block_x, block_y, block_z}, .shared_bytes = shared_bytes,
                      .size_bytes = f->args_bytes, .owned = memcpy(malloc(f->args_bytes + 1), params[0], f->args_bytes)};
  return fake_ask(stream, o);
}

/* ---- graphs ---- */

FAKE_API cuStreamBeginCapture_v2(CUstream stream, unsigned int mode) {
  ENTER(cuStreamBeginCapture, true);
  if (stream->capture || mode > 2) return INVALID_VALUE;
  stream->capture = calloc(1, sizeof *stream->capture);
  captures++;
  return CUDA_SUCCESS;
}

FAKE_API cuStreamEndCapture(CUstream stream, CUgraph *made) {
  CUgraph graph = stream->capture;
  if (!graph) return INVALID_VALUE;
  stream->capture = NULL;
  captures--;
  *made = graph->invalid ? NULL : graph;
  ENTER(cuStreamEndCapture, true);
  return graph->invalid ? 901 : CUDA_SUCCESS;
}

FAKE_API cuGraphInstantiateWithFlags(CUgraphExec *made, CUgraph graph, unsigned long long flags) {
  ENTER(cuGraphInstantiate, true);
  (void)flags;
  *made = calloc(1, sizeof **made);
  (*made)->nodes = graph->nodes; /* the graph keeps none: rgc gives it away next */
  graph->nodes = (fake_operations){0};
  fake_trace("  a graph of %d nodes", (*made)->nodes.count);
  return CUDA_SUCCESS;
}

FAKE_API cuGraphLaunch(CUgraphExec graph, CUstream stream) {
  ENTER(cuGraphLaunch, true);
  return fake_ask(stream, (fake_operation){.kind = FAKE_GRAPH, .graph = graph});
}

FAKE_API cuGraphExecDestroy(CUgraphExec graph) {
  fake_trace("cuGraphExecDestroy");
  fake_operations_free(&graph->nodes);
  free(graph);
  return CUDA_SUCCESS;
}

FAKE_API cuGraphDestroy(CUgraph graph) {
  fake_trace("cuGraphDestroy");
  fake_operations_free(&graph->nodes);
  free(graph);
  return CUDA_SUCCESS;
}

/* ---- tensor maps: the emulator's own, of what rgc says ---- */

static bool is_dense(const rgc_tensor_map *what, const uint64_t *sizes, const uint64_t *strides) {
  uint64_t bytes = 2;
  for (int i = 0; i < what->rank - 1; i++)
    if (strides[i] != (bytes *= sizes[i])) return false;
  return true;
}

static unsigned int make_map(CUtensorMap *map, rgc_tensor_map *what, const void *base, const uint64_t *sizes, const uint64_t *strides) {
  rgc_arena *arena = rgc_arena_create();
  rgc_diagnostics diags;
  rgc_diagnostics_init(&diags, arena);
  for (int i = 0; i < what->rank; i++) what->size[i] = (int64_t)sizes[i];
  bool good = (uintptr_t)map % RGC_TENSOR_MAP_ALIGN == 0 && is_dense(what, sizes, strides) && rgc_emu_tensor_map(map, what, base, &diags);
  rgc_arena_destroy(arena);
  return good ? CUDA_SUCCESS : INVALID_VALUE;
}

static bool is_ours(unsigned int type, unsigned int interleave, unsigned int swizzle, unsigned int promotion, unsigned int fill) {
  return type == CU_TENSOR_MAP_DATA_TYPE_BFLOAT16 && interleave == CU_TENSOR_MAP_INTERLEAVE_NONE && swizzle == CU_TENSOR_MAP_SWIZZLE_128B &&
         promotion <= CU_TENSOR_MAP_L2_PROMOTION_L2_256B && fill == CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE;
}

FAKE_API cuTensorMapEncodeTiled(CUtensorMap *map, unsigned int type, unsigned int rank, void *base, const uint64_t *sizes, const uint64_t *strides,
                                const unsigned int *box, const unsigned int *steps, unsigned int interleave, unsigned int swizzle, unsigned int promotion,
                                unsigned int fill) {
  ENTER(cuTensorMapEncodeTiled, true);
  rgc_tensor_map what = {.rank = (int)rank};
  if (rank > 3 || !is_ours(type, interleave, swizzle, promotion, fill)) return INVALID_VALUE;
  for (unsigned int i = 0; i < rank; i++) {
    if (steps[i] != 1) return INVALID_VALUE;
    what.box[i] = (int)box[i];
  }
  return make_map(map, &what, base, sizes, strides);
}

FAKE_API cuTensorMapEncodeIm2col(CUtensorMap *map, unsigned int type, unsigned int rank, void *base, const uint64_t *sizes, const uint64_t *strides,
                                 const int *lower, const int *upper, unsigned int channels, unsigned int pixels, const unsigned int *steps,
                                 unsigned int interleave, unsigned int swizzle, unsigned int promotion, unsigned int fill) {
  ENTER(cuTensorMapEncodeIm2col, true);
  rgc_tensor_map what = {.rank = RGC_TENSOR_MAP_IM2COL, .pixels = (int)pixels, .lower = {lower[0], lower[1]}, .upper = {upper[0], upper[1]}, .stride = (int)steps[1]};
  if (rank != 4 || channels != RGC_TENSOR_BOX_ELEMS || steps[0] != 1 || steps[1] != steps[2] || !is_ours(type, interleave, swizzle, promotion, fill))
    return INVALID_VALUE;
  return make_map(map, &what, base, sizes, strides);
}
