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

typedef struct rgc_pass {
  const char *name, *about;
  unsigned kinds; /* bit mask of rgc_program_kind: in which programs */
  bool (*run)(rgc_compilation *c, rgc_diagnostics *diags);
} rgc_pass;

/* Adds lines to the ledger; frees `lines`. */
void rgc_compilation_note(rgc_compilation *c, rgc_text *lines);

extern const rgc_pass rgc_passes[]; /* ends with a NULL name */

/* Looking on: called after each pass that ran and verified, with the seconds it took. True to go on. */
typedef bool (*rgc_pass_observer)(void *context, const rgc_pass *pass, const rgc_compilation *c, double seconds);

enum { RGC_UNLIMITED = -1 };

typedef struct rgc_compile_options {
  rgc_program_kind kind;
  int64_t batch;
  const rgc_target *target;
  const char *keep;           /* a value that can be read after the program has run: its name, a layer's path ("layer3.2", its output),
                               * either with ".grad" behind it; NULL: none */
  int64_t memory_bytes;       /* what all regions may take, kept by recompute; 0: what the file says, RGC_UNLIMITED: any number */
  int64_t parts;              /* TRAIN: micro-batches that the batch is taken in; 0: the fewest with which memory: of the file is kept */
  rgc_pass_observer observer; /* may be NULL */
  void *context;              /* for the observer */
} rgc_compile_options;

/* Runs the passes of the kind; the graph is verified after each. The compilation lives in `arena`; NULL after an error. */
rgc_compilation *rgc_compile(rgc_network *network, const rgc_compile_options *options, rgc_arena *arena, rgc_diagnostics *diags);
/* The network's precision where the target has it, else fp32. */
rgc_precision rgc_effective_precision(const rgc_network *network, const rgc_target *target);
/* Bytes of all regions. */
int64_t rgc_memory_bytes(const rgc_memory_plan *memory);
/* The value that options->keep names; -1: none. */
int rgc_find_kept(const rgc_graph *graph, const char *keep);
/* Runs one pass by name on `graph` (a text's, in tests and on the command line); false with a diagnostic for an unknown name. Passes that
 * need a network cannot be run so. */
bool rgc_run_pass(const char *name, rgc_compilation *c, rgc_diagnostics *diags);
const char *rgc_program_word(rgc_program_kind kind);
#endif
