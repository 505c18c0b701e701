/* emu.h: CUDA kernel texts run on this machine, one fiber a CUDA thread.
 *
 * The very text that NVRTC compiles is compiled by the host's C compiler with RGC_EMU, and runs against calls into this folder. It is
 * for tests, and for who changes kernels without a GPU: it finds wrong indices, layouts, barriers, waits, and says who was where.
 * What it cannot see is told in docs/KERNELS.md. Blocks run one after another in an order drawn from the seed.
 *
 *   rgc_emu_module *module = rgc_emu_module_build(&text, 1, rgc_cuda_templates, rgc_cuda_template_count, false, diags);
 *   rgc_emu *emu = rgc_emu_create();
 *   float *y = rgc_emu_alloc(emu, "y", bytes);
 *   rgc_emu_launch launch = {.kernel = "scale", .grid = {4, 1, 1}, .block = {128, 1, 1}, .args = &args, .args_bytes = sizeof args};
 *   bool good = rgc_emu_run(emu, module, &launch, &(rgc_emu_options){.seed = 7}, diags); */
#ifndef RGC_DEVICE_EMU_H
#define RGC_DEVICE_EMU_H
#include <stddef.h>
#include <stdint.h>

#include "codegen/cuda/tensor_map.h"
#include "codegen/template.h"
#include "compiler/base/diag.h"

typedef struct rgc_emu rgc_emu;
typedef struct rgc_emu_module rgc_emu_module;

/* When an asynchronous copy or product happens, of all moments that are legal. */
typedef enum rgc_emu_async {
  RGC_EMU_LATE,  /* when a wait cannot go on without it: finds missing waits */
  RGC_EMU_EARLY, /* when it is issued: finds buffers that are reused too early */
  RGC_EMU_MIXED  /* one or the other, by the seed */
} rgc_emu_async;

typedef struct rgc_emu_options {
  uint64_t seed;        /* order of blocks, warps and lanes */
  rgc_emu_async async;
  bool in_order;        /* blocks, warps and lanes by their numbers */
  bool portable_switch; /* ucontext in place of this machine's own switch */
} rgc_emu_options;

typedef struct rgc_emu_launch {
  const char *kernel;
  unsigned int grid[3], block[3];
  size_t shared_bytes; /* dynamic shared memory of a block */
  const void *args;    /* the kernel's one parameter */
  size_t args_bytes;
} rgc_emu_launch;

enum { RGC_EMU_MAX_SHARED_BYTES = 232448 }; /* 227 KB, what sm_90 and sm_100 allow */

/* An emulated device: its memory and room for the threads of a block. Not for two OS threads at once. */
rgc_emu *rgc_emu_create(void);
void rgc_emu_destroy(rgc_emu *emu); /* NULL is allowed; frees what was allocated */

/* Global memory, 16-aligned, filled with 0xff (NaN in bf16, float and double). Its end lies before pages without access, and its begin
 * close behind such pages, so that even an ordinary access past it is found. `name` is for messages. */
void *rgc_emu_alloc(rgc_emu *emu, const char *name, size_t size_bytes);
void rgc_emu_free(rgc_emu *emu, void *memory);
/* Memory of someone else that kernels may use. Once there is any memory, primitives refuse addresses in none. */
void rgc_emu_register(rgc_emu *emu, const char *name, void *memory, size_t size_bytes);

/* Compiles the texts that the cache (cache.h) does not have, one library each, several at once. NULL with a diagnostic. Lives until _close. Watched: ordinary accesses to shared memory
 * are checked as those of primitives are, and races between warps are told; slower. */
rgc_emu_module *rgc_emu_module_build(const rgc_template *texts, int text_count, const rgc_template *headers, int header_count,
                                     bool watched, rgc_diagnostics *diags);
void rgc_emu_module_close(rgc_emu_module *module); /* NULL is allowed */
/* How many texts were not in the cache. */
int rgc_emu_module_compiled(const rgc_emu_module *module);

/* Runs all blocks. False with a diagnostic that says which kernel, block and thread did what at which line; memory then holds
 * whatever was written until then. */
bool rgc_emu_run(rgc_emu *emu, const rgc_emu_module *module, const rgc_emu_launch *launch, const rgc_emu_options *options,
                 rgc_diagnostics *diags);

/* A tensor map of TMA: `map` is the tensor_map in a kernel's args. False with a diagnostic where the driver would refuse. */
bool rgc_emu_tensor_map(void *map, const rgc_tensor_map *what, const void *base, rgc_diagnostics *diags);
#endif
