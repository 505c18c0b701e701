/* graph.h: the SSA graph, the one structure between the graph file and the plan.
 *
 * Values are tensors with a logical shape N,H,W,C (always four axes); ops define them. Value and op ids are indices into
 * the arrays. Ops stand in execution order: every value is defined before it is read. A vector of C channels is [1,1,1,C].
 * A convolution or linear weight is [O,KH,KW,I] (PyTorch's [O,I,KH,KW]; linear over an HxWxC input has KH=H, KW=W, so that
 * flattening matches PyTorch's); a batch of labels is i32 [N,1,1,1].
 *
 * Two levels live in it. Composite ops (ops.def) exist until `decompose`; then every op is a kernel (kernel.h).
 *
 * State. A parameter, buffer or optimizer state is a value without a defining op. The op that changes it defines a new value
 * whose `updates` names the old one: both share storage, and every other reader of the old value stands before that op. */
#ifndef RGC_GRAPH_GRAPH_H
#define RGC_GRAPH_GRAPH_H
#include <stdbool.h>
#include <stdint.h>

#include "compiler/base/arena.h"
#include "compiler/base/diag.h"
#include "compiler/base/text.h"
#include "compiler/graph/expr.h"

typedef enum rgc_dtype { RGC_F32, RGC_I32, RGC_U8, RGC_BF16, RGC_DTYPE_COUNT } rgc_dtype; /* words: f32 i32 u8 bf16 */

/* What a contract's products are made of. X(identifier, word); sums are float32 always. */
#define RGC_PRECISIONS(X)                                                                                              \
  X(FP32, "fp32") /* float32, or what comes to the same */                                                             \
  X(TF32, "tf32") /* float32 in memory, 10 bits of mantissa in a product */                                            \
  X(BF16, "bf16") /* bf16 in memory and in a product (pass `precision`) */
typedef enum rgc_precision {
#define X(id, word) RGC_PRECISION_##id,
  RGC_PRECISIONS(X)
#undef X
      RGC_PRECISION_COUNT
} rgc_precision;

/* Words: input label param buffer state temp output folded copy. */
typedef enum rgc_role {
  RGC_ROLE_INPUT,  /* images, f32 after the transforms */
  RGC_ROLE_LABEL,  /* i32 [N,1,1,1] */
  RGC_ROLE_PARAM,  /* learnt; saved under its name */
  RGC_ROLE_BUFFER, /* BN's running statistics; saved under its name */
  RGC_ROLE_STATE,  /* optimizer state; saved beside a checkpoint */
  RGC_ROLE_TEMP,   /* computed in a step */
  RGC_ROLE_OUTPUT, /* computed, and read by the caller after the step (logits, loss, correct) */
  RGC_ROLE_FOLDED, /* computed from parameters by program `fold`, read by program `infer` */
  RGC_ROLE_COPY,   /* "X.bf16", parameter X rounded: the step that changes X changes it, too, and whoever else writes X rounds it anew; in no file */
  RGC_ROLE_COUNT
} rgc_role;

/* Initial values of parameters, buffers and states. Words: zero const normal uniform. */
typedef enum rgc_init_kind { RGC_INIT_CONST, RGC_INIT_NORMAL, RGC_INIT_UNIFORM } rgc_init_kind;
typedef struct rgc_init {
  rgc_init_kind kind;
  double number; /* the constant; the standard deviation; the bound of uniform(-b, b) */
} rgc_init;

/* How the elements lie in memory. Words: nhwc panel panel_t. */
typedef enum rgc_layout_kind {
  RGC_LAYOUT_NHWC,   /* row-major over the logical axes */
  RGC_LAYOUT_PANEL,  /* a weight [O,KH,KW,I] as [g][o/lanes][i/block][KH][KW][block][lanes], zero-padded; see kernel.h */
  RGC_LAYOUT_PANEL_T /* the same of a weight with its channels exchanged, for a data gradient */
} rgc_layout_kind;
typedef struct rgc_layout {
  rgc_layout_kind kind;
  int groups, lanes, block; /* panels only, else 0 */
} rgc_layout;

typedef struct rgc_value {
  int id;
  const char *name; /* [A-Za-z0-9._-]+, unique; parameters carry torchvision's names ("layer1.0.conv1.weight") */
  rgc_dtype dtype;
  rgc_role role;
  int64_t shape[RGC_AXES];
  rgc_layout layout;
  int torch_rank; /* PARAM, BUFFER: rank in PyTorch's file: 4 conv, 3 conv of one axis, 2 linear, 1 vector; else 0 */
  rgc_init init;  /* PARAM, BUFFER, STATE */
  int op;         /* the op that defines it, or -1 */
  int updates;    /* the state value whose storage this overwrites, or -1 */
} rgc_value;

typedef enum rgc_op_kind {
#define OP(id, word, min_in, max_in, min_out, max_out, attributes) RGC_OP_##id,
#include "compiler/graph/ops.def"
#undef OP
  RGC_OP_COUNT
} rgc_op_kind;

/* Attributes of all op kinds, each a number; ops.def says which op has which. X(identifier, word). */
#define RGC_ATTRIBUTES(X)                                                                                              \
  X(STRIDE, "stride") X(PAD, "pad") X(DILATION, "dilation") X(GROUPS, "groups") X(KERNEL, "kernel") X(EPS, "eps")      \
  X(MOMENTUM, "momentum") X(RUNNING, "running") X(CEIL, "ceil") X(COUNT_PAD, "count_pad") X(AXES, "axes")              \
  X(BY, "by") X(SMOOTHING, "smoothing") X(REFLECT, "reflect")                                                          \
  X(KERNEL_W, "kernel_w") X(STRIDE_W, "stride_w") X(PAD_W, "pad_w")                                                    \
  X(TAP0, "tap0") X(TAP1, "tap1") X(TAP2, "tap2") X(TAP3, "tap3") X(TAP4, "tap4") X(TAP5, "tap5") X(TAP6, "tap6")
typedef enum rgc_attribute {
#define X(id, word) RGC_ATTR_##id,
  RGC_ATTRIBUTES(X)
#undef X
      RGC_ATTR_COUNT
} rgc_attribute;

/* The largest stride, pad, dilation, groups and kernel; the graph language holds all its integers to it. */
enum { RGC_MAX_ATTRIBUTE = 1000000 };
enum { RGC_MAX_TAPS = 7 }; /* of a filter: attributes TAP0.. */
/* A window of a pool or filter: rows, columns. */
typedef struct rgc_window {
  int64_t kernel[2], stride[2], pad[2];
} rgc_window;

enum { RGC_BY_SUM, RGC_BY_MEAN, RGC_BY_MAX }; /* attribute BY of reduce */

typedef struct rgc_kernel rgc_kernel; /* kernel.h */

typedef struct rgc_op {
  int id;
  rgc_op_kind kind;
  int *inputs, input_count;   /* value ids; MAP: as its body's operands, one each */
  int *outputs, output_count; /* value ids */
  double attr[RGC_ATTR_COUNT];
  rgc_body *body;     /* MAP */
  int root;           /* MAP: the node of `body` that is the output */
  rgc_kernel *kernel; /* KERNEL */
  const char *layer;  /* "layer1.0.conv1", "" for ops that serve no layer */
  const char *word;   /* the layer word of the graph file, "relu", for tables */
  int line;           /* of the graph file, 0 if none */
  bool backward;      /* made by autodiff */
  bool recomputed;    /* a copy of a forward op, among the backward ones; by pass `recompute` */
} rgc_op;

typedef struct rgc_graph {
  rgc_arena *arena;
  const char *name;
  int64_t batch; /* N */
  rgc_precision precision; /* of its contracts */
  rgc_value *values;
  int value_count, value_capacity;
  rgc_op *ops;
  int op_count, op_capacity;
  int *index;                      /* hash table of names: 1 + the value's id, 0: free; graph.c only */
  int index_count, index_capacity; /* capacity: a power of 2, or 0 */
} rgc_graph;

rgc_graph *rgc_graph_create(rgc_arena *arena, const char *name, int64_t batch);
rgc_graph *rgc_graph_clone(const rgc_graph *graph, rgc_arena *arena);
/* Adds a value; the name is made unique by a suffix ".2", ".3"... for TEMP values. Returns its id. */
int rgc_graph_value(rgc_graph *graph, const char *name, rgc_dtype dtype, rgc_role role, const int64_t shape[RGC_AXES]);
int rgc_graph_find(const rgc_graph *graph, const char *name); /* the first called so; -1: none */
/* The parameter that a value of role COPY is a copy of; -1: there is none such. */
int rgc_graph_copied(const rgc_graph *graph, const rgc_value *copy);
/* Names are changed by this only, so that they are found. The text must live as long as the graph. */
void rgc_graph_rename(rgc_graph *graph, int value, const char *name);
/* Appends an op (attributes at their defaults: stride, dilation, groups 1, others 0) and links its outputs. The pointer holds
 * until the next op is added. */
rgc_op *rgc_graph_op(rgc_graph *graph, rgc_op_kind kind, const int *inputs, int input_count, const int *outputs,
                     int output_count);
/* A MAP op over `body` with the output's shape as space; the operands of the body become its inputs. */
rgc_op *rgc_graph_map(rgc_graph *graph, rgc_body *body, int root, int output);
/* A REDUCE op by RGC_BY_* over the axes of the mask, into a new TEMP that is returned; with `place` (RGC_BY_MAX only) also where the maximum
 * is, an i32 TEMP "NAME.index". */
int rgc_graph_reduce(rgc_graph *graph, int value, unsigned axes, int by, const char *name, int *place);
rgc_window rgc_op_window(const rgc_op *op);
rgc_body *rgc_body_create(rgc_arena *arena);
int64_t rgc_shape_elems(const int64_t shape[RGC_AXES]);
int64_t rgc_dtype_bytes(rgc_dtype dtype); /* of an element */
const char *rgc_precision_word(rgc_precision precision);
/* Whether the elements are numbers of a computation: f32 or bf16. */
static inline bool rgc_is_real(const rgc_value *value) { return value->dtype == RGC_F32 || value->dtype == RGC_BF16; }
/* Elements a value may have (4 TiB of f32), so that no product of extents overflows. */
#define RGC_MAX_ELEMS (INT64_C(1) << 40)
/* Whether every extent is at least 1, and their product at most RGC_MAX_ELEMS. */
bool rgc_shape_fits(const int64_t shape[RGC_AXES]);
/* Output extent of a window: floor or ceil((in + 2 pad - dilation (k-1) - 1) / stride) + 1, and (ceil) the last window must
 * begin inside the input or its left padding, as PyTorch has it. */
int64_t rgc_window_extent(int64_t in, int64_t kernel, int64_t stride, int64_t pad, int64_t dilation, bool ceil_mode);

/* The canonical text and back; rgc_graph_parse reports every error with its line. */
void rgc_graph_print(const rgc_graph *graph, rgc_text *out);
rgc_graph *rgc_graph_parse(rgc_arena *arena, const char *text, const char *file, rgc_diagnostics *diags);
/* Every rule of the IR: ids, order, counts, shapes, attributes, views, updates. */
bool rgc_graph_verify(const rgc_graph *graph, rgc_diagnostics *diags);

typedef struct rgc_op_info {
  const char *word;
  int min_in, max_in, min_out, max_out; /* max -1: any */
  unsigned attributes;                  /* bit mask of rgc_attribute */
} rgc_op_info;
const rgc_op_info *rgc_op_info_of(rgc_op_kind kind);
const char *rgc_attribute_word(rgc_attribute attribute);
#endif
