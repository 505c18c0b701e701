/* pipeline.h: from a network to a program: the passes, in order, as a table. Read pipeline.c to know the compiler. */
#ifndef RGC_PIPELINE_H
#define RGC_PIPELINE_H
#include "compiler/lang/lang.h"
#include "compiler/passes/memory.h"
#include "compiler/passes/target.h"
#include "compiler/program.h"

/* One program in the making; afterwards, the program. */
typedef struct rgc_compilation {
  rgc_arena *arena;
  rgc_network *network;
  rgc_program_kind kind;
  int64_t batch;
  const rgc_target *target;
  rgc_graph *graph;         /* after the last pass: kernels only */
  rgc_memory_plan *memory;  /* after pass `memory` */
  rgc_text ledger;          /* of pass `fuse`, one line a decision */
} rgc_compilation;

typedef struct rgc_pass {
  const char *name, *about;
  unsigned kinds; /* bit mask of rgc_program_kind: in which programs */
  bool (*run)(rgc_compilation *c, rgc_diagnostics *diags);
} rgc_pass;

extern const rgc_pass rgc_passes[]; /* ends with a NULL name */

/* Looking on: called after each pass that ran and verified, with the seconds it took. True to go on. */
typedef bool (*rgc_pass_observer)(void *context, const rgc_pass *pass, const rgc_compilation *c, double seconds);

/* Runs the passes of `kind`; the graph is verified after each. `observer` may be NULL. The compilation lives in `arena`; NULL after an
 * error. */
rgc_compilation *rgc_compile(rgc_network *network, rgc_program_kind kind, int64_t batch, const rgc_target *target, rgc_arena *arena,
                             rgc_pass_observer observer, void *context, rgc_diagnostics *diags);
/* Runs one pass by name on `graph` (a text's, in tests and on the command line); false with a diagnostic for an unknown name. Passes that
 * need a network cannot be run so. */
bool rgc_run_pass(const char *name, rgc_compilation *c, rgc_diagnostics *diags);
const char *rgc_program_word(rgc_program_kind kind);
#endif
