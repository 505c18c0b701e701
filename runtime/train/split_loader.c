/* split_loader.c: see split_loader.h. */
#include "runtime/train/split_loader.h"

#include <omp.h>

#include "runtime/device/host_memory.h"
#include "runtime/train/probe.h"

enum { MIN_WORKERS = 2, MAX_WORKERS = 16 };

static int count_workers(const rgc_network *network) {
  if (network->data.workers >= 0) return network->data.workers;
  int half = omp_get_num_procs() / 2;
  return half < MIN_WORKERS ? MIN_WORKERS : half > MAX_WORKERS ? MAX_WORKERS : half;
}

rgc_loader *rgc_split_loader_open(const rgc_model *model, const rgc_dataset *data, rgc_split split, uint64_t seed, rgc_arena *arena,
                                  rgc_diagnostics *diags) {
  const rgc_network *n = model->network;
  rgc_pipeline_options pipeline = rgc_input_pipeline(n, data, split == RGC_SPLIT_TRAIN, seed, arena);
  pipeline.pixels = model->device->card && !(split == RGC_SPLIT_TRAIN && n->train.distill_plan); /* a teacher's logits are of floats */
  int64_t there = rgc_host_free_bytes();
  rgc_loader_options o = {.split = split, .batch = model->batch, .group = split == RGC_SPLIT_TRAIN ? model->step_batch : 0,
                         .workers = count_workers(n), .memory_bytes = there ? there : 1, .skip_corrupt = n->data.skip_corrupt};
  return rgc_loader_create(data, &pipeline, &o, diags);
}

void rgc_split_loader_close(const rgc_model *model, rgc_loader *loader, rgc_diagnostics *diags) {
  enum { MOST = 20 };
  int count = 0;
  const rgc_bad_file *files = loader && model->network->data.skip_corrupt ? rgc_loader_skipped(loader, &count) : NULL;
  for (int i = 0; i < count && i < MOST; i++)
    rgc_diag_add(diags, RGC_WARNING, RGC_CODE_DATA_FORMAT, (rgc_location){.file = rgc_arena_strdup(diags->arena, files[i].path)},
                 "skipped: %s", files[i].problem);
  if (count > MOST) rgc_diag_add(diags, RGC_WARNING, RGC_CODE_DATA_FORMAT, (rgc_location){0}, "and %d more files were skipped", count - MOST);
  rgc_loader_destroy(loader);
}
