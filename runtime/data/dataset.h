/* dataset.h: labelled images, opened by a spec string "KIND:WHERE". The functions are public: rgc.h says what they do, and what the
 * kinds are. All is in memory after opening; a data set never changes then, so threads may fetch from it at the same time. */
#ifndef RGC_RUNTIME_DATA_DATASET_H
#define RGC_RUNTIME_DATA_DATASET_H
#include "compiler/base/diag.h"
#include "runtime/data/transform.h"
#include "runtime/rgc.h"
#endif
