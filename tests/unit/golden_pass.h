/* golden_pass.h: one golden pair of a pass, tests/golden/passes/PASS/NAME.in.ir and NAME.out.ir (docs/TESTING.md). */
#ifndef RGC_TEST_GOLDEN_PASS_H
#define RGC_TEST_GOLDEN_PASS_H
#include "compiler/pipeline.h"

typedef struct golden_pass {
  rgc_arena *arena;
  rgc_diagnostics diags;
  char *pass;             /* the folder's name */
  const char *in, *out;   /* paths */
  bool is_network;        /* the input is a graph file, NAME.in.yaml */
  rgc_program_kind kind;  /* NAME begins with a program's word; else train */
} golden_pass;

/* A machine of the tests' own, so that goldens do not change with the machines that codegen knows. */
extern const rgc_target golden_target;

golden_pass golden_pass_open(rgc_arena *arena, const char *in);
/* Runs the pass on the input. NULL after an error, which is in diags. */
rgc_compilation *golden_pass_run(golden_pass *g);
/* What NAME.out.ir must hold. For `memory` that is the program, whose graph comes last. */
char *golden_pass_text(golden_pass *g, rgc_compilation *c);
char *golden_read(rgc_arena *arena, const char *path); /* NULL: it is not there */
#endif
