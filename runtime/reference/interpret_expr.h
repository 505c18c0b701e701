/* interpret_expr.h: a body's expression at one point, in double; for interpret.c. */
#ifndef RGC_REFERENCE_INTERPRET_EXPR_H
#define RGC_REFERENCE_INTERPRET_EXPR_H
#include "runtime/reference/interpret.h"

typedef struct rgc_expr_place {
  const rgc_interpreter *interpreter;
  const int64_t *extent;     /* [4] of the space the point is in */
  int64_t point[RGC_AXES];
  const double *acc;         /* accumulators: epilogue only */
  const double *gather;      /* roots of A at this tap: tap expression only, as are the rest */
  int64_t tap_point[RGC_AXES]; /* the tapped point of A space */
  int64_t tap_row, tap_column, tap_number;
  unsigned tap_operand;      /* operands read at (n, tap_row, tap_column, c) */
} rgc_expr_place;

/* Evaluates all nodes of `body`; nodes[i] is node i (room for node_count). */
void rgc_interpret_body(const rgc_body *body, const rgc_expr_place *place, double *nodes);
#endif
