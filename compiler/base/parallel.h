/* parallel.h: independent tasks on several threads. */
#ifndef RGC_BASE_PARALLEL_H
#define RGC_BASE_PARALLEL_H

/* Calls task(context, i) for each i below count, begun in that order, and returns when all have ended. There are as many threads as
 * processors, the caller's among them. What a task writes is its own, arenas and diagnostics too; they are put together in order afterwards
 * (rgc_arena_adopt, rgc_diagnostics_adopt), so that nothing depends on the number of threads. */
void rgc_parallel(int count, void (*task)(void *context, int i), void *context);
#endif
