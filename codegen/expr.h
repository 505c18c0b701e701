/* codegen/expr.h: prints a body (compiler/graph/expr.h) as C over vectors of LANES points, or over one point (CUDA: a thread has one);
 * the words are those of the templates (codegen/cpu/templates/expression.h, codegen/cuda/templates/expression.cuh).
 *
 * In: a body, the space it stands over, and which of the kernel's arguments its operands are. Out: one definition a node,
 * `vec x7 = ...;` or `float x7 = ...;`, for the nodes that some root needs, in order. Equal bodies over equal spaces give equal text, and views that
 * are only identities and broadcasts are printed with the names of extents, not their numbers, so that kernels of many
 * layers are one text.
 *
 * Rows (CUDA): a thread may have `row` neighbouring channels instead of one point. Then node n is an array, `float x7[4]; EACH(4) x7[i] = ..;`,
 * and what lies in order in memory is loaded and stored as a whole. The first channel, and every extent along C, are multiples of row. */
#ifndef RGC_CODEGEN_EXPR_H
#define RGC_CODEGEN_EXPR_H
#include "compiler/base/text.h"
#include "compiler/graph/kernel.h"

enum { RGC_NO_LANES = -1 };

/* How the points of a space are called in the text. */
typedef struct rgc_print_space {
  const int64_t *extent;            /* of the body's space */
  const char *coord[RGC_AXES];      /* C variables (int64_t): the point of lane 0 */
  const char *extent_name[RGC_AXES]; /* C expressions of the extents */
  int lane_axis;                    /* lanes run along it, by 1; RGC_NO_LANES: one point */
  int row;                          /* channels that the text has at once, without lanes: 2, 4, 8; 0 or 1: one */
  /* Tap expressions only, else NULL: the tap, where it meets A, and its row length; operands of tap_operand read at (r,s). */
  const char *tap[2], *met[2];
  int64_t tap_columns;
  unsigned tap_operand;
} rgc_print_space;

typedef struct rgc_body_text {
  const rgc_graph *graph;
  const rgc_op *op;       /* operand k of the text is its input k */
  const rgc_body *body;
  rgc_print_space space;
  const char *acc;        /* array of accumulators, "acc", `row` numbers each; NULL where there are none */
  const int *streams;     /* without lanes; by operand: its row is number streams[operand] of the array `raw`; -1: it is loaded. NULL: all are */
} rgc_body_text;

/* Definitions of all nodes that roots[] need; node n is then the variable x<n>. */
void rgc_print_nodes(const rgc_body_text *from, const int *roots, int root_count, rgc_text *out);
/* The C address `&data[...]` of the element of value `value` at the space's own point, for a store: row-major over the space. */
void rgc_print_point(const rgc_print_space *space, rgc_text *out);
/* Whether each operand is read either at the point itself, or at one place for a channel, or at one place for all; and no node
 * depends on where the point is. Then N, H and W may be renumbered. */
bool rgc_body_is_pointwise(const rgc_graph *graph, const rgc_body *body, const int64_t extent[RGC_AXES]);
/* Pointwise, and no operand is read by channel: then C may be renumbered as well. */
bool rgc_body_is_flat(const rgc_graph *graph, const rgc_body *body, const int64_t extent[RGC_AXES]);
/* Which input of the op `value` is; it must be one. */
int rgc_input_number(const rgc_op *op, int value);
int rgc_output_number(const rgc_op *op, int value); /* likewise of its outputs */
/* Whether operand k is read at the point itself: a whole tensor over the space. */
bool rgc_operand_is_whole(const rgc_graph *graph, const rgc_operand *operand, const int64_t extent[RGC_AXES]);
/* Whether it is one number for each channel of the space. */
bool rgc_operand_is_by_channel(const rgc_graph *graph, const rgc_operand *operand, const int64_t extent[RGC_AXES]);
#endif
