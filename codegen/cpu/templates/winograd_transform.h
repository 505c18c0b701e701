/* winograd_transform.h: the transforms of Winograd's F(4x4,3x3) and of its weight gradient, a vector of channels at a time.
 *
 *   y  = A^T [ (G g G^T) * (B^T d B) ] A           d: 6x6 of the input, g: 3x3 of the weight, y: 4x4 of the output
 *   dg = G^T [ sum of (A dy A^T) * (B^T d B) ] G   over patches: the same bilinear form, turned around
 *
 * Interpolation points 0, +-P, +-Q, infinity with P = 0.625, Q = 1.5. Their errors are half of those of the usual +-1, +-2: the
 * powers that appear stay nearer to 1. Squares, cubes and products of P and Q are exact in float; all of B and A is, G is
 * rounded once. A function of arrays is one dimension of a transform; those of patches apply it to columns, then to rows, and the
 * numbers of a patch's 36 points are `plane` floats apart. */
#ifndef RGC_TEMPLATE_WINOGRAD_TRANSFORM_H
#define RGC_TEMPLATE_WINOGRAD_TRANSFORM_H

#define WINOGRAD_P 0.625
#define WINOGRAD_Q 1.5
#define WINOGRAD_P2 (WINOGRAD_P * WINOGRAD_P)
#define WINOGRAD_Q2 (WINOGRAD_Q * WINOGRAD_Q)
#define WINOGRAD_GP (0.5 / (WINOGRAD_P2 * (WINOGRAD_P2 - WINOGRAD_Q2)))
#define WINOGRAD_GQ (0.5 / (WINOGRAD_Q2 * (WINOGRAD_Q2 - WINOGRAD_P2)))

/* number * a + b. */
INLINE vec winograd_add(double number, vec a, vec b) { return vec_fma(vec_set((float)number), a, b); }

/* B^T: six inputs, six points. */
INLINE void winograd_input(const vec d[6], vec v[6]) {
  vec even_p = winograd_add(-WINOGRAD_Q2, d[2], d[4]), odd_p = winograd_add(-WINOGRAD_Q2, d[1], d[3]);
  vec even_q = winograd_add(-WINOGRAD_P2, d[2], d[4]), odd_q = winograd_add(-WINOGRAD_P2, d[1], d[3]);
  v[0] = winograd_add(WINOGRAD_P2 * WINOGRAD_Q2, d[0], winograd_add(-(WINOGRAD_P2 + WINOGRAD_Q2), d[2], d[4]));
  v[1] = winograd_add(WINOGRAD_P, odd_p, even_p);
  v[2] = winograd_add(-WINOGRAD_P, odd_p, even_p);
  v[3] = winograd_add(WINOGRAD_Q, odd_q, even_q);
  v[4] = winograd_add(-WINOGRAD_Q, odd_q, even_q);
  v[5] = winograd_add(WINOGRAD_P2 * WINOGRAD_Q2, d[1], winograd_add(-(WINOGRAD_P2 + WINOGRAD_Q2), d[3], d[5]));
}

/* G: three taps, six points. */
INLINE void winograd_weight(const vec g[3], vec u[6]) {
  vec even_p = winograd_add(WINOGRAD_GP * WINOGRAD_P2, g[2], vec_set((float)WINOGRAD_GP) * g[0]);
  vec even_q = winograd_add(WINOGRAD_GQ * WINOGRAD_Q2, g[2], vec_set((float)WINOGRAD_GQ) * g[0]);
  u[0] = vec_set((float)(1 / (WINOGRAD_P2 * WINOGRAD_Q2))) * g[0];
  u[1] = winograd_add(WINOGRAD_GP * WINOGRAD_P, g[1], even_p);
  u[2] = winograd_add(-WINOGRAD_GP * WINOGRAD_P, g[1], even_p);
  u[3] = winograd_add(WINOGRAD_GQ * WINOGRAD_Q, g[1], even_q);
  u[4] = winograd_add(-WINOGRAD_GQ * WINOGRAD_Q, g[1], even_q);
  u[5] = g[2];
}

/* A^T: six points, four outputs. */
INLINE void winograd_output(const vec m[6], vec y[4]) {
  vec sum_p = m[1] + m[2], apart_p = m[1] - m[2], sum_q = m[3] + m[4], apart_q = m[3] - m[4];
  y[0] = m[0] + (sum_p + sum_q);
  y[1] = winograd_add(WINOGRAD_P, apart_p, vec_set((float)WINOGRAD_Q) * apart_q);
  y[2] = winograd_add(WINOGRAD_P2, sum_p, vec_set((float)WINOGRAD_Q2) * sum_q);
  y[3] = winograd_add(WINOGRAD_P * WINOGRAD_P2, apart_p, winograd_add(WINOGRAD_Q * WINOGRAD_Q2, apart_q, m[5]));
}

/* A: four gradients of outputs, six points. */
INLINE void winograd_gradient(const vec d[4], vec z[6]) {
  vec even_p = winograd_add(WINOGRAD_P2, d[2], d[0]), odd_p = winograd_add(WINOGRAD_P * WINOGRAD_P2, d[3], vec_set((float)WINOGRAD_P) * d[1]);
  vec even_q = winograd_add(WINOGRAD_Q2, d[2], d[0]), odd_q = winograd_add(WINOGRAD_Q * WINOGRAD_Q2, d[3], vec_set((float)WINOGRAD_Q) * d[1]);
  z[0] = d[0];
  z[1] = even_p + odd_p, z[2] = even_p - odd_p;
  z[3] = even_q + odd_q, z[4] = even_q - odd_q;
  z[5] = d[3];
}

/* G^T: six points, the gradients of three taps. */
INLINE void winograd_weight_gradient(const vec u[6], vec g[3]) {
  vec sum_p = vec_set((float)WINOGRAD_GP) * (u[1] + u[2]), apart_p = vec_set((float)WINOGRAD_GP) * (u[1] - u[2]);
  vec sum_q = vec_set((float)WINOGRAD_GQ) * (u[3] + u[4]), apart_q = vec_set((float)WINOGRAD_GQ) * (u[3] - u[4]);
  g[0] = winograd_add(1 / (WINOGRAD_P2 * WINOGRAD_Q2), u[0], sum_p + sum_q);
  g[1] = winograd_add(WINOGRAD_P, apart_p, vec_set((float)WINOGRAD_Q) * apart_q);
  g[2] = winograd_add(WINOGRAD_P2, sum_p, winograd_add(WINOGRAD_Q2, sum_q, u[5]));
}

/* 6x6 points of the input, `row` and `column` floats apart. */
INLINE void winograd_input_patch(const float *from, int64_t row, int64_t column, float *to, int64_t plane) {
  vec half[6][6];
  UNROLL_ALL for (int s = 0; s < 6; s++) {
    vec d[6], v[6];
    UNROLL_ALL for (int r = 0; r < 6; r++) d[r] = vec_load(from + r * row + s * column);
    winograd_input(d, v);
    UNROLL_ALL for (int r = 0; r < 6; r++) half[r][s] = v[r];
  }
  UNROLL_ALL for (int r = 0; r < 6; r++) {
    vec v[6];
    winograd_input(half[r], v);
    UNROLL_ALL for (int s = 0; s < 6; s++) vec_store(to + (r * 6 + s) * plane, v[s]);
  }
}

/* 4x4 gradients of outputs. */
INLINE void winograd_gradient_patch(const float *from, int64_t row, int64_t column, float *to, int64_t plane) {
  vec half[6][4];
  UNROLL_ALL for (int s = 0; s < 4; s++) {
    vec d[4], z[6];
    UNROLL_ALL for (int r = 0; r < 4; r++) d[r] = vec_load(from + r * row + s * column);
    winograd_gradient(d, z);
    UNROLL_ALL for (int r = 0; r < 6; r++) half[r][s] = z[r];
  }
  UNROLL_ALL for (int r = 0; r < 6; r++) {
    vec z[6];
    winograd_gradient(half[r], z);
    UNROLL_ALL for (int s = 0; s < 6; s++) vec_store(to + (r * 6 + s) * plane, z[s]);
  }
}

/* The 36 sums of a weight to the gradients of its 9 taps, which take the place of the first nine. */
INLINE void winograd_weight_gradient_patch(float *sums, int64_t plane) {
  vec half[3][6];
  UNROLL_ALL for (int s = 0; s < 6; s++) {
    vec u[6], g[3];
    UNROLL_ALL for (int r = 0; r < 6; r++) u[r] = vec_load(sums + (r * 6 + s) * plane);
    winograd_weight_gradient(u, g);
    UNROLL_ALL for (int r = 0; r < 3; r++) half[r][s] = g[r];
  }
  UNROLL_ALL for (int r = 0; r < 3; r++) {
    vec g[3];
    winograd_weight_gradient(half[r], g);
    UNROLL_ALL for (int s = 0; s < 3; s++) vec_store(sums + (r * 3 + s) * plane, g[s]);
  }
}
#endif
