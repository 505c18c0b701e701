/* compile.c: rgc_compile (pipeline.h): the passes, and around them what memory: of the graph file promises. How many parts a batch is taken in is found by
 * trying (memory_limit.c), each try a run of the passes. */
#include "compiler/memory_limit.h"

rgc_compilation *rgc_compile(rgc_network *network, const rgc_compile_options *o, rgc_arena *arena, rgc_diagnostics *diags) {
  int64_t parts = o->kind != RGC_PROGRAM_TRAIN ? 1 : o->parts ? o->parts : rgc_count_parts(network, o);
  rgc_compilation *c = rgc_run_passes(network, o, parts, arena, diags);
  return c && rgc_check_memory_limit(c, diags) ? c : NULL;
}
