/* contract_reference.h: contractions in double, by the formulas of kernel.h, and the panel layout of a weight. */
#ifndef RGC_TEST_CONTRACT_REFERENCE_H
#define RGC_TEST_CONTRACT_REFERENCE_H
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static uint64_t random_state;

/* Uniform in [-1, 1); the seed is fresh for each process. */
static inline float random_float(void) {
  if (!random_state) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    random_state = (uint64_t)now.tv_nsec * 2654435761u + (uint64_t)now.tv_sec + 1;
  }
  random_state = random_state * 6364136223846793005u + 1442695040888963407u;
  return (float)(int32_t)(random_state >> 32) * 0x1p-31f;
}

static inline float *new_floats(int64_t count) { return aligned_alloc(64, (size_t)((count + 16) / 16 * 16) * sizeof(float)); }

static inline float *new_random(int64_t count) {
  float *data = new_floats(count);
  for (int64_t i = 0; i < count; i++) data[i] = random_float();
  return data;
}

static inline float *new_poison(int64_t count) {
  float *data = new_floats(count);
  for (int64_t i = 0; i < count; i++) data[i] = NAN;
  return data;
}

/* A sum of products in double, and the sum of their squares: the size it has where its terms do not cancel. */
typedef struct term_sum {
  double value, squares;
} term_sum;

static inline void add_term(term_sum *sum, double term) {
  sum->value += term;
  sum->squares += term * term;
}

/* L2 distance, relative to the sums' size or to what it would be if no sum cancelled (one output alone may all but vanish), whichever is
 * larger; NaN if either holds one. */
static inline double distance_l2(const float *got, const term_sum *want, int64_t count) {
  double apart = 0, size = 1e-300, uncancelled = 0;
  for (int64_t i = 0; i < count; i++) {
    apart += (got[i] - want[i].value) * (got[i] - want[i].value);
    size += want[i].value * want[i].value;
    uncancelled += want[i].squares;
  }
  return sqrt(apart / fmax(size, uncancelled));
}

/* weight [out_c, KH, KW, group_a] to [g][ceil][ceil][KH][KW][block][panel]. */
static inline float *pack_weight(const contract_args *args, const float *weight, int64_t block, int64_t panel) {
  int64_t taps = args->kernel_h * args->kernel_w, k_blocks = (args->group_a + block - 1) / block;
  int64_t panels = (args->group_out + panel - 1) / panel, count = args->groups * panels * k_blocks * taps * block * panel;
  float *packed = new_floats(count);
  memset(packed, 0, (size_t)count * sizeof(float));
  for (int64_t o = 0; o < args->out_c; o++)
    for (int64_t t = 0; t < taps; t++)
      for (int64_t k = 0; k < args->group_a; k++) {
        int64_t in_group = o % args->group_out, row = o / args->group_out * panels + in_group / panel;
        int64_t at = ((row * k_blocks + k / block) * taps + t) * block + k % block;
        packed[at * panel + in_group % panel] = weight[(o * taps + t) * args->group_a + k];
      }
  return packed;
}

/* Row or column of A that output point `at` and tap r meet, or -1. */
static inline int64_t met_point(const contract_args *args, int64_t at, int64_t r, int64_t extent) {
  int64_t x = args->transposed ? at + args->pad - r * args->dilation : at * args->stride + r * args->dilation - args->pad;
  if (args->transposed) {
    if (x < 0 || x % args->stride) return -1;
    x /= args->stride;
  }
  return x >= 0 && x < extent ? x : -1;
}

/* The sum over taps and channels at one output point; a: A after its prologue, weight: [out_c, KH, KW, group_a]. */
static inline term_sum reference_pixel(const contract_args *args, const float *a, const float *weight, int64_t n, int64_t oh,
                                int64_t ow, int64_t o) {
  term_sum sum = {0};
  for (int64_t r = 0; r < args->kernel_h; r++)
    for (int64_t s = 0; s < args->kernel_w; s++) {
      int64_t h = met_point(args, oh, r, args->a_h), w = met_point(args, ow, s, args->a_w);
      if (h < 0 || w < 0) continue;
      const float *x = a + ((n * args->a_h + h) * args->a_w + w) * args->a_c + o / args->group_out * args->group_a;
      const float *y = weight + ((o * args->kernel_h + r) * args->kernel_w + s) * args->group_a;
      for (int64_t k = 0; k < args->group_a; k++) add_term(&sum, (double)x[k] * y[k]);
    }
  return sum;
}

/* The gradient of one weight: the sum over all valid pixels. */
static inline term_sum reference_weight(const contract_args *args, const float *a, const float *b, int64_t o, int64_t r, int64_t s,
                                 int64_t i) {
  term_sum sum = {0};
  for (int64_t n = 0; n < args->valid; n++)
    for (int64_t oh = 0; oh < args->out_h; oh++)
      for (int64_t ow = 0; ow < args->out_w; ow++) {
        int64_t h = met_point(args, oh, r, args->a_h), w = met_point(args, ow, s, args->a_w);
        if (h < 0 || w < 0) continue;
        int64_t channel = o / args->group_out * args->group_a + i;
        add_term(&sum, (double)a[((n * args->a_h + h) * args->a_w + w) * args->a_c + channel] *
                           b[((n * args->out_h + oh) * args->out_w + ow) * args->out_c + o]);
      }
  return sum;
}
#endif
