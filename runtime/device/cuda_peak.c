/* cuda_peak.c: a copy of what no cache holds, and bf16 products on all tensor cores; the best of some rounds each, by the card's clock. */
#include "runtime/device/cuda_peak.h"

#include <string.h>

#include "codegen/cuda/templates/kernel_args.cuh"
#include "runtime/device/cuda_build.h"

enum { THREADS = 256, MMA_CHAINS = 8, KERNELS = 2 };

/* 16 blocks for each of 132 processors. */
static const rgc_cuda_peak_work usual_work = {.copy_bytes = 512 << 20, .blocks = 2112, .mma_steps = 2000, .rounds = 7};

static const char *const names[KERNELS] = {"peak_copy", "peak_mma"};

/* Bytes moved, floating-point operations done. */
static double amount(const rgc_cuda_peak_work *work, int kernel) {
  return kernel == 0 ? 2.0 * (double)work->copy_bytes : (double)work->blocks * (THREADS / 32) * work->mma_steps * MMA_CHAINS * (2.0 * 16 * 8 * 16);
}

static rgc_cuda_code *peak_code(const rgc_cuda_peak_work *work, rgc_arena *arena) {
  static const char head[] = "#include \"codegen/cuda/templates/expression.cuh\"\n\n#define KERNEL_NAME";
  rgc_cuda_code *code = RGC_NEW(arena, rgc_cuda_code);
  code->functions = RGC_NEW_ARRAY(arena, rgc_function, KERNELS);
  code->function_count = KERNELS;
  for (int k = 0; k < KERNELS; k++) code->functions[k] = (rgc_function){.name = names[k], .template_name = names[k], .comment = "measuring the card"};
  code->functions[0].text = rgc_arena_printf(arena, "%s %s\n#define COPY_VECTORS %lldu\n#include \"codegen/cuda/templates/peak_copy.cuh\"\n", head, names[0],
                                             (long long)work->copy_bytes / 16);
  code->functions[1].text = rgc_arena_printf(arena, "%s %s\n#define MMA_STEPS %d\n#define MMA_CHAINS %d\n#include \"codegen/cuda/templates/peak_mma.cuh\"\n", head,
                                             names[1], work->mma_steps, MMA_CHAINS);
  return code;
}

/* What a measurement holds on the card. */
typedef struct bench {
  rgc_cuda_card *card;
  const rgc_cuda_peak_work *work;
  CUmodule modules[KERNELS];
  CUdeviceptr from, to;
  CUevent begin, end;
} bench;

static bool open(bench *b, const rgc_cuda_target *target, rgc_arena *arena, rgc_diagnostics *diags) {
  const rgc_cuda_driver *cu = &b->card->driver;
  rgc_cuda_build *build = rgc_cuda_build_open(peak_code(b->work, arena), target, arena, diags);
  bool good = build != NULL;
  for (int k = 0; k < KERNELS && good; k++)
    good = RGC_CUDA(cu, cuModuleLoadDataEx, names[k], diags, &b->modules[k], build->cubins[k]->bytes, 0, NULL, NULL);
  return good && rgc_cuda_card_allocate(b->card, &b->from, b->work->copy_bytes, "measuring", diags) &&
         rgc_cuda_card_allocate(b->card, &b->to, b->work->copy_bytes, "measuring", diags) &&
         RGC_CUDA(cu, cuMemsetD8Async, NULL, diags, b->from, 0x5a, (size_t)b->work->copy_bytes, b->card->compute) &&
         RGC_CUDA(cu, cuEventCreate, NULL, diags, &b->begin, CU_EVENT_DEFAULT) && RGC_CUDA(cu, cuEventCreate, NULL, diags, &b->end, CU_EVENT_DEFAULT);
}

static void close(bench *b) {
  const rgc_cuda_driver *cu = &b->card->driver;
  if (b->begin) cu->cuEventDestroy(b->begin);
  if (b->end) cu->cuEventDestroy(b->end);
  if (b->from) cu->cuMemFree(b->from);
  if (b->to) cu->cuMemFree(b->to);
  for (int k = 0; k < KERNELS; k++)
    if (b->modules[k]) cu->cuModuleUnload(b->modules[k]);
}

/* Seconds of one launch. */
static bool time_once(bench *b, CUfunction function, double *seconds, rgc_diagnostics *diags) {
  const rgc_cuda_driver *cu = &b->card->driver;
  kernel_args args = {.operands = {(const float *)b->from}, .outputs = {(float *)b->to}};
  void *params[] = {&args};
  float milliseconds = 0;
  bool good = RGC_CUDA(cu, cuEventRecord, NULL, diags, b->begin, b->card->compute) &&
              RGC_CUDA(cu, cuLaunchKernel, "of the peak", diags, function, (unsigned int)b->work->blocks, 1, 1, THREADS, 1, 1, 0, b->card->compute, params, NULL) &&
              RGC_CUDA(cu, cuEventRecord, NULL, diags, b->end, b->card->compute) && rgc_cuda_card_wait(b->card, b->card->compute, diags) &&
              RGC_CUDA(cu, cuEventElapsedTime, NULL, diags, &milliseconds, b->begin, b->end);
  *seconds = 1e-3 * (double)milliseconds;
  return good;
}

/* The best rate of one kernel; the first round warms up. */
static bool measure(bench *b, int kernel, double *best, rgc_diagnostics *diags) {
  CUfunction function;
  if (!RGC_CUDA(&b->card->driver, cuModuleGetFunction, NULL, diags, &function, b->modules[kernel], names[kernel])) return false;
  for (int r = -1; r < b->work->rounds; r++) {
    double seconds;
    if (!time_once(b, function, &seconds, diags)) return false;
    double rate = r >= 0 && seconds > 0 ? amount(b->work, kernel) / seconds : 0;
    *best = rate > *best ? rate : *best;
  }
  return true;
}

bool rgc_cuda_measure_work(rgc_cuda_card *card, const rgc_cuda_target *target, const rgc_cuda_peak_work *work, rgc_device_peak *peak,
                           rgc_diagnostics *diags) {
  rgc_arena *arena = rgc_arena_create();
  bench b = {.card = card, .work = work};
  *peak = (rgc_device_peak){0};
  bool good = rgc_cuda_card_enter(card, diags) && open(&b, target, arena, diags) && measure(&b, 0, &peak->bytes, diags) &&
              measure(&b, 1, &peak->flops, diags);
  close(&b);
  rgc_arena_destroy(arena);
  return good;
}

bool rgc_cuda_measure(const rgc_device_memory *memory, const rgc_target *target, int threads, rgc_device_peak *peak, rgc_diagnostics *diags) {
  (void)threads;
  return rgc_cuda_measure_work(memory->card, rgc_cuda_target_named(target->name), &usual_work, peak, diags);
}
