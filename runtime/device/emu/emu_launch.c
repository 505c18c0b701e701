/* emu_launch.c: the emulated device, and a launch: checked as the driver would, then block after block. */
#include <stdlib.h>
#include <string.h>

#include "runtime/device/emu/emu_module.h"
#include "runtime/device/emu/emu_state.h"

enum { ARGS_ALIGN = 64, MAX_ARGS_BYTES = 4096 };

rgc_emu *rgc_emu_create(void) {
  rgc_emu *emu = calloc(1, sizeof *emu);
  emu->threads = calloc(MAX_THREADS, sizeof *emu->threads);
  emu->warps = calloc(MAX_THREADS / LANES, sizeof *emu->warps);
#define CALL(result, name, ...) emu->view.call_##name = emu_call_##name;
  EMU_CALLS(CALL)
#undef CALL
  emu_memory_create(emu);
  return emu;
}

void rgc_emu_destroy(rgc_emu *emu) {
  if (!emu) return;
  for (int i = 0; i < MAX_THREADS; i++) {
    free(emu->threads[i].copies.items);
    free(emu->threads[i].copies.groups);
    free(emu->threads[i].copies.arrivals);
  }
  for (size_t i = 0; i < sizeof emu->groups / sizeof *emu->groups; i++) free(emu->groups[i].items);
  emu_memory_destroy(emu);
  emu_race_close(emu);
  free(emu->mbarriers);
  free(emu->tmas);
  free(emu->threads);
  free(emu->warps);
  free(emu->signal_stack);
  free(emu);
}

static bool refuse(rgc_diagnostics *diags, const rgc_emu_launch *launch, const char *what, size_t is, size_t most) {
  return rgc_diag_fail(diags, RGC_CODE_DEVICE, NULL, NULL, "kernel %s cannot be launched: %s %zu, at most %zu", launch->kernel, what, is, most);
}

static bool check_launch(const rgc_emu_launch *launch, const emu_kernel *kernel, rgc_diagnostics *diags) {
  size_t threads = (size_t)launch->block[0] * launch->block[1] * launch->block[2];
  if (threads < 1 || threads > MAX_THREADS) return refuse(diags, launch, "threads a block", threads, MAX_THREADS);
  if (threads > kernel->limits[0]) return refuse(diags, launch, "its launch bounds: threads a block", threads, kernel->limits[0]);
  if (launch->block[2] > 64) return refuse(diags, launch, "depth of a block", launch->block[2], 64);
  for (int i = 0; i < 3; i++)
    if (launch->grid[i] < 1 || launch->grid[i] > (i ? 65535u : 0x7fffffffu))
      return refuse(diags, launch, "blocks along an axis (and at least 1)", launch->grid[i], i ? 65535 : 0x7fffffff);
  if (launch->shared_bytes > RGC_EMU_MAX_SHARED_BYTES)
    return refuse(diags, launch, "bytes of shared memory", launch->shared_bytes, RGC_EMU_MAX_SHARED_BYTES);
  if (launch->args_bytes != kernel->limits[1])
    return rgc_diag_fail(diags, RGC_CODE_DEVICE, NULL, NULL, "kernel %s takes args of %u bytes, and is given %zu", launch->kernel, kernel->limits[1],
                         launch->args_bytes);
  return true;
}

static emu_index block_index(const unsigned int *grid, size_t number) {
  return (emu_index){(unsigned int)(number % grid[0]), (unsigned int)(number / grid[0] % grid[1]), (unsigned int)(number / grid[0] / grid[1])};
}

/* The only frame that an error jumps to: nothing that it needs afterwards changes below sigsetjmp. */
static bool run_blocks(rgc_emu *emu, const unsigned int *order, size_t count) {
  if (sigsetjmp(emu->leave, 1)) return false;
  for (size_t i = 0; i < count; i++) {
    emu->view.block = block_index(emu->launch->grid, order ? order[i] : i);
    emu_run_block(emu);
  }
  return true;
}

/* Block numbers in a random order; NULL: as they are. */
static unsigned int *draw_order(rgc_emu *emu, size_t count) {
  unsigned int *order = emu->options.in_order ? NULL : malloc(count * sizeof *order);
  for (size_t i = 0; i < count && order; i++) {
    size_t other = emu_draw(emu, (unsigned int)i + 1);
    order[i] = order[other];
    order[other] = (unsigned int)i;
  }
  return order;
}

static void open_launch(rgc_emu *emu, const emu_kernel *kernel, const rgc_emu_launch *launch, const rgc_emu_options *options) {
  const unsigned int *block = launch->block, *grid = launch->grid;
  emu->options = *options;
  emu->launch = launch;
  emu->random = options->seed;
  emu->entry = kernel->entry;
  emu->failed = false;
  emu->thread_count = (int)(block[0] * block[1] * block[2]);
  emu->warp_count = (emu->thread_count + LANES - 1) / LANES;
  emu->view.block_size = (emu_index){block[0], block[1], block[2]};
  emu->view.grid_size = (emu_index){grid[0], grid[1], grid[2]};
  emu_shared_open(emu, launch->shared_bytes);
  emu_race_open(emu, kernel->watched);
  kernel->bind(&emu->view);
}

bool rgc_emu_run(rgc_emu *emu, const rgc_emu_module *module, const rgc_emu_launch *launch, const rgc_emu_options *options,
                 rgc_diagnostics *diags) {
  emu_kernel kernel;
  _Alignas(ARGS_ALIGN) char args[MAX_ARGS_BYTES];
  rgc_emu_launch own = *launch;
  if (!emu_module_find(module, launch->kernel, &kernel))
    return rgc_diag_fail(diags, RGC_CODE_DEVICE, NULL, NULL, "no text of this module has a kernel '%s'", launch->kernel);
  if (!check_launch(launch, &kernel, diags)) return false;
  if (launch->args_bytes > sizeof args) return refuse(diags, launch, "bytes of args", launch->args_bytes, sizeof args);
  if (launch->args_bytes) memcpy(args, launch->args, launch->args_bytes);
  own.args = args;
  open_launch(emu, &kernel, &own, options);
  size_t blocks = (size_t)launch->grid[0] * launch->grid[1] * launch->grid[2];
  unsigned int *order = draw_order(emu, blocks);
  emu_fault_watch(emu);
  bool good = run_blocks(emu, order, blocks);
  emu_fault_unwatch(emu);
  emu->current = NULL;
  free(order);
  if (!good) emu_add_diagnostic(emu, diags);
  kernel.bind(NULL);
  return good;
}
