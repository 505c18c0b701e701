/* contract_args.h: what a contract kernel is told at run time, and how that follows from a geometry.
 *
 * A kernel is specialised by few constants (see contract_pixels.h, contract_weights.h); all extents come in contract_args,
 * so that one kernel serves many layers. contract_plan fills the derived fields from the extents and the geometry.
 *
 * Residues: an output point is (i * out_step + first_h, j * out_step + first_w). A forward contract has one residue and
 * out_step 1; a transposed one has stride * stride, each reached by its own taps, and out_step is the stride. Within a
 * residue, class point (i, j) and a tap meet A at row i * a_step + tap.row, so strided and transposed contracts are the same
 * loops. Taps ascend in `row`: those that fall on padding rows are a prefix and a suffix, which kernels skip.
 *
 * Slab: A after the prologue. PIXELS: [image of tile][slab_rows][slab_cols][channels of all groups in whole blocks, pixels_point floats].
 * WEIGHTS: [panel or block][image of tile][slab_rows][slab_cols][PANEL or BLOCK].
 * Slab row k holds A row base + k * slab_step. slab_step is 1, but for a 1x1 kernel with a stride, which is subsampled while
 * it is copied: then its pixels are neighbours. */
#ifndef RGC_TEMPLATE_CONTRACT_ARGS_H
#define RGC_TEMPLATE_CONTRACT_ARGS_H
#include "codegen/cpu/templates/integer.h"
#include "codegen/cpu/templates/kernel_args.h"

enum { CONTRACT_MAX_TAPS = 256, CONTRACT_MAX_RESIDUES = 64, CONTRACT_MAX_STREAMS = 4, CONTRACT_MAX_COUNTS = 16 };

typedef struct contract_tap {
  int64_t row;    /* A rows from the point's own */
  int64_t a;      /* slab points from the point's own: * BLOCK for floats */
  int64_t weight; /* r * kernel_w + s */
} contract_tap;

typedef struct contract_residue {
  int64_t first_tap, tap_count;
  int64_t first_h, first_w; /* output point of class point 0, 0 */
} contract_residue;

typedef struct contract_args {
  KERNEL_ARGS
  /* Extents; the output gradient of WEIGHTS has those called out_. */
  int64_t a_h, a_w, a_c;        /* A space */
  int64_t out_h, out_w, out_c;  /* PIXELS: output space. WEIGHTS: B space */
  int64_t groups;
  int64_t kernel_h, kernel_w, stride, pad, dilation;
  int64_t transposed;           /* 0 or 1 */
  /* 1: few input channels. A row of taps is one tap whose channels are (s, k), KW * K of them: kernel_w is 1, a_c and group_a are KW * K,
   * a_w is out_w, and the prologue finds the channels of pixel w at A's columns from w * stride - pad on. */
  int64_t row_taps;
  /* PIXELS with row_taps: the slab holds rows of operand direct_operand as they lie, row_width floats each behind row_pad zeros, filled up to
   * row_floats; a pixel's (s, k) begin row_step floats behind those of the one before. */
  int64_t row_width, row_pad, row_step, row_floats;
  /* PIXELS: 1 where A is read as it lies, without a slab: a 1x1 kernel without padding whose prologue is a plain load of operand
   * direct_operand, and whose channels of a group are whole blocks. */
  int64_t direct, direct_operand;
  /* PIXELS: output rows and images of a tile; one of them is 1 unless a tile holds whole images. Rows: a multiple of the
   * stride if transposed. WEIGHTS: rows and images accumulated at a time. */
  int64_t tile_rows, tile_images;
  int64_t tile_panels;  /* PIXELS: panels of output channels of a tile; tiles of the same pixels follow each other */
  int64_t panels_together; /* PIXELS: how many panels are taken for a group of pixels before the next group; at least 1 */
  /* WEIGHTS: what one tile computes, in blocks of CONTRACT_BLOCK output and panels of input channels of a group. */
  int64_t tile_out_blocks, tile_in_panels;
  int64_t parts;  /* of the pixels, each summed for itself, where tiles of channels are few; 0 is 1. More have `shared`, weights_shared_floats of it */
  float *shared;  /* a count of finished parts for each of CONTRACT_MAX_COUNTS tiles, 0 between runs whatever kernel used it; then each part's sums */
  /* Derived by contract_plan. */
  int64_t group_a, group_out;   /* channels of a group */
  int64_t out_step, a_step, slab_step, origin_h, origin_w, slab_rows, slab_cols;
  int64_t residue_count;
  contract_residue residues[CONTRACT_MAX_RESIDUES];
  contract_tap taps[CONTRACT_MAX_TAPS];
  /* Operands of the prologues that are whole tensors over A space, or over B space, by number: the part that the next tile
   * (WEIGHTS: the next chunk of pixels) will copy is fetched ahead. May be none. */
  int64_t stream_count, b_stream_count;
  int64_t streams[CONTRACT_MAX_STREAMS], b_streams[CONTRACT_MAX_STREAMS];
  /* partials[k] is [tiles][planes][out_c]. */
  const float *weight;
} contract_args;

/* A row (or column) of tap r of a residue, relative to class point 0; 0 in *reaches where the tap does not reach. */
static inline int64_t contract_reach(const contract_args *args, int64_t r, int64_t residue, int64_t *reaches) {
  int64_t at = args->transposed ? residue + args->pad - r * args->dilation : r * args->dilation - args->pad;
  *reaches = !args->transposed || at % args->stride == 0;
  return args->transposed ? at / args->stride : at;
}

/* The same of column s. */
static inline int64_t contract_reach_column(const contract_args *args, int64_t s, int64_t residue, int64_t *reaches) {
  *reaches = 1;
  return args->row_taps ? 0 : contract_reach(args, s, residue, reaches);
}

static inline void contract_range(const contract_args *args, int columns, int64_t *low, int64_t *high) {
  int64_t found = 0, reaches;
  *low = *high = 0;
  for (int64_t residue = 0; residue < args->out_step; residue++)
    for (int64_t r = 0; r < (columns ? args->kernel_w : args->kernel_h); r++) {
      int64_t at = (columns ? contract_reach_column : contract_reach)(args, r, residue, &reaches);
      if (!reaches) continue;
      if (!found || at < *low) *low = at;
      if (!found || at > *high) *high = at;
      found = 1;
    }
}

static inline int64_t contract_plan_residue(contract_args *args, contract_residue *to, int64_t used) {
  to->first_tap = used;
  for (int64_t k = 0; k < args->kernel_h; k++) {
    int64_t r = args->transposed ? args->kernel_h - 1 - k : k, reaches_h, reaches_w;
    int64_t row = contract_reach(args, r, to->first_h, &reaches_h);
    for (int64_t s = 0; reaches_h && s < args->kernel_w; s++) {
      int64_t column = contract_reach_column(args, s, to->first_w, &reaches_w);
      if (!reaches_w) continue;
      int64_t down = (row - args->origin_h) / args->slab_step, right = (column - args->origin_w) / args->slab_step;
      args->taps[used++] = (contract_tap){row, down * args->slab_cols + right, r * args->kernel_w + s};
    }
  }
  to->tap_count = used - to->first_tap;
  return used;
}

/* Fills the derived fields. Returns 0, or -1 where a kernel has more taps or residues than the tables hold. */
static inline int contract_plan(contract_args *args) {
  int64_t subsampled = args->kernel_h * args->kernel_w == 1 && !args->transposed, high_h, high_w, used = 0;
  args->group_a = args->a_c / args->groups;
  args->group_out = args->out_c / args->groups;
  args->out_step = args->transposed ? args->stride : 1;
  args->a_step = args->transposed ? 1 : args->stride;
  args->slab_step = subsampled ? args->stride : 1;
  args->residue_count = args->out_step * args->out_step;
  if (args->kernel_h * args->kernel_w > CONTRACT_MAX_TAPS || args->residue_count > CONTRACT_MAX_RESIDUES) return -1;
  contract_range(args, 0, &args->origin_h, &high_h);
  contract_range(args, 1, &args->origin_w, &high_w);
  int64_t rows = (args->tile_rows + args->out_step - 1) / args->out_step;
  int64_t columns = (args->out_w + args->out_step - 1) / args->out_step;
  args->slab_rows = ((rows - 1) * args->a_step + high_h - args->origin_h) / args->slab_step + 1;
  args->slab_cols = args->row_floats ? 1 : ((columns - 1) * (args->row_taps ? 1 : args->a_step) + high_w - args->origin_w) / args->slab_step + 1;
  for (int64_t k = 0; k < args->residue_count; k++) {
    contract_residue *residue = &args->residues[k];
    residue->first_h = k / args->out_step;
    residue->first_w = k % args->out_step;
    used = contract_plan_residue(args, residue, used);
  }
  return 0;
}
#endif
