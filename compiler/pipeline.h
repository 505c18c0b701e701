/* pipeline.h: from a network to a program: the passes, in order, as a table. Read pipeline.c to know the compiler. */
#ifndef RGC_PIPELINE_H
#define RGC_PIPELINE_H
#include "compiler/compilation.h"

typedef struct rgc_pass {
  const char *name, *about;
  unsigned kinds; /* bit mask of rgc_program_kind: in which programs */
  bool (*run)(rgc_compilation *c, rgc_diagnostics *diags);
} rgc_pass;

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

/* Runs the passes of the kind; the graph is verified after each. The compilation lives in `arena`; NULL after an error, as where the program takes more
 * memory than the file allows (compile.c). */
rgc_compilation *rgc_compile(rgc_network *network, const rgc_compile_options *options, rgc_arena *arena, rgc_diagnostics *diags);
/* The same for so many parts, whatever it takes. */
rgc_compilation *rgc_run_passes(rgc_network *network, const rgc_compile_options *options, int64_t parts, rgc_arena *arena, rgc_diagnostics *diags);
/* The network's precision where the target has it, else fp32. */
rgc_precision rgc_effective_precision(const rgc_network *network, const rgc_target *target);
/* The value that options->keep names; -1: none. */
int rgc_find_kept(const rgc_graph *graph, const char *keep);
/* Runs one pass by name on `graph` (a text's, in tests and on the command line); false with a diagnostic for an unknown name. Passes that
 * need a network cannot be run so. */
bool rgc_run_pass(const char *name, rgc_compilation *c, rgc_diagnostics *diags);
const char *rgc_program_word(rgc_program_kind kind);
#endif
