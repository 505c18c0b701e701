/* feed.h: batches from a loader to a program's inputs. A device that copies while it computes has the next batch brought during a step. */
#ifndef RGC_TRAIN_FEED_H
#define RGC_TRAIN_FEED_H
#include "runtime/data/loader.h"
#include "runtime/train/teacher.h"

typedef struct rgc_feed {
  const rgc_model *model;
  const rgc_model_program *program;
  rgc_loader *loader;
  const rgc_teacher *teacher; /* NULL: none */
  const rgc_batch *taken;     /* the loader's batch that was staged last; NULL: there is none */
  int slot;                   /* that it was staged to */
  bool ahead;                 /* it is for the step to come */
  bool failed;                /* the device did; the error is told */
  rgc_batch batch;            /* the one at hand, without images: the loader's may be the next */
} rgc_feed;

/* Arrays of the batch at hand lie in `arena`. */
void rgc_feed_open(rgc_feed *feed, const rgc_model *model, const rgc_model_program *program, rgc_loader *loader, const rgc_teacher *teacher,
                   rgc_arena *arena);
/* Before each pass; see rgc_loader_start. */
void rgc_feed_start(rgc_feed *feed, const int *order, int64_t count, int64_t epoch);
/* Makes the loader's next batch the input of the next run (one without valid samples is not given), and returns it, without images; it is valid
 * until the next call of this function. NULL at the end of the pass and after an error: of the device (`failed`) or the loader. */
const rgc_batch *rgc_feed_next(rgc_feed *feed, rgc_diagnostics *diags);
/* To be called when a run has been asked for, before its results are read. Brings the batch after it, where the device can. */
bool rgc_feed_ahead(rgc_feed *feed, rgc_diagnostics *diags);
/* The batch at hand once more, for a second run: other values may lie over it. */
bool rgc_feed_again(rgc_feed *feed, rgc_diagnostics *diags);
/* After the program was made anew: what was brought for the next run is brought again. */
bool rgc_feed_renew(rgc_feed *feed, rgc_diagnostics *diags);
#endif
