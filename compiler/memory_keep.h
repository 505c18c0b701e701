/* memory_keep.h: what passes do so that a program keeps its limit of memory: of the graph file's memory:, or of whoever compiles. */
#ifndef RGC_MEMORY_KEEP_H
#define RGC_MEMORY_KEEP_H
#include "compiler/compilation.h"

/* Whether forward kernels may be run again. */
bool rgc_may_recompute(const rgc_compilation *c);
/* Pass `recompute`: where the program would take more than the compilation's limit, and may recompute. */
void rgc_keep_memory_limit(rgc_compilation *c);
/* Whether the graph as it is now takes no more than the compilation's limit. */
bool rgc_keeps_memory_limit(const rgc_compilation *c);
/* A line of the ledger: that the batch was split, and whether it changes anything. The graph is of composite ops. */
void rgc_note_split(rgc_compilation *c);
/* How many samples a micro-batch has where a batch is taken in `parts`; the last may have fewer. */
static inline int64_t rgc_micro_batch(int64_t batch, int64_t parts) { return (batch + parts - 1) / parts; }
#endif
