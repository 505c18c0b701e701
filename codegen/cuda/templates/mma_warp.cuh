/* mma_warp.cuh: BLOCK_M x BLOCK_N sums on tensor cores, shared out to warps. Included again by each template that uses it, so it has no guard.
 *
 * Warps of a block: BLOCK_M / WARP_M by BLOCK_N / WARP_N; a warp has THREAD_M / 2 by THREAD_N / 2 tiles of 16 x 8. */
#define WARP_M (THREAD_M * 8)
#define WARP_N (THREAD_N * 4)
#define WARPS_N (BLOCK_N / WARP_N)
#define TILES_M (THREAD_M / 2)
#define TILES_N (THREAD_N / 2)

DEV int FN(lane)(void) { return (int)threadIdx.x % 32; }
DEV int FN(warp_row)(void) { return (int)threadIdx.x / 32 / WARPS_N; }
DEV int FN(warp_column)(void) { return (int)threadIdx.x / 32 % WARPS_N; }
DEV int FN(own_row)(int i) { return FN(warp_row)() * WARP_M + i / 2 * 16 + i % 2 * 8 + FN(lane)() / 4; }
DEV int FN(own_column)(int j) { return FN(warp_column)() * WARP_N + j / 2 * 8 + FN(lane)() % 4 * 2 + j % 2; }
