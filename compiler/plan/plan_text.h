/* plan_text.h: one program of a plan as text, and back. */
#ifndef RGC_PLAN_PLAN_TEXT_H
#define RGC_PLAN_PLAN_TEXT_H
#include "compiler/plan/plan.h"

/* The metadata key of a program: "program.train.cpu-avx512.fp32.32". */
char *rgc_program_key(const rgc_program *program, rgc_arena *arena);
void rgc_program_print(const rgc_program *program, rgc_text *out);
/* Reads what rgc_program_print wrote, and nothing else: a text that would be printed otherwise is an error. Not verified. */
bool rgc_program_parse(rgc_arena *arena, const char *text, const char *name, rgc_diagnostics *diags, rgc_program *program);
/* Reads a graph whose text is exactly what rgc_graph_print prints of it; `what` is for messages. */
rgc_graph *rgc_plan_graph(rgc_arena *arena, const char *text, const char *name, const char *what, rgc_diagnostics *diags);
/* [A-Za-z0-9._-], at least 1 and at most RGC_PLAN_MAX_NAME. */
bool rgc_plan_is_name(const char *text);
#endif
