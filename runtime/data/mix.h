/* mix.h: mixup (Zhang et al. 2018) and cutmix (Yun et al. 2019) of a batch, as torchvision's reference training does them: every sample
 * with the one before it, the first with the last, by one draw for the batch. */
#ifndef RGC_RUNTIME_DATA_MIX_H
#define RGC_RUNTIME_DATA_MIX_H
#include "compiler/lang/data_settings.h"
#include "runtime/data/draws.h"
#include "runtime/data/image.h"

typedef struct rgc_mix_batch {
  float *images;         /* [valid] of `shape`, mixed in place */
  const int32_t *labels; /* [valid] */
  int32_t *others;       /* [valid]: the labels of those mixed in are written here */
  int64_t valid;
  rgc_image_shape shape;
  float *room; /* one image */
} rgc_mix_batch;

/* One of the steps that are mixup or cutmix, by chance if there are several. Returns how much of each sample is its own; 1, and
 * others = labels, where nothing was mixed: no such step, not drawn, or fewer than two samples. `key` tells batches of an epoch apart. */
double rgc_mix(const rgc_data_steps *steps, uint64_t seed, int64_t epoch, int64_t key, const rgc_mix_batch *batch);
/* A number of the Beta(alpha, alpha) distribution. */
double rgc_draw_beta(rgc_draws *draws, double alpha);
#endif
