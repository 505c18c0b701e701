/* winograd_transform.h: the three transforms of Winograd's F(4x4,3x3), a vector of channels at a time.
 *
 *   y = A^T [ (G g G^T) * (B^T d B) ] A     d: 6x6 of the input, g: 3x3 of the weight, y: 4x4 of the output
 *
 * Interpolation points 0, +-P, +-Q, infinity with P = 0.625, Q = 1.5. Their errors are half of those of the usual +-1, +-2: the
 * powers that appear stay nearer to 1. Squares, cubes and products of P and Q are exact in float; all of B and A is, G is
 * rounded once. Each function is one dimension of a transform; callers apply it to columns, then to rows. */
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
#endif
