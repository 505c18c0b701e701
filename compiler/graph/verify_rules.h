/* verify_rules.h: the parts of rgc_graph_verify, which verify.c calls for each op. A rule that is broken is added to the
 * diagnostics as IR_INVALID, with the op's layer and line; the parts return nothing, the caller counts. */
#ifndef RGC_GRAPH_VERIFY_RULES_H
#define RGC_GRAPH_VERIFY_RULES_H
#include "compiler/graph/graph.h"

typedef struct rgc_verifier {
  const rgc_graph *graph;
  const rgc_op *op; /* at work; NULL for values */
  rgc_diagnostics *diags;
} rgc_verifier;


/* Reports a broken rule; returns false. */
bool rgc_verify_report(rgc_verifier *v, const char *format, ...) __attribute__((format(printf, 2, 3)));
static inline bool rgc_verify_result(bool holds) { return holds; } /* which need not be used */
/* Reports if `holds` is false; is `holds`. A macro, so that nothing is put together for the many rules that hold. */
#define rgc_verify_rule(v, holds, ...) rgc_verify_result((holds) || rgc_verify_report((v), __VA_ARGS__))
/* Shapes, types and attributes' ranges of a composite op; its ids and counts are right already. */
void rgc_verify_shapes(rgc_verifier *v);
/* The body of a MAP, or the stages, roots and stores of a KERNEL. */
void rgc_verify_expressions(rgc_verifier *v);
/* Spaces, geometry, weight and stores of a KERNEL whose expressions are right already. */
void rgc_verify_kernel(rgc_verifier *v);
/* The layout of a value whose shape is right already. */
bool rgc_verify_panel(rgc_verifier *v, const rgc_value *value);
#endif
