/* explain.h: a program told to a person: what fusion decided and why, where memory goes, each kernel. */
#ifndef RGC_PLAN_EXPLAIN_H
#define RGC_PLAN_EXPLAIN_H
#include "compiler/plan/roofline.h"

/* with_kernels: every kernel, too, in the order they run, and whether `target` has a library for it. roofline: how long it takes on a machine, too; NULL: not. */
void rgc_program_explain(const rgc_program *program, const rgc_target *target, bool with_kernels, const rgc_roofline *roofline, rgc_text *out);
#endif
