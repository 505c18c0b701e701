/* contract_weights_wgmma.cuh: the gradient of a weight from bf16 operands with TMA and wgmma (sm_90a), included once for each kernel.
 *
 * In, as macros (all are undefined at the end): what contract_weights_place.cuh asks for, where BLOCK_N is 64 or 128 (o of a block), BLOCK_K 32 or 64; and
 *   COLUMNS                  64, 128 or 256: j of a warpgroup
 *   A_STREAMS, B_STREAMS     tensors over A's space (B's) that A (B) is made of, each a box of TMA a step
 *   A_CHANNELS, B_CHANNELS   numbers by channel that it is made of besides; A_CHANNEL_OPERANDS, B_CHANNEL_OPERANDS {which operands, ..}: of [channels] floats
 *   A_PROLOGUE, B_PROLOGUE   0: it is stream 0 as it lies; 1: then
 *   CONTRACT_A               void (args, n, h, w, c, const float *raw, float *row): A at 8 channels from c on, inside of its space, of what there is of them:
 *                            raw[8 * stream + i], and behind the streams raw[8 * (A_STREAMS + number) + i]
 *   CONTRACT_B               the same of B at one channel: raw[stream], raw[B_STREAMS + number]
 *   A_TILED                  1: 1x1, stride 1: pixels are rows of a matrix; 0: pixels come by im2col
 *   STAGES                   steps in shared memory at once
 * Tensor maps (contract_maps.c), behind the other arguments: A's streams, then B's as matrices, all in boxes of BLOCK_K pixels x 64 channels.
 *
 * The sums go to workspace[part][O,KH,KW,I], which contract_merge.cuh adds, in their order. A step is BLOCK_K pixels, which are the k of the products:
 *
 *   warps       registers   do
 *   0 to 7      208         two warpgroups multiply: 64 o x COLUMNS j each, one below the other (BLOCK_N 128), or, where there are only 64 o, side by side.
 *                           B^T comes from registers: a warp has 16 o, of which a lane keeps two, takes 16 pixels of them by ldmatrix (transposed),
 *                           applies the prologue and makes pixels past the last zero, while the products of those before run.
 *   8           88          one thread asks TMA, as many steps ahead as there are stages
 *   9 to 11     88          make A ready where it lies: the prologue, zeros where it is padded (TMA's come before it), zeros for pixels past the last, which
 *                           may hold anything (B is zero there, but zero times no number is none)
 *
 * A part of which no pixel counts has one step, of zeros: another way to the end would have ptxas wait for each wgmma.
 *
 * A stage, boxes [BLOCK_K pixels][64 channels] of 128-byte rows, swizzled (prelude.cuh): B, 64 o after 64 o, each stream by stream; A, 64 columns after
 * 64 columns, each stream by stream. A column box is of one tap; the channels of a tap fill their last box with columns that are not stored. wgmma
 * takes A from stream 0's boxes, N-major.
 *
 * mbarriers: full[stage] counts TMA's bytes; ready[stage] the warps that made A ready; empty[stage] the warps that are through with a stage.
 * Order of a sum: pixels ascending, 16 at a time. */
#define TAP_COLUMNS ((GROUP_A + 63) / 64 * 64)
#define BLOCK_M (BLOCK_N == 64 ? 2 * COLUMNS : COLUMNS)
#include "codegen/cuda/templates/contract_weights_place.cuh"
#include "codegen/cuda/templates/wgmma_ring.cuh"
#define BOX_BYTES (BLOCK_K * 128)
#define A_BOXES (BLOCK_M / 64)
#define A_BOX_BYTES (A_STREAMS * BOX_BYTES)
#define B_BOX_BYTES (B_STREAMS * BOX_BYTES)
#define B_BYTES (BLOCK_N / 64 * B_BOX_BYTES)
#define STAGE_BYTES (B_BYTES + A_BOXES * A_BOX_BYTES)
#define FULL(stage) (base + STAGES * STAGE_BYTES + 8 * (stage))
#define READY(stage) FULL(STAGES + (stage))
#define EMPTY(stage) FULL(2 * STAGES + (stage))
/* Threads: those that multiply, the warp that loads, those that make A ready; and how those share a box: 8 channels of every 12th pixel for each. */
#define MULTIPLIERS 256
#define LOADER MULTIPLIERS
#define PREPARERS 96
#define LINES (PREPARERS / 8)
#define OWN_LINES ((BLOCK_K + LINES - 1) / LINES)
/* Which boxes of a stage a warpgroup multiplies: of B, and the first of A. */
#define OWN_B (BLOCK_N == 64 ? 0 : (int)threadIdx.x / 128)
#define OWN_A (BLOCK_N == 64 ? (int)threadIdx.x / 128 * (COLUMNS / 64) : 0)
#define WGMMA_(columns) PASTE(wgmma_rs, WIDTH(columns))
#define WIDTH(columns) n##columns##_trans
#define WGMMA WGMMA_(COLUMNS)

typedef struct FN(arguments) {
  kernel_args args;
  tensor_map maps[A_STREAMS + B_STREAMS];
} FN(arguments);

/* 64 columns: of tap (r, s), channels from c on of the group; past all columns c is past the tensor, whose TMA gives zeros. */
typedef struct FN(box) {
  int r, s, c;
} FN(box);

DEV FN(box) FN(find_box)(int j) {
  const int tap = j / TAP_COLUMNS, inside = tap < OUT_H * OUT_W;
  FN(box) found;
  found.r = inside ? tap / OUT_W : 0;
  found.s = inside ? tap % OUT_W : 0;
  found.c = inside ? j % TAP_COLUMNS : A_C;
  return found;
}

/* A pixel of B. */
typedef struct FN(pixel) {
  int n, h, w;
} FN(pixel);

DEV FN(pixel) FN(find_pixel)(int p) {
  FN(pixel) found;
  found.n = p / (B_H * B_W);
  found.h = p / B_W % B_H;
  found.w = p % B_W;
  return found;
}

/* A box of A's streams, of the pixels from p on. */
DEV void FN(load_a)(const FN(arguments) *args, const FN(place) *at, u32 to, u32 full, int p, FN(box) box) {
  const int c = at->group * GROUP_A + box.c;
#pragma unroll
  for (int s = 0; s < A_STREAMS; s++) {
#if A_TILED
    tma_load_2d(to + s * BOX_BYTES, args->maps + s, full, c, p);
#else
    const FN(pixel) from = FN(find_pixel)(p);
    tma_load_im2col(to + s * BOX_BYTES, args->maps + s, full, c, from.w * STRIDE - PAD, from.h * STRIDE - PAD, from.n, (u16)(box.s * DILATION), (u16)(box.r * DILATION));
#endif
  }
}

/* All steps, by one thread. */
DEV void FN(load)(const FN(arguments) *args, const FN(place) *at, u32 base) {
  FN(ring) ring = {0, 0};
  int p = at->first;
#pragma unroll 1
  do {
    const u32 stage = base + ring.stage * STAGE_BYTES, full = FULL(ring.stage);
    mbar_wait(EMPTY(ring.stage), ring.parity ^ 1);
    mbar_expect(full, STAGE_BYTES);
#pragma unroll
    for (int i = 0; i < BLOCK_N / 64 * B_STREAMS; i++)
      tma_load_2d(stage + i * BOX_BYTES, args->maps + A_STREAMS + i % B_STREAMS, full, at->group * GROUP_OUT + at->o + i / B_STREAMS * 64, p);
#pragma unroll
    for (int q = 0; q < A_BOXES; q++) FN(load_a)(args, at, stage + B_BYTES + q * A_BOX_BYTES, full, p, FN(find_box)(at->j + 64 * q));
    FN(advance)(&ring);
    p += BLOCK_K;
  } while (p < at->last);
}

/* What is by channel of a side's operands, channels c to c + count - 1. */
DEV void FN(take_channels)(const kernel_args *args, const int *operands, int operand_count, int c, int count, float *to) {
#pragma unroll
  for (int i = 0; i < operand_count; i++) {
    if (count == 1) to[i] = args->operands[operands[i]][c];
    else row_load_f32(to + i * count, args->operands[operands[i]] + c, count);
  }
}

/* Of the preparers. */
DEV int FN(preparer)(void) { return (int)threadIdx.x - LOADER - 32; }

/* Where a thread's chunk of 8 channels of line i lies in a box; whether it has such a line. */
DEV u32 FN(chunk_byte)(int i) {
  const int line = FN(preparer)() / 8 + i * LINES, chunk = FN(preparer)() % 8;
  return (u32)(line * 128 + ((chunk ^ (line & 7)) << 4));
}
DEV int FN(has_line)(int i) { return (i + 1) * LINES <= BLOCK_K || FN(preparer)() / 8 + i * LINES < BLOCK_K; }

/* A box of A, whose prologue was applied, with zeros where it is padded and past `left` pixels. pixels[]: this thread's, as they are in B. */
#if A_PROLOGUE
DEV void FN(prepare_box)(const kernel_args *args, const FN(place) *at, u32 tile, const FN(pixel) *pixels, int left, FN(box) box) {
  const int operands[A_CHANNELS + 1] = A_CHANNEL_OPERANDS, c = box.c + FN(preparer)() % 8 * 8;
  float raw[8 * (A_STREAMS + A_CHANNELS)], row[8];
  uint4 next[A_STREAMS];
  if (c >= GROUP_A) return;
  FN(take_channels)(args, operands, A_CHANNELS, at->group * GROUP_A + c, 8, raw + 8 * A_STREAMS);
#pragma unroll
  for (int i = -1; i < OWN_LINES; i++) {
#pragma unroll
    for (int s = 0; s < A_STREAMS; s++) { /* a line ahead, and no branches: latency is what a warp has most of */
      if (i >= 0) row_unpack_8(raw + 8 * s, next[s]);
      if (i + 1 < OWN_LINES && FN(has_line)(i + 1)) next[s] = lds_v4(tile + s * BOX_BYTES + FN(chunk_byte)(i + 1));
    }
    if (i < 0 || !FN(has_line)(i)) continue;
    const int h = pixels[i].h * STRIDE - PAD + box.r * DILATION, w = pixels[i].w * STRIDE - PAD + box.s * DILATION;
    const int inside = FN(preparer)() / 8 + i * LINES < left && h >= 0 && h < A_H && w >= 0 && w < A_W;
    CONTRACT_A(args, inside ? pixels[i].n : 0, inside ? h : 0, inside ? w : 0, at->group * GROUP_A + c, raw, row);
    const u32 mask = inside ? 0xffffffffu : 0u;
    const uint4 made = row_pack(row);
    sts_v4(tile + FN(chunk_byte)(i), make_uint4(made.x & mask, made.y & mask, made.z & mask, made.w & mask));
  }
}
#else
DEV void FN(prepare_box)(const kernel_args *args, const FN(place) *at, u32 tile, const FN(pixel) *pixels, int left, FN(box) box) {
  (void)args, (void)at, (void)pixels, (void)box;
  for (int i = 0; i < OWN_LINES; i++)
    if (FN(has_line)(i) && FN(preparer)() / 8 + i * LINES >= left) sts_v4(tile + FN(chunk_byte)(i), make_uint4(0, 0, 0, 0));
}
#endif

/* All steps of A. */
DEV void FN(prepare)(const kernel_args *args, const FN(place) *at, u32 base) {
  FN(ring) ring = {0, 0};
  int p = at->first;
#pragma unroll 1
  do {
    mbar_wait(FULL(ring.stage), ring.parity);
    if (A_PROLOGUE || p + BLOCK_K > at->last) {
      FN(pixel) pixels[OWN_LINES];
      for (int i = 0; i < OWN_LINES; i++) pixels[i] = FN(find_pixel)(p + FN(preparer)() / 8 + i * LINES);
#pragma unroll 1
      for (int q = 0; q < A_BOXES; q++)
        FN(prepare_box)(args, at, base + ring.stage * STAGE_BYTES + B_BYTES + q * A_BOX_BYTES, pixels, at->last - p, FN(find_box)(at->j + 64 * q));
      fence_proxy_async(); /* wgmma reads it next */
    }
    __syncwarp();
    if (threadIdx.x % 32 == 0) mbar_arrive(READY(ring.stage));
    FN(advance)(&ring);
    p += BLOCK_K;
  } while (p < at->last);
}

/* The first of a lane's two output channels, the other is 8 further: o of the block. */
DEV int FN(own_o)(void) { return OWN_B * 64 + (int)threadIdx.x % 128 / 32 * 16 + (int)threadIdx.x % 32 / 4; }

/* Which channel of B a lane's row is; past the group's some channel, whose sums are not stored. */
DEV int FN(channel)(const FN(place) *at, int e) {
  const int o = at->o + FN(own_o)() + 8 * e;
  return at->group * GROUP_OUT + (o < GROUP_OUT ? o : 0);
}

/* B at pixels p and p + 1, of one channel; raw: the pair of each stream, 4 apart; by_channel: what is by channel. */
DEV u32 FN(apply)(const kernel_args *args, const FN(place) *at, int p, int channel, const u32 *raw, const float *by_channel) {
#if B_PROLOGUE
  float in[B_STREAMS + B_CHANNELS], pair[2];
#pragma unroll
  for (int i = 0; i < B_CHANNELS; i++) in[B_STREAMS + i] = by_channel[i];
#pragma unroll
  for (int half = 0; half < 2; half++) {
    const FN(pixel) pixel = FN(find_pixel)(p + half < at->last ? p + half : 0);
#pragma unroll
    for (int s = 0; s < B_STREAMS; s++) in[s] = half ? bf_hi(raw[4 * s]) : bf_lo(raw[4 * s]);
    CONTRACT_B(args, pixel.n, pixel.h, pixel.w, channel, in, pair + half);
  }
  return bf_pack(pair[0], pair[1]);
#else
  (void)args, (void)at, (void)p, (void)channel, (void)by_channel;
  return raw[0];
#endif
}

/* This warp's fragment of B^T, 16 o by 16 pixels, the k-th of a step; p: the first of these pixels. */
DEV void FN(make_fragment)(const kernel_args *args, const FN(place) *at, u32 tile, int k, int p, float by_channel[2][B_CHANNELS + 1], u32 *a) {
  const int lane = (int)threadIdx.x % 32, line = 16 * k + lane / 16 * 8 + lane % 8, chunk = (int)threadIdx.x % 128 / 32 * 2 + lane / 8 % 2;
  u32 raw[4 * B_STREAMS];
#pragma unroll
  for (int s = 0; s < B_STREAMS; s++) ldmatrix_x4_trans(raw + 4 * s, tile + s * BOX_BYTES + line * 128 + ((chunk ^ (lane & 7)) << 4));
#pragma unroll
  for (int e = 0; e < 4; e++) {
    const int first = p + e / 2 * 8 + lane % 4 * 2, left = at->last - first;
    const u32 pair = FN(apply)(args, at, first, FN(channel)(at, e % 2), raw + e, by_channel[e % 2]);
    a[e] = left > 1 ? pair : left > 0 ? pair & 0xffff : 0u;
  }
}

/* The products of all steps: 16 pixels are made ready while those before are multiplied. */
DEV void FN(multiply)(const kernel_args *args, const FN(place) *at, u32 base, float *d) {
  FN(ring) ring = {0, 0};
  float by_channel[2][B_CHANNELS + 1];
#if B_PROLOGUE
  const int operands[B_CHANNELS + 1] = B_CHANNEL_OPERANDS;
  for (int e = 0; e < 2; e++) FN(take_channels)(args, operands, B_CHANNELS, FN(channel)(at, e), 1, by_channel[e]);
#endif
  u32 a[2][4];
  int last = -1, p = at->first;
#pragma unroll 1
  do {
    const u32 stage = base + ring.stage * STAGE_BYTES;
    const u64 columns = wgmma_desc_of(stage + B_BYTES + OWN_A * A_BOX_BYTES, A_BOX_BYTES);
    mbar_wait(FULL(ring.stage), ring.parity);
#pragma unroll 1
    for (int k = 0; k < BLOCK_K / 16; k += 2) { /* by two, and no further: the compiler takes long over each */
#pragma unroll
      for (int i = 0; i < 2; i++) {
        wgmma_wait(1); /* a[i] is no longer read */
        FN(make_fragment)(args, at, stage + OWN_B * B_BOX_BYTES, k + i, p + 16 * (k + i), by_channel, a[i]);
        if (k + i == 0) mbar_wait(READY(ring.stage), ring.parity);
        wgmma_fence();
        WGMMA(d, a[i], columns + (k + i) * 128, 1);
        wgmma_commit();
      }
    }
    /* all but the last two products are done: those of the step before */
    if (last >= 0) {
      __syncwarp();
      if (threadIdx.x % 32 == 0) mbar_arrive(EMPTY(last));
    }
    last = ring.stage;
    FN(advance)(&ring);
    p += BLOCK_K;
  } while (p < at->last);
  wgmma_wait(0);
}

/* This thread's sums to the workspace, pairs of neighbouring columns: four lanes have 32 bytes of a row. */
DEV void FN(keep)(const kernel_args *args, const FN(place) *at, const float *d) {
  const int o = at->o + FN(own_o)();
  float *rows = args->workspace + ((s64)at->part * OUT_N + at->group * GROUP_OUT + o) * ALL_J + (int)threadIdx.x % 4 * 2;
#pragma unroll
  for (int q = 0; q < COLUMNS / 64; q++) {
    const FN(box) box = FN(find_box)(at->j + 64 * (OWN_A + q));
    float *to = rows + (box.r * OUT_W + box.s) * GROUP_A + box.c;
    if (box.c >= GROUP_A) return;
#pragma unroll
    for (int i = 0; i < 16; i++)
      if ((GROUP_A % 64 == 0 || box.c + i / 2 * 8 < GROUP_A) && (GROUP_OUT % BLOCK_N == 0 || o + i % 2 * 8 < GROUP_OUT))
        stg_v2(to + i % 2 * 8 * ALL_J + i / 2 * 8, make_uint2(__float_as_uint(d[32 * q + 2 * i]), __float_as_uint(d[32 * q + 2 * i + 1])));
  }
}

DEV void FN(sum)(const kernel_args *args, const FN(place) *at, u32 base) {
  float d[COLUMNS / 2];
#pragma unroll
  for (int i = 0; i < COLUMNS / 2; i++) d[i] = 0.0f;
  FN(multiply)(args, at, base, d);
  FN(keep)(args, at, d);
}

TEMPLATE_KERNEL_TAKING(KERNEL_NAME, MULTIPLIERS + 32 + PREPARERS, 1, FN(arguments)) {
  KERNEL_GUARD_BY(args.args);
  RGC_SHARED(shared);
  const u32 base = smem_u32(shared);
  const FN(place) at = FN(find_place)(&args.args);
  if (threadIdx.x == 0) {
    for (int s = 0; s < STAGES; s++) {
      mbar_init(FULL(s), 1);
      mbar_init(READY(s), PREPARERS / 32);
      mbar_init(EMPTY(s), MULTIPLIERS / 32);
    }
    mbar_fence_init();
  }
  __syncthreads();
  if (threadIdx.x < MULTIPLIERS) {
    setmaxnreg_inc(208);
    FN(sum)(&args.args, &at, base);
  } else {
    setmaxnreg_dec(88);
    if (threadIdx.x == LOADER) FN(load)(&args, &at, base);
    if (threadIdx.x >= LOADER + 32) FN(prepare)(&args.args, &at, base);
  }
}

#undef COLUMNS
#undef A_STREAMS
#undef B_STREAMS
#undef A_CHANNELS
#undef B_CHANNELS
#undef A_CHANNEL_OPERANDS
#undef B_CHANNEL_OPERANDS
#undef A_PROLOGUE
#undef B_PROLOGUE
#undef A_TILED
#undef STAGES
#undef BOX_BYTES
#undef A_BOXES
#undef A_BOX_BYTES
#undef B_BOX_BYTES
#undef B_BYTES
#undef STAGE_BYTES
#undef FULL
#undef READY
#undef EMPTY
#undef MULTIPLIERS
#undef LOADER
#undef PREPARERS
#undef LINES
#undef OWN_LINES
#undef OWN_B
#undef OWN_A
#undef WGMMA
#undef WGMMA_
#undef WIDTH
#include "codegen/cuda/templates/contract_weights_end.cuh"
#include "codegen/cuda/templates/contract_names_end.cuh"
