/* explain.h: a program told to a person: what fusion decided and why, where memory goes, each kernel. */
#ifndef RGC_PLAN_EXPLAIN_H
#define RGC_PLAN_EXPLAIN_H
#include "compiler/plan/roofline.h"

/* with_kernels: every kernel, too, in the order they run. roofline: how long it takes on a machine, too; NULL: not. */
void rgc_program_explain(const rgc_program *program, bool with_kernels, const rgc_roofline *roofline, rgc_text *out);
#endif
