/* contract_wgmma.cuh: implicit GEMM of bf16 with TMA and wgmma (sm_90a): convolutions, data gradients and linear layers, included once for each kernel.
 *
 * In, as macros (all are undefined at the end): what contract_walk.cuh asks for, where BLOCK_M is 128, BLOCK_N 64 or 128, and a thread has 2 x BLOCK_N / 4; and
 *   STREAMS           tensors over A's space that A is made of, each a box of TMA a step
 *   A_PROLOGUE        0: A is stream 0 as it lies; 1: then
 *   CONTRACT_A        void (args, n, h, w, c, const float *raw, float *row): A at channels c and c + 1, inside of its space, of what the streams have there:
 *                     raw[2 * stream + {0, 1}]
 *   A_TILED           1: 1x1, stride 1: pixels are rows of a matrix; 0: pixels come by im2col
 *   A_MAPS            sets of tensor maps of the streams: 1, or one for each residue
 *   STAGES            steps in shared memory at once
 *   BLOCKS            blocks an SM should hold: 2, and while one is in its epilogue, the other multiplies; or 1, where the prologue wants registers
 * Tensor maps (tensor_map.h), behind the other arguments: A_MAPS times STREAMS, whose boxes are BLOCK_M pixels; then W's: [O][taps][GROUP_A] in boxes
 * of BLOCK_N x 1 x 64; transposed [A_C][taps][GROUP_OUT] in boxes of 64 x 1 x 64.
 *
 * A step is 64 channels of one tap. Warps 0 to 7 are two warpgroups, which multiply 64 pixels each; one thread of warp 8 asks TMA for what they
 * need, as many steps ahead as there are stages. (With one block an SM it has three warps beside it: a whole warpgroup, to give registers away.)
 * A stage, in rows of 128 bytes whose 16-byte chunks are swizzled (prelude.cuh):
 *   A, for each stream [BLOCK_M pixels][64 channels];  W [BLOCK_N][64 channels], transposed BLOCK_N / 64 times [64 channels][64 n]
 * Without a prologue wgmma reads both from there. With one, a warp takes 16 pixels by 16 channels to registers, where the prologue is applied and
 * padding becomes zero (TMA's zeros come before it), and wgmma takes A from there, while the next are made.
 *
 * mbarriers: full[stage] counts TMA's bytes; empty[stage] the warps that are through with a stage; `drained`: the sums of a chunk, which lie over the
 * stages, have been read, and the next chunk may come.
 * Tails: pixels past the last are never looked at; channels past GROUP_A are zeros of W's map, and of A's; n past GROUP_OUT are not stored.
 * Order of a sum: taps, then channels, 16 at a time. */
#include "codegen/cuda/templates/contract_place.cuh"
#include "codegen/cuda/templates/contract_walk.cuh"
#define STEP_C 64
#define PRODUCERS (BLOCKS == 1 ? 128 : 32)
#define TILE_BYTES (BLOCK_M * 128)
#define STAGE_BYTES (STREAMS * TILE_BYTES + BLOCK_N * 128)
#define FULL(stage) (base + STAGES * STAGE_BYTES + 8 * (stage))
#define EMPTY(stage) FULL(STAGES + (stage))
#define DRAINED FULL(2 * STAGES)
/* The first tap relative to the one furthest up and left, from which im2col counts. */
#define FIRST_TAP(count) (A_TAP_STEP < 0 ? (1 - (count)) * A_TAP_STEP : 0)
/* Wgmma of this width and weight; what its descriptor is, and a step of 16 channels in it. */
#define WGMMA_(form, columns) PASTE(wgmma_##form, WIDTH(columns))
#define WIDTH(columns) WIDTH_(columns)
#if TRANSPOSED
#define WIDTH_(columns) n##columns##_trans
#define WEIGHT_DESC(address) wgmma_desc_trans(address)
#define WEIGHT_16 128
#else
#define WIDTH_(columns) n##columns
#define WEIGHT_DESC(address) wgmma_desc(address)
#define WEIGHT_16 2
#endif
#define WGMMA(form) WGMMA_(form, BLOCK_N)

typedef struct FN(arguments) {
  kernel_args args;
  tensor_map maps[A_MAPS * STREAMS + 1];
} FN(arguments);

#include "codegen/cuda/templates/wgmma_ring.cuh"

/* A step: 64 channels from c on, of the tap that is `down` and `right` taps from the first. */
typedef struct FN(step) {
  int down, right, c;
} FN(step);

DEV int FN(count_steps)(const FN(place) *at) { return at->h.count * at->w.count * ((GROUP_A + STEP_C - 1) / STEP_C); }

DEV void FN(next_step)(const FN(place) *at, FN(step) *step) {
  step->c += STEP_C;
  if (step->c < GROUP_A) return;
  step->c = 0;
  if (++step->right < at->w.count) return;
  step->right = 0;
  step->down++;
}

/* A step of A: channels from c on of the pixels from `from` on, under the tap (down, right) away from the one furthest up and left. */
DEV void FN(load_a)(const tensor_map *maps, u32 to, u32 full, const FN(pixel) *from, int c, int down, int right) {
  for (int s = 0; s < STREAMS; s++) {
#if A_TILED
    (void)down, (void)right;
    tma_load_2d(to + s * TILE_BYTES, maps + s, full, c, (from->n * A_H + from->h) * A_W + from->w);
#else
    tma_load_im2col(to + s * TILE_BYTES, maps + s, full, c, from->w, from->h, from->n, (u16)right, (u16)down);
#endif
  }
}

/* A step of W: channels from c on of the group, under tap `tap` of the weight. */
DEV void FN(load_w)(const tensor_map *map, const FN(place) *at, u32 to, u32 full, int c, int tap) {
#if TRANSPOSED
  for (int n = 0; n < BLOCK_N; n += 64) tma_load_3d(to + n * 128, map, full, at->channel + n, tap, at->group * GROUP_A + c);
#else
  tma_load_3d(to, map, full, c, tap, at->group * GROUP_OUT + at->channel);
#endif
}

/* All steps of a chunk, by one thread. */
DEV void FN(produce)(const FN(arguments) *args, const FN(place) *at, u32 base, FN(ring) *ring) {
  const tensor_map *maps = args->maps + (A_MAPS == 1 ? 0 : at->residue * STREAMS);
  const int first_h = FIRST_TAP(at->h.count), first_w = FIRST_TAP(at->w.count);
  FN(pixel) from = FN(find_pixel)(at, at->m0);
  from.h -= first_h;
  from.w -= first_w;
  FN(step) step = {0, 0, 0};
#pragma unroll 1
  for (int left = FN(count_steps)(at); left > 0; left--, FN(next_step)(at, &step), FN(advance)(ring)) {
    const int tap = (at->h.first + step.down * TAP_STEP) * KERNEL_W + at->w.first + step.right * TAP_STEP;
    const u32 stage = base + ring->stage * STAGE_BYTES, full = FULL(ring->stage);
    mbar_wait(EMPTY(ring->stage), ring->parity ^ 1);
    mbar_expect(full, STAGE_BYTES);
    FN(load_a)(maps, stage, full, &from, at->group * GROUP_A + step.c, first_h + step.down * A_TAP_STEP, first_w + step.right * A_TAP_STEP);
    FN(load_w)(args->maps + A_MAPS * STREAMS, at, stage + STREAMS * TILE_BYTES, full, step.c, tap);
  }
}

/* This warp is through with a stage. */
DEV void FN(release)(u32 base, int stage) {
  __syncwarp();
  if (threadIdx.x % 32 == 0) mbar_arrive(EMPTY(stage));
}

#if A_PROLOGUE
/* Channels c and c + 1 of a pixel through the prologue; raw: the pair of each stream, 4 apart. */
DEV u32 FN(apply)(const kernel_args *args, const FN(pixel) *pixel, int c, const u32 *raw) {
  float in[2 * STREAMS], row[2];
#pragma unroll
  for (int s = 0; s < STREAMS; s++) {
    in[2 * s] = bf_lo(raw[4 * s]);
    in[2 * s + 1] = bf_hi(raw[4 * s]);
  }
  CONTRACT_A(args, pixel->n, pixel->h, pixel->w, c, in, row);
  return bf_pack(row[0], row[1]);
}

/* This warp's fragment of 16 channels, number `k` of the step, whose first channel is c. Of a lane's pixels 0 and 1, `inside` are not padding. */
DEV void FN(make_fragment)(const kernel_args *args, u32 tile, int k, const FN(pixel) *pixels, const int *inside, int c, u32 *a) {
  const int lane = (int)threadIdx.x % 32, row = (int)threadIdx.x / 32 * 16 + lane % 16, chunk = 2 * k + lane / 16;
  u32 raw[4 * STREAMS];
#pragma unroll
  for (int s = 0; s < STREAMS; s++) ldmatrix_x4(raw + 4 * s, tile + s * TILE_BYTES + row * 128 + ((chunk ^ (row % 8)) << 4));
#pragma unroll
  for (int e = 0; e < 4; e++) {
    const int channel = c + 16 * k + e / 2 * 8 + lane % 4 * 2, there = GROUP_A % STEP_C == 0 || channel < A_C;
    const u32 pair = FN(apply)(args, &pixels[e % 2], there ? channel : 0, raw + e);
    a[e] = inside[e % 2] && there ? pair : 0u;
  }
}

/* The products of a chunk: 16 channels are made ready while those before are multiplied. */
DEV void FN(multiply)(const kernel_args *args, const FN(place) *at, u32 base, FN(ring) *ring, float *d) {
  const int row = (int)threadIdx.x / 32 * 16 + (int)threadIdx.x % 32 / 4;
  const FN(pixel) own[2] = {FN(find_pixel)(at, at->m0 + row), FN(find_pixel)(at, at->m0 + row + 8)};
  FN(step) step = {0, 0, 0};
  u32 a[2][4];
  int last = -1, left = FN(count_steps)(at);
#pragma unroll 1
  do {
    const u32 tile = base + ring->stage * STAGE_BYTES;
    const u64 weights = WEIGHT_DESC(tile + STREAMS * TILE_BYTES);
    FN(pixel) tapped[2];
    int inside[2];
    for (int i = 0; i < 2; i++) {
      tapped[i].n = own[i].n;
      tapped[i].h = own[i].h + step.down * A_TAP_STEP;
      tapped[i].w = own[i].w + step.right * A_TAP_STEP;
      inside[i] = own[i].n >= 0 && tapped[i].h >= 0 && tapped[i].h < A_H && tapped[i].w >= 0 && tapped[i].w < A_W;
    }
    mbar_wait(FULL(ring->stage), ring->parity);
#pragma unroll
    for (int k = 0; k < STEP_C / 16; k++) {
      wgmma_wait(1); /* a[k % 2] is no longer read */
      FN(make_fragment)(args, tile, k, tapped, inside, at->group * GROUP_A + step.c, a[k % 2]);
      wgmma_fence();
      WGMMA(rs)(d, a[k % 2], weights + k * WEIGHT_16, 1);
      wgmma_commit();
    }
    if (last >= 0) FN(release)(base, last); /* all but the last product are done: those of the step before */
    last = ring->stage;
    FN(next_step)(at, &step);
    FN(advance)(ring);
  } while (--left > 0);
  wgmma_wait(0);
  FN(release)(base, last);
}
#else
/* The products of a chunk: those of one step run while the next is waited for. */
DEV void FN(multiply)(const kernel_args *args, const FN(place) *at, u32 base, FN(ring) *ring, float *d) {
  int last = -1, left = FN(count_steps)(at);
  (void)args;
#pragma unroll 1
  do {
    const u32 tile = base + ring->stage * STAGE_BYTES;
    const u64 pixels = wgmma_desc(tile + threadIdx.x / 128 * (TILE_BYTES / 2)), weights = WEIGHT_DESC(tile + TILE_BYTES);
    mbar_wait(FULL(ring->stage), ring->parity);
    wgmma_fence();
#pragma unroll
    for (int k = 0; k < STEP_C / 16; k++) WGMMA(ss)(d, pixels + k * 2, weights + k * WEIGHT_16, 1);
    wgmma_commit();
    wgmma_wait(1);
    if (last >= 0) FN(release)(base, last);
    last = ring->stage;
    FN(advance)(ring);
  } while (--left > 0);
  wgmma_wait(0);
  FN(release)(base, last);
}
#endif

/* This thread's sums to shared memory, pairs of neighbouring channels. */
DEV void FN(put)(const float *d, u32 sums) {
  const int lane = (int)threadIdx.x % 32, row = (int)threadIdx.x / 32 * 16 + lane / 4;
#pragma unroll
  for (int i = 0; i < BLOCK_N / 2; i += 2)
    sts_v2(sums + 4 * ((row + i / 2 % 2 * 8) * SUMS_ROW + i / 4 * 8 + lane % 4 * 2), make_uint2(__float_as_uint(d[i]), __float_as_uint(d[i + 1])));
}

/* The sums of a chunk to shared memory. */
DEV void FN(sum)(const kernel_args *args, FN(place) *at, u32 base, FN(ring) *ring) {
  float d[BLOCK_N / 2];
#pragma unroll
  for (int i = 0; i < BLOCK_N / 2; i++) d[i] = 0.0f;
  if (OUT_STEP > 1 && FN(count_steps)(at) == 0) { /* apart, or ptxas has each wgmma waited for */
    FN(put)(d, base);
    return;
  }
  FN(multiply)(args, at, base, ring, d);
  bar_sync(1, THREADS); /* the other warpgroup has read the stages, too */
  FN(put)(d, base);
}

/* The two warpgroups' part of a chunk. */
DEV void FN(consume)(const kernel_args *args, FN(place) *at, unsigned char *shared, FN(ring) *ring, partial *held, int *taken) {
  const u32 base = smem_u32(shared);
  FN(sum)(args, at, base, ring);
  FN(find_place)(args, at); /* again: registers are scarce while products are made */
  FN(enter_residue)(at, at->residue);
  bar_sync(1, THREADS);
  FN(finish)(args, at, (const float *)shared, held, taken);
  fence_proxy_async(); /* TMA writes there next */
  bar_sync(1, THREADS);
  if (threadIdx.x == 0) mbar_arrive(DRAINED);
}

TEMPLATE_KERNEL_TAKING(KERNEL_NAME, THREADS + PRODUCERS, BLOCKS, FN(arguments)) {
  KERNEL_GUARD_BY(args.args);
  RGC_SHARED(shared);
  const u32 base = smem_u32(shared);
  FN(place) at;
  FN(ring) ring = {0, 0};
  if (threadIdx.x == 0) {
    for (int s = 0; s < STAGES; s++) {
      mbar_init(FULL(s), 1);
      mbar_init(EMPTY(s), THREADS / 32);
    }
    mbar_init(DRAINED, 1);
    mbar_fence_init();
  }
  __syncthreads();
  if (threadIdx.x >= THREADS) {
    u32 chunk = 0;
#if BLOCKS == 1
    setmaxnreg_dec(40);
#endif
    if (threadIdx.x > THREADS) return;
    for (int more = FN(first)(&args.args, &at); more; more = FN(next)(&at), chunk++) {
      mbar_wait(DRAINED, (chunk & 1) ^ 1);
      FN(produce)(&args, &at, base, &ring);
    }
    return;
  }
#if BLOCKS == 1
  setmaxnreg_inc(232);
#endif
  partial held[PARTIALS_HELD * ROW];
  int taken = 0;
  for (int more = FN(first)(&args.args, &at); more; more = FN(next)(&at)) FN(consume)(&args.args, &at, shared, &ring, held, &taken);
#if KERNEL_PARTIALS > 0
  FN(write_partials)(&args.args, &at, held, taken, (float *)shared);
#endif
}

#undef STEP_C
#undef PRODUCERS
#undef TILE_BYTES
#undef STAGE_BYTES
#undef FULL
#undef EMPTY
#undef DRAINED
#undef FIRST_TAP
#undef WGMMA
#undef WGMMA_
#undef WIDTH
#undef WIDTH_
#undef WEIGHT_DESC
#undef WEIGHT_16
#undef STREAMS
#undef A_PROLOGUE
#undef A_TILED
#undef A_MAPS
#undef STAGES
#undef BLOCKS
#include "codegen/cuda/templates/contract_walk_end.cuh"
#include "codegen/cuda/templates/contract_names_end.cuh"
