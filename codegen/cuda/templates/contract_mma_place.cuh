/* contract_mma_place.cuh: where the pixels and the k of a block lie in A; for templates whose blocks look up pixels in shared memory.
 * Included again by each, so it has no guard. */

/* The places of the pixels from m0 on. */
DEV void FN(place_pixels)(const FN(place) *at, int m0, int *pixels) {
  for (int row = (int)threadIdx.x; row < BLOCK_M; row += THREADS) {
    const FN(pixel) found = FN(find_pixel)(at, m0 + row);
    pixels[3 * row] = found.n;
    pixels[3 * row + 1] = found.h;
    pixels[3 * row + 2] = found.w;
  }
}

/* What k is: how far its tap is from a pixel's own place in A, and the channel of A. */
typedef struct FN(element) {
  int down, right, c, inside;
} FN(element);

DEV FN(element) FN(find_k)(const FN(place) *at, int k, int k_end) {
  FN(element) to;
  const int tap = k / GROUP_A, columns = int_max(1, at->w.count);
  to.down = tap / columns * A_TAP_STEP;
  to.right = tap % columns * A_TAP_STEP;
  to.c = at->group * GROUP_A + k % GROUP_A;
  to.inside = k < k_end;
  return to;
}
