/* expr.h: scalar expressions over tensor elements, the one language of everything elementwise.
 *
 * An expression is a DAG in a flat array of nodes; arguments have smaller indices than their user, so a single walk from 0
 * evaluates it. It stands in a `body` (below) that lists the operands its LOAD nodes read. The same body is used
 *   - by the composite op `map` (relu, add, sigmoid, dropout, concat, optimizer updates, a graph file's `map:`),
 *   - by a kernel's prologue, tap expression and epilogue (kernel.h).
 * It is differentiated symbolically (passes/), evaluated in double (runtime/reference) and printed as C by one printer
 * (codegen/expr). A relu mask recomputed in backward is the same nodes again, so it has the same bits.
 *
 * Index space. A body is evaluated once for every point (n,h,w,c) of its space. An operand is read through a view:
 *   index of value axis j = (i[axis[j].from] * mul + add) / div
 * where i is the point; if the division has a remainder or the index is outside of the value, the load gives `fill`. With
 * `whole` a remainder is dropped instead: the index is the quotient rounded down. So broadcast (mul 0), padding and concat and
 * split (add), subsampling (mul), its gradient (div) and upsampling (whole) are views. */
#ifndef RGC_GRAPH_EXPR_H
#define RGC_GRAPH_EXPR_H
#include <stdbool.h>
#include <stdint.h>

#include "compiler/base/arena.h"

enum { RGC_AXES = 4 }; /* N, H, W, C in this order, everywhere */
enum { RGC_N, RGC_H, RGC_W, RGC_C };

typedef struct rgc_axis_view {
  int from;              /* axis of the index space that is read, 0..3 */
  int64_t mul, add, div; /* div >= 1; mul 0 = broadcast */
  bool whole;            /* a remainder is dropped; false where div is 1 */
} rgc_axis_view;

typedef struct rgc_view {
  rgc_axis_view axis[RGC_AXES]; /* one for each axis of the value */
  double fill;                  /* what is read outside; any bits allowed (-inf too) */
} rgc_view;

/* Node kinds: X(identifier, word in the text form, number of arguments). */
#define RGC_EXPR_NODES(X)                                                                                              \
  X(CONST, "const", 0)   /* .number */                                                                                 \
  X(LOAD, "load", 0)     /* .index: operand of the body */                                                             \
  X(ACC, "acc", 0)       /* .index: accumulator of the kernel's core (epilogue only) */                                \
  X(GATHER, "gather", 0) /* .index: root of stage A at this tap (tap expression only) */                               \
  X(TAP, "tap", 0)       /* the tap's number r*KW+s (tap expression only) */                                           \
  X(COORD, "coord", 0)   /* .index: axis; the point's own coordinate */                                                \
  X(TAP_COORD, "tapcoord", 0) /* .index: axis; coordinate in A space of the tapped point (tap expression only) */      \
  X(SCALAR, "scalar", 0) /* .index: rgc_scalar, a number the executor gives a step */                                  \
  X(RANDOM, "random", 0) /* uniform [0,1): Philox of (seed, .index stream, step, element number over .axes) */         \
  X(ADD, "add", 2) X(SUB, "sub", 2) X(MUL, "mul", 2) X(DIV, "div", 2) X(MIN, "min", 2) X(MAX, "max", 2)                \
  X(POW, "pow", 2) X(FMA, "fma", 3) /* a*b+c, rounded once */                                                          \
  X(NEG, "neg", 1) X(ABS, "abs", 1) X(SQRT, "sqrt", 1) X(RECIP, "recip", 1) X(EXP, "exp", 1) X(LOG, "log", 1)          \
  X(TANH, "tanh", 1) X(ERF, "erf", 1) X(SIGMOID, "sigmoid", 1) X(FLOOR, "floor", 1)                                    \
  X(BF16, "bf16", 1) /* rounded to bf16, to nearest even; its derivative is 1 */                                        \
  X(LT, "lt", 2) X(LE, "le", 2) X(EQ, "eq", 2) /* 1 or 0 */                                                            \
  X(SELECT, "select", 3)                       /* a != 0 ? b : c */

typedef enum rgc_expr_kind {
#define X(id, word, args) RGC_EXPR_##id,
  RGC_EXPR_NODES(X)
#undef X
      RGC_EXPR_KIND_COUNT
} rgc_expr_kind;

/* Numbers the executor hands to every step. X(identifier, word). */
#define RGC_SCALARS(X)                                                                                                 \
  X(LR, "lr")           /* learning rate of this step */                                                               \
  X(BIAS1, "bias1")     /* 1 / (1 - beta1^t) of Adam, t counted from 1 */                                              \
  X(BIAS2, "bias2")     /* 1 / (1 - beta2^t) */                                                                        \
  X(N_VALID, "n_valid") /* samples in this batch, <= the program's batch */                                            \
  X(INV_N, "inv_n")     /* 1 / n_valid */                                                                              \
  X(FIRST, "first")     /* 1 in the first micro-batch of a step, else 0 */                                             \
  X(LAST, "last")       /* 1 in the last micro-batch of a step, which updates; else 0 */                               \
  X(SHARE, "share")     /* 1 / how many micro-batches the step has */                                                   \
  X(MIX, "mix")         /* how much of a mixed sample is its own, 1 - mix another's (mixup, cutmix) */

typedef enum rgc_scalar {
#define X(id, word) RGC_SCALAR_##id,
  RGC_SCALARS(X)
#undef X
      RGC_SCALAR_COUNT
} rgc_scalar;

typedef struct rgc_node {
  rgc_expr_kind kind;
  int arg[3];     /* node indices, all smaller than this node's; unused: -1 */
  int index;      /* operand, accumulator, axis, scalar or stream, as the kind says; else 0 */
  unsigned axes;  /* RANDOM: bit mask of the axes that number the element (bit RGC_N for drop_path); else 0 */
  double number;  /* CONST; else 0 */
} rgc_node;

typedef struct rgc_operand {
  int value; /* id of the value read */
  rgc_view view;
} rgc_operand;

/* Operands and expression over them; `arena` grows both. */
typedef struct rgc_body {
  rgc_arena *arena;
  rgc_operand *operands;
  int operand_count, operand_capacity;
  rgc_node *nodes;
  int node_count, node_capacity;
} rgc_body;

rgc_view rgc_view_identity(void);
/* Reads value axis j at 0 where shape[j] is 1 and extent[j] is not. */
rgc_view rgc_view_broadcast(const int64_t shape[RGC_AXES], const int64_t extent[RGC_AXES]);
bool rgc_view_equal(const rgc_view *a, const rgc_view *b);
bool rgc_view_is_identity(const rgc_view *view);
/* Whether a value of `shape` is read at the very point of a space of the same `extent`. */
bool rgc_view_is_same_point(const rgc_view *view, const int64_t shape[RGC_AXES], const int64_t extent[RGC_AXES]);
/* Whether a vector [1,1,1,C] is read at the channel of each point of a space of C channels. */
bool rgc_view_is_channel(const rgc_view *view, const int64_t shape[RGC_AXES], const int64_t extent[RGC_AXES]);
/* Element index (row-major NHWC) of `point` in a value of `shape`, or -1: outside. */
int64_t rgc_view_element(const rgc_view *view, const int64_t shape[RGC_AXES], const int64_t point[RGC_AXES]);
/* outer after inner: the view that reads at point p what `inner` reads at the point `outer` maps p to. False if the
 * composition is no view (a division that needs its remainder after another, two fills that differ). */
bool rgc_view_compose(const rgc_view *outer, const rgc_view *inner, rgc_view *result);

/* Builders; equal nodes and equal operands are shared, constants folded. All return a node index. */
int rgc_body_load(rgc_body *body, int value, const rgc_view *view);
int rgc_body_const(rgc_body *body, double number);
int rgc_body_leaf(rgc_body *body, rgc_expr_kind kind, int index);
int rgc_body_random(rgc_body *body, int stream, unsigned axes);
int rgc_body_node(rgc_body *body, rgc_expr_kind kind, int a, int b, int c); /* unused arguments: -1 */
/* Derivative of node `root` with respect to load operand `operand`, as a new node of the same body (-1 when it is zero
 * everywhere). max(a,b) passes to a only where a > b (so relu'(0) = 0). */
int rgc_body_derivative(rgc_body *body, int root, int operand);
/* The word of a node kind, and the kind of a word (RGC_EXPR_KIND_COUNT if there is none). */
const char *rgc_expr_word(rgc_expr_kind kind);
rgc_expr_kind rgc_expr_kind_of(const char *word);
int rgc_expr_arity(rgc_expr_kind kind);
/* The number that a kind with arguments gives for numbers, in double; arguments past its arity are ignored. NaN for a leaf. */
double rgc_expr_compute(rgc_expr_kind kind, double a, double b, double c);
/* The nearest number of bf16 (8 bits of mantissa, the exponents of float32), ties to even; too large ones become infinite. */
double rgc_round_bf16(double number);
const char *rgc_scalar_word(rgc_scalar scalar);
#endif
