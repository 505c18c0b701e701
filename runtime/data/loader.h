/* loader.h: a data set's samples as batches for the training step, decoded ahead by threads.
 *
 * In: sample numbers in the order wanted. Out: their transformed images (float32 NHWC) and labels, in that order, in batches of
 * `batch`; the last of a pass may be smaller. While the caller works on one batch, workers fill the next two. A sample's bits
 * depend on the sample alone, its place on the order alone: the number of workers changes nothing but the time. The workers
 * share the data set and the transform, which never change (dataset.h, transform.h), and have a workspace each. */
#ifndef RGC_RUNTIME_DATA_LOADER_H
#define RGC_RUNTIME_DATA_LOADER_H
#include <stdint.h>

#include "runtime/data/dataset.h"

typedef struct rgc_loader rgc_loader;

typedef struct rgc_batch {
  float *images;   /* [valid][height][width][channels] of the transform's dst */
  int32_t *labels; /* [valid] */
  int64_t valid;   /* 1 to the loader's batch */
} rgc_batch;

/* `data` must outlive the loader; the transform options are copied. workers 0: everything is decoded in rgc_loader_next; at most
 * 64 are started, and those the system does not grant are done without. NULL and bad-value when batch < 1, when the transform's
 * shapes have no conversion or when its src is not the data set's. A loader is used by one thread at a time. */
rgc_loader *rgc_loader_create(const rgc_dataset *data, const rgc_transform_options *transform, rgc_split split, int64_t batch,
                              int workers, rgc_diagnostics *diags);
/* Starts a pass over the samples order[0..count) of the split; `order` is copied. A pass not finished is abandoned. */
void rgc_loader_start(rgc_loader *loader, const int *order, int64_t count);
/* The next batch, in order, or NULL at the end of the pass and before the first; it stays valid until the next call of this
 * function or of rgc_loader_start. */
const rgc_batch *rgc_loader_next(rgc_loader *loader);
/* Seconds that rgc_loader_next has taken, all passes together: what data cost the caller. */
double rgc_loader_waited_seconds(const rgc_loader *loader);
void rgc_loader_destroy(rgc_loader *loader); /* also in the middle of a pass; NULL is allowed */
#endif
