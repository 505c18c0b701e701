/* schedule.h: the order of kernels. */
#ifndef RGC_PASSES_SCHEDULE_H
#define RGC_PASSES_SCHEDULE_H
#include "compiler/graph/kernel.h"

/* Moves every kernel that overwrites state to the earliest place where it may stand: behind what it reads and behind the last other
 * reader of what it overwrites. A gradient then lives from its own kernel to the update right behind it, not to the end of the
 * step. The others keep their order. In place. */
void rgc_schedule_updates(rgc_graph *graph);
#endif
