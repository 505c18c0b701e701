/* loader.h: a data set's samples as batches for the training step, decoded ahead by threads.
 *
 * In: sample numbers in the order wanted. Out: their transformed images (float32 NHWC) and labels, in that order, in batches of
 * `batch`; the last of a pass may be smaller. While the caller works on one batch, workers fill the next two. A sample's bits
 * depend on (seed, epoch, sample) alone, its place on the order alone: the number of workers changes nothing but the time. The workers
 * share the data set and the pipeline, which never change (dataset.h, pipeline.h), and have a workspace each.
 *
 * Files that cannot be decoded: the batch that holds the first of them does not come (rgc_loader_next gives NULL, and rgc_loader_failed
 * says why); or, with skip_corrupt, they are left out of their batch, which is smaller by them, and are listed. */
#ifndef RGC_RUNTIME_DATA_LOADER_H
#define RGC_RUNTIME_DATA_LOADER_H
#include <stdint.h>

#include "runtime/data/pipeline.h"

typedef struct rgc_loader rgc_loader;

typedef struct rgc_batch {
  float *images;   /* [valid][height][width][channels] of the pipeline's dst; NULL: in pixels */
  uint8_t *pixels; /* the same before / 255 and normalisation, of a pipeline that gives pixels; else NULL */
  int32_t *labels; /* [valid] */
  int *samples;    /* [valid]: their numbers in the split */
  int32_t *others; /* [valid]: labels of what was mixed in; where nothing was, the sample's own */
  double mix;      /* how much of each sample is its own: 1 without mixup and cutmix */
  int64_t valid;   /* 1 to the loader's batch; 0 only if all were skipped */
} rgc_batch;

typedef struct rgc_loader_options {
  rgc_split split;
  int64_t batch;     /* samples */
  int64_t group;     /* samples that batches are cut from: one that ends at a multiple of `group` may be smaller; 0: `batch` */
  int workers;       /* 0: everything is decoded in rgc_loader_next; at most 64 are started */
  int64_t memory_bytes; /* that the images decoded ahead may take; 0: any number */
  bool skip_corrupt; /* else the first is an error */
} rgc_loader_options;

/* A file that could not be decoded. */
typedef struct rgc_bad_file {
  const char *path, *problem;
} rgc_bad_file;

/* `data` and what the pipeline points to must outlive the loader. Workers the system does not grant are done without. NULL and
 * bad-value when batch < 1 or when the pipeline cannot be made, memory when the images decoded ahead do not fit. A loader is used by one thread at a time. */
rgc_loader *rgc_loader_create(const rgc_dataset *data, const rgc_pipeline_options *pipeline, const rgc_loader_options *options,
                              rgc_diagnostics *diags);
/* Starts a pass over the samples order[0..count) of the split; `order` is copied. `epoch` chooses the random numbers. A pass not finished
 * is abandoned. */
void rgc_loader_start(rgc_loader *loader, const int *order, int64_t count, int64_t epoch);
/* The next batch, in order, or NULL at the end of the pass and before the first; it stays valid until the next call of this
 * function or of rgc_loader_start. */
const rgc_batch *rgc_loader_next(rgc_loader *loader);
/* Whether a file stopped the pass; says which and why (data-format). */
bool rgc_loader_failed(rgc_loader *loader, rgc_diagnostics *diags);
/* Files skipped so far, each once, in the order of their samples; *count of them, valid until the next call of a function of the loader. */
const rgc_bad_file *rgc_loader_skipped(rgc_loader *loader, int *count);
/* Seconds that rgc_loader_next has taken, all passes together: what data cost the caller. */
double rgc_loader_waited_seconds(const rgc_loader *loader);
void rgc_loader_destroy(rgc_loader *loader); /* also in the middle of a pass; NULL is allowed */
#endif
