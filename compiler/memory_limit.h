/* memory_limit.h: how much memory a program takes and may take: memory: of the graph file is a promise, kept by recompute or refused. */
#ifndef RGC_MEMORY_LIMIT_H
#define RGC_MEMORY_LIMIT_H
#include "compiler/pipeline.h"

/* Pass `recompute`: where the program would take more than the compilation's limit, and may recompute. */
void rgc_keep_memory_limit(rgc_compilation *c);
/* Whether the graph as it is now takes no more than the compilation's limit. */
bool rgc_keeps_memory_limit(const rgc_compilation *c);
/* Behind pass `memory`. False where the program takes more than its limit; with an error if the limit is the graph file's. */
bool rgc_check_memory_limit(rgc_compilation *c, rgc_diagnostics *diags);
/* The largest batch below options->batch with which the program takes no more than `bytes`; 0: none. options->memory_bytes says whether by
 * recompute, too: RGC_UNLIMITED, without. */
int64_t rgc_largest_batch(const rgc_network *network, const rgc_compile_options *options, int64_t bytes);
/* What the program would take with nothing frozen; -1 after an error, or where nothing is frozen. */
int64_t rgc_unfrozen_bytes(const rgc_network *network, const rgc_compile_options *options);
#endif
