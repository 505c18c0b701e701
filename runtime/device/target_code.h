/* target_code.h: the kernels of a program as texts and as machine code, whatever the target; what rgc compile does with a program. */
#ifndef RGC_DEVICE_TARGET_CODE_H
#define RGC_DEVICE_TARGET_CODE_H
#include "compiler/base/diag.h"
#include "compiler/graph/kernel.h"
#include "compiler/passes/target.h"
#include "runtime/rgc.h"

/* What there is to tell of it. */
typedef struct rgc_code_facts {
  int functions;          /* that differ */
  int64_t scratch_bytes;  /* CPU: of each thread; GPU: of all */
  bool with_code;         /* machine code was asked for and is there */
  int compiled;           /* functions that were compiled now */
  double compile_seconds;
  const rgc_function_facts *function_facts; /* GPU, with code: [functions]; else NULL */
} rgc_code_facts;

/* "cpu-avx512", "cuda-sm_90a" or its "sm_90a", whether or not this machine can run it; NULL or "cpu": the best for this machine's cores; "cuda": the plainest GPU. NULL with a DEVICE error. */
const rgc_target *rgc_target_choose(const char *name, rgc_diagnostics *diags);
/* "cpu" or "cuda" by how the name begins, whether or not there is such a target; "": neither. */
const char *rgc_target_family(const char *name);
/* The names of its targets: "sm_80, sm_90a, ...". */
const char *rgc_target_list(const char *family, rgc_arena *arena);
/* Prints the kernels of `graph`, compiles them if `compile`, and writes them to `emit_dir` if that is not NULL. What `facts` points to lives in
 * `arena`. A kernel that takes more of a GPU than it should is a warning. */
bool rgc_code_make(const rgc_graph *graph, const rgc_target *target, bool compile, const char *emit_dir, rgc_code_facts *facts,
                   rgc_arena *arena, rgc_diagnostics *diags);
#endif
