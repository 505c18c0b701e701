/* compilation.h: one program in the making, which the passes hand on to each other. */
#ifndef RGC_COMPILATION_H
#define RGC_COMPILATION_H
#include "compiler/lang/lang.h"
#include "compiler/passes/memory.h"
#include "compiler/passes/target.h"
#include "compiler/program.h"

/* Afterwards, the program. */
typedef struct rgc_compilation {
  rgc_arena *arena;
  rgc_network *network;
  rgc_program_kind kind;
  int64_t batch;            /* of a step */
  int64_t parts;            /* micro-batches that it is taken in; the graph is of one */
  const rgc_target *target;
  rgc_precision precision;  /* the network's where the target has it, else fp32 */
  const char *keep;         /* see rgc_compile_options */
  int64_t memory_bytes;     /* likewise; 0: no limit */
  bool promised;            /* the limit is the file's */
  rgc_graph *graph;         /* after the last pass: kernels only */
  rgc_memory_plan *memory;  /* after pass `memory` */
  const char *ledger;       /* of passes `fuse`, `recompute` and `side`, and of splitting; one line a decision; NULL or "": none */
} rgc_compilation;

/* Adds lines to the ledger; frees `lines`. */
void rgc_compilation_note(rgc_compilation *c, rgc_text *lines);
/* Bytes of all regions. */
int64_t rgc_memory_bytes(const rgc_memory_plan *memory);
#endif
