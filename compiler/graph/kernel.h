/* kernel.h: what one launch computes. After `decompose` every op of a graph is one of these; codegen knows nothing else.
 *
 *   kind      core                                        accumulators
 *   MAP       none                                        -
 *   REDUCE    A space is combined over `reduce_axes`      acc k = combine[k] of root a_roots[k]
 *   WINDOW    taps r,s of a window over A space           acc k = combine[k] of the tap expression tap_roots[k]
 *   CONTRACT  sum of products of A and a weight (form     acc 0
 *             PIXELS) or of A and B (form WEIGHTS)
 *
 * A kernel has up to four expression stages, each a body over a space of its own:
 *   a    (A space)        roots a_roots[]: the virtual tensors the core reads; their maps are the PROLOGUE
 *   b    (B space)        root b_root: WEIGHTS only, the output gradient
 *   tap  (output space, a tap)  WINDOW only: GATHER i is a_roots[i] at the tapped point, `a_fill[i]` outside of A space;
 *                          a LOAD here reads at the output point (h,w replaced by the tap r,s where `tap_operand` is set)
 *   epi  (output space)   reads ACC k; what is stored; the EPILOGUE
 * Geometry: output (oh,ow) and tap (r,s) meet A at  ih = oh*stride + r*dilation - pad; transposed (gradients):
 *   ih = (oh + pad - r*dilation) / stride where that divides, else the tap does not reach; iw by stride_w and pad_w. Outside of A space: a_fill
 *   (0 for a contract: padding comes after the prologue).
 * CONTRACT PIXELS: acc[n,oh,ow,o] = sum over r,s,k of A[n,ih,iw,g*K+k] * W[o,r,s,k], g the group of o. Transposed: the data
 *   gradient, W is then the forward weight read as W[k,r,s,o] (the value `weight` is packed for it).
 * CONTRACT WEIGHTS: acc[o,r,s,i] = sum over n,oh,ow of B[n,oh,ow,o] * A[n,ih,iw,g*I+i].
 *
 * Outputs: STORE writes a node of `epi` at every output point; SIDE_STORE a node of `a` at every A point (once, by the tile that owns it:
 * rgc_kernel_may_side_store); SUM, MAX and
 * MOMENTS reduce a node of `epi` over N,H,W of each tile and write one partial [tiles, planes, 1, C]: planes is 1, and 3 for
 * moments (count, mean, M2 = sum of squared distances from the mean). A later REDUCE kernel over axis N merges the partials in
 * tile order, in double: combine SUM, MAX or MERGE (accumulators 3k.. are count, mean, M2).
 * Tiles: `tile_images` > 0: tile t holds images [t*tile_images, ...). Else `tile_rows` > 0: a tile holds that many rows of one image,
 * its number is n*ceil(H/tile_rows) + h/tile_rows. Their number depends on shapes only; whoever sets it also sets N of each partial
 * and of its merging kernel. Samples at and past n_valid are neither stored, nor counted.
 *
 * Panel layout of a weight [O,KH,KW,I], G groups, I per group, L lanes, B block (16, or I when that is smaller):
 *   panel    [g][ceil(O/G/L)][ceil(I/B)][KH][KW][B][L], zero-padded: element (o,r,s,i) of g = o/(O/G) at lane o%L, row i%B
 *   panel_t  the weight of a data gradient, its channels exchanged: logical shape [I,KH,KW,O], element (i,r,s,o) is W[o,r,s,i];
 *            [g][ceil(I/L)][ceil(O/G/B)][KH][KW][B][L], g = o/(O/G)
 * A contract reads a weight in a panel layout, or (until layouts are assigned) in NHWC as it lies. */
#ifndef RGC_GRAPH_KERNEL_H
#define RGC_GRAPH_KERNEL_H
#include "compiler/graph/graph.h"

typedef enum rgc_kernel_kind { RGC_MAP, RGC_REDUCE, RGC_WINDOW, RGC_CONTRACT } rgc_kernel_kind;
typedef enum rgc_contract_form { RGC_PIXELS, RGC_WEIGHTS } rgc_contract_form;
typedef enum rgc_combine { RGC_COMBINE_SUM, RGC_COMBINE_MAX, RGC_COMBINE_ARGMAX, RGC_COMBINE_MERGE } rgc_combine;
typedef enum rgc_store_kind { RGC_STORE, RGC_SIDE_STORE, RGC_PARTIAL_SUM, RGC_PARTIAL_MAX, RGC_PARTIAL_MOMENTS } rgc_store_kind;

enum { RGC_MAX_ROOTS = 4 };

/* Factors of views, and all numbers of a geometry: with extents up to 2^40, indices stay below 2^62. */
enum { RGC_MAX_FACTOR = 1 << 20 };

typedef struct rgc_geometry {
  int64_t kernel_h, kernel_w, stride, pad, dilation, groups;
  bool transposed;
  int64_t stride_w, pad_w; /* of columns; those of a contract are those of rows */
} rgc_geometry;

typedef struct rgc_store {
  rgc_store_kind kind;
  int value; /* id of the value written */
  int node;  /* of epi, or of a for a side store */
} rgc_store;

struct rgc_kernel {
  rgc_kernel_kind kind;
  rgc_contract_form form;                   /* CONTRACT */
  int64_t extent[RGC_AXES];                 /* output space */
  int64_t a_extent[RGC_AXES];               /* A space; unused: zeros */
  int64_t b_extent[RGC_AXES];               /* B space; unused: zeros */
  rgc_geometry geometry;                    /* WINDOW, CONTRACT */
  unsigned reduce_axes;                     /* REDUCE: bit mask of the axes of A space */
  int weight;                               /* CONTRACT PIXELS: value id; else -1 */
  rgc_body *a, *b, *tap, *epi;              /* NULL where there is none */
  int a_roots[RGC_MAX_ROOTS], a_root_count; /* nodes of a */
  double a_fill[RGC_MAX_ROOTS];
  int b_root;                       /* node of b */
  int tap_roots[RGC_MAX_ROOTS];     /* WINDOW: nodes of tap, one an accumulator */
  unsigned tap_operand;             /* WINDOW: bit mask of tap operands whose axes H,W are the tap's r,s */
  rgc_combine combine[RGC_MAX_ROOTS];
  int acc_count;
  rgc_store *stores;
  int store_count;
  int64_t tile_rows, tile_images;   /* 0 until tiles are chosen: one tile */
};

/* A kernel with bodies and stores of its own. */
rgc_kernel *rgc_kernel_clone(const rgc_kernel *kernel, rgc_arena *arena);

/* Sums, maxima and moments: reduced over a tile, not stored at a point. */
static inline bool rgc_store_is_partial(rgc_store_kind kind) { return kind != RGC_STORE && kind != RGC_SIDE_STORE; }

static inline bool rgc_kernel_has_partials(const rgc_kernel *kernel) {
  for (int i = 0; i < kernel->store_count; i++)
    if (rgc_store_is_partial(kernel->stores[i].kind)) return true;
  return false;
}

/* Along an axis, output points [i, i + 1) * out_step read A from i * a_step + low to i * a_step + high, padding included. kernel: its taps. */
typedef struct rgc_reach {
  int64_t out_step, a_step, low, high;
} rgc_reach;

static inline rgc_reach rgc_reach_of(const rgc_geometry *g, int64_t kernel) {
  int64_t last = (kernel - 1) * g->dilation, s = g->stride, before = last - g->pad;
  if (!g->transposed) return (rgc_reach){1, s, -g->pad, before};
  /* tap r reads at (residue + pad - r * dilation) / s for the one residue that divides: the quotient rounded up */
  return (rgc_reach){s, 1, before >= 0 ? -(before / s) : (-before + s - 1) / s, (g->pad + s - 1) / s};
}

/* Whether no formula of a geometry can overflow. A text may hold any number. */
static inline bool rgc_geometry_in_range(const rgc_geometry *g) {
  const int64_t least_1[] = {g->kernel_h, g->kernel_w, g->stride, g->stride_w, g->dilation, g->groups}, limit = RGC_MAX_FACTOR;
  bool ok = g->pad >= 0 && g->pad <= limit && g->pad_w >= 0 && g->pad_w <= limit;
  for (int i = 0; i < 6; i++) ok = ok && least_1[i] >= 1 && least_1[i] <= limit;
  return ok;
}

/* Whether blocks of output points load every point of their own part of A, [i, j) * a_step, and the last of them all up to the end. */
static inline bool rgc_reaches_own(const rgc_geometry *g, int64_t in, int64_t kernel, int64_t out) {
  rgc_reach reach = rgc_reach_of(g, kernel);
  int64_t last = (out + reach.out_step - 1) / reach.out_step - 1;
  return reach.low <= 0 && reach.high >= reach.a_step - 1 && last * reach.a_step + reach.high >= in - 1;
}

/* Whether a kernel may have side stores: a contract whose tiles load every point of A. A row that several tiles load has one owner: a tile of
 * output rows [h0, h1) owns rows [h0, h1) / out_step * a_step of A, and the last one of an image all from h0 / out_step * a_step on. */
static inline bool rgc_kernel_may_side_store(const rgc_kernel *kernel) {
  const rgc_geometry *g = &kernel->geometry;
  return kernel->kind == RGC_CONTRACT && kernel->form == RGC_PIXELS && rgc_geometry_in_range(g) &&
         rgc_reaches_own(g, kernel->a_extent[RGC_H], g->kernel_h, kernel->extent[RGC_H]) &&
         rgc_reaches_own(g, kernel->a_extent[RGC_W], g->kernel_w, kernel->extent[RGC_W]);
}

static inline bool rgc_kernel_has_side_stores(const rgc_kernel *kernel) {
  for (int i = 0; i < kernel->store_count; i++)
    if (kernel->stores[i].kind == RGC_SIDE_STORE) return true;
  return false;
}

/* The operand that A of a contract is as it lies: a float32 tensor over A space, loaded and no more; else NULL. */
static inline const rgc_operand *rgc_kernel_plain_a(const rgc_graph *graph, const rgc_kernel *kernel) {
  const rgc_node *root = &kernel->a->nodes[kernel->a_roots[0]];
  if (root->kind != RGC_EXPR_LOAD || rgc_kernel_has_side_stores(kernel)) return NULL;
  const rgc_operand *operand = &kernel->a->operands[root->index];
  const rgc_value *value = &graph->values[operand->value];
  return value->dtype == RGC_F32 && rgc_view_is_same_point(&operand->view, value->shape, kernel->a_extent) ? operand : NULL;
}

/* How many tiles the kernel's output space has; 1 until they are chosen. */
static inline int64_t rgc_kernel_tile_count(const rgc_kernel *kernel) {
  if (kernel->tile_images) return (kernel->extent[RGC_N] + kernel->tile_images - 1) / kernel->tile_images;
  return kernel->tile_rows ? kernel->extent[RGC_N] * ((kernel->extent[RGC_H] + kernel->tile_rows - 1) / kernel->tile_rows) : 1;
}
#endif
