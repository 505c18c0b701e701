/* test_cuda_peak.c: the kernels that measure a GPU, on a driver without one (tests/fake_cuda): they run, within their memory, and what was taken
 * is given back. What they measure is a matter for a GPU. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "runtime/device/cuda_peak.h"

Test(cuda_peak, a_gpu_is_measured_and_an_emulator_is_not) {
  rgc_arena *arena = rgc_arena_create();
  rgc_diagnostics diags;
  rgc_diagnostics_init(&diags, arena);
  cr_expect(rgc_device_choose("cuda", NULL, &diags)->measure == rgc_cuda_measure);
  cr_expect_null(rgc_device_choose("cuda-emu", NULL, &diags)->measure);
  rgc_arena_destroy(arena);
}

Test(cuda_peak, runs_and_gives_back_what_it_took) {
  static const rgc_cuda_peak_work work = {.copy_bytes = 16 * 1000, .blocks = 2, .mma_steps = 3, .rounds = 1};
  rgc_arena *arena = rgc_arena_create();
  rgc_diagnostics diags;
  rgc_diagnostics_init(&diags, arena);
  setenv("RGC_CUDA_DRIVER", RGC_FAKE_CUDA, 1);
  setenv("RGC_NVRTC", RGC_FAKE_CUDA, 1);
  const rgc_target *found = rgc_cuda_find_target(&diags);
  rgc_cuda_card *card = found ? rgc_cuda_memory_open(found, &diags) : NULL;
  cr_assert(card, "%s", diags.count ? diags.items[0].message : "");
  int64_t before, after;
  rgc_device_peak peak;
  cr_assert(rgc_cuda_memory_tell_free(card, &before, &diags));
  cr_expect(rgc_cuda_measure_work(card, rgc_cuda_target_named(found->name), &work, &peak, &diags), "%s", diags.count ? diags.items[0].message : "");
  cr_assert(rgc_cuda_memory_tell_free(card, &after, &diags));
  cr_expect(before == after, "%lld bytes are not given back", (long long)(before - after));
  rgc_cuda_memory_close(card);
  rgc_arena_destroy(arena);
}
