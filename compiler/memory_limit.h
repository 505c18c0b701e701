/* memory_limit.h: how much memory a program takes and may take: memory: of the graph file is a promise, kept by recompute (memory_keep.h), by taking the
 * batch in micro-batches, or refused. What a program takes is found by compiling it, without a word. */
#ifndef RGC_MEMORY_LIMIT_H
#define RGC_MEMORY_LIMIT_H
#include "compiler/memory_keep.h"
#include "compiler/pipeline.h"

/* Behind the last pass (before: true). False, with an error, where the program takes more than the graph file's limit. */
bool rgc_check_memory_limit(rgc_compilation *c, rgc_diagnostics *diags);
/* How many micro-batches the batch must be taken in so that the program keeps memory: of the file; the fewest. 1 where the whole batch does,
 * where no number would, and where the file does not allow it. */
int64_t rgc_count_parts(const rgc_network *network, const rgc_compile_options *options);
/* The largest batch below options->batch with which the program takes no more than `bytes`; 0: none. options->memory_bytes says whether by
 * recompute, too: RGC_UNLIMITED, without. */
int64_t rgc_largest_batch(const rgc_network *network, const rgc_compile_options *options, int64_t bytes);
/* What the program would take with nothing frozen; -1 after an error, or where nothing is frozen. */
int64_t rgc_unfrozen_bytes(const rgc_network *network, const rgc_compile_options *options);
#endif
