/* memory_limit.h: how much memory a program takes and may take: memory: of the graph file is a promise, kept by recompute, by taking the
 * batch in micro-batches, or refused. */
#ifndef RGC_MEMORY_LIMIT_H
#define RGC_MEMORY_LIMIT_H
#include "compiler/pipeline.h"

/* Pass `recompute`: where the program would take more than the compilation's limit, and may recompute. */
void rgc_keep_memory_limit(rgc_compilation *c);
/* Whether the graph as it is now takes no more than the compilation's limit. */
bool rgc_keeps_memory_limit(const rgc_compilation *c);
/* Behind pass `memory`. False, with an error, where the program takes more than the graph file's limit. */
bool rgc_check_memory_limit(rgc_compilation *c, rgc_diagnostics *diags);
/* How many samples a micro-batch has where a batch is taken in `parts`; the last may have fewer. */
static inline int64_t rgc_micro_batch(int64_t batch, int64_t parts) { return (batch + parts - 1) / parts; }
/* How many micro-batches the batch must be taken in so that the program keeps memory: of the file; the fewest. 1 where the whole batch does,
 * where no number would, and where the file does not allow it. */
int64_t rgc_count_parts(const rgc_network *network, const rgc_compile_options *options);
/* A line of the ledger: that the batch was split, and whether it changes anything. The graph is of composite ops. */
void rgc_note_split(rgc_compilation *c);
/* The largest batch below options->batch with which the program takes no more than `bytes`; 0: none. options->memory_bytes says whether by
 * recompute, too: RGC_UNLIMITED, without. */
int64_t rgc_largest_batch(const rgc_network *network, const rgc_compile_options *options, int64_t bytes);
/* What the program would take with nothing frozen; -1 after an error, or where nothing is frozen. */
int64_t rgc_unfrozen_bytes(const rgc_network *network, const rgc_compile_options *options);
#endif
