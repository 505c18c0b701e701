/* mix.c: see mix.h. */
#include "runtime/data/mix.h"

#include <math.h>
#include <string.h>

enum { MAX_STEPS = 16 };

static double draw_normal(rgc_draws *d) {
  double u = 1 - rgc_draw(d), v = rgc_draw(d);
  return sqrt(-2 * log(u)) * cos(2 * acos(-1) * v);
}

/* The logarithm of a number of Gamma(shape, 1), by Marsaglia and Tsang (2000); below 1 from shape + 1, times u^(1/shape). */
static double draw_log_gamma(rgc_draws *draws, double shape) {
  double boost = 0;
  if (shape < 1) boost = log(1 - rgc_draw(draws)) / shape, shape += 1;
  double d = shape - 1.0 / 3, c = 1 / sqrt(9 * d);
  for (;;) {
    double x = draw_normal(draws), v = 1 + c * x;
    if (v <= 0) continue;
    v = v * v * v;
    if (log(1 - rgc_draw(draws)) < 0.5 * x * x + d - d * v + d * log(v)) return log(d * v) + boost;
  }
}

double rgc_draw_beta(rgc_draws *draws, double alpha) {
  double a = draw_log_gamma(draws, alpha), b = draw_log_gamma(draws, alpha);
  return 1 / (1 + exp(b - a)); /* by logarithms: small alpha makes both vanish */
}

static size_t image_elems(const rgc_mix_batch *b) {
  return (size_t)b->shape.height * (size_t)b->shape.width * (size_t)b->shape.channels;
}

/* Calls `join` for each sample and the one before it, whose pixels are still its own. */
static void join_all(const rgc_mix_batch *b, void (*join)(const rgc_mix_batch *, float *, const float *, const void *), const void *how) {
  size_t elems = image_elems(b);
  memcpy(b->room, b->images + (size_t)(b->valid - 1) * elems, elems * sizeof *b->room);
  for (int64_t i = b->valid - 1; i > 0; i--) join(b, b->images + (size_t)i * elems, b->images + (size_t)(i - 1) * elems, how);
  join(b, b->images, b->room, how);
  for (int64_t i = 0; i < b->valid; i++) b->others[i] = b->labels[(i + b->valid - 1) % b->valid];
}

static void add_share(const rgc_mix_batch *b, float *own, const float *other, const void *how) {
  float share = *(const float *)how;
  for (size_t e = 0, n = image_elems(b); e < n; e++) own[e] = share * own[e] + (1 - share) * other[e];
}

typedef struct rectangle {
  int top, left, bottom, right;
} rectangle;

static void paste(const rgc_mix_batch *b, float *own, const float *other, const void *how) {
  const rectangle *r = how;
  size_t channels = (size_t)b->shape.channels, row = (size_t)b->shape.width * channels;
  for (int y = r->top; y < r->bottom; y++) {
    size_t at = (size_t)y * row + (size_t)r->left * channels;
    memcpy(own + at, other + at, (size_t)(r->right - r->left) * channels * sizeof *own);
  }
}

static int clamp(int v, int high) { return v < 0 ? 0 : v > high ? high : v; }

/* A rectangle of 1 - share of the area, anywhere, cut off at the border. */
static rectangle draw_rectangle(rgc_image_shape s, double share, rgc_draws *draws) {
  int x = rgc_draw_int(draws, s.width), y = rgc_draw_int(draws, s.height);
  double half = 0.5 * sqrt(1 - share);
  int wide = (int)(half * s.width), high = (int)(half * s.height);
  return (rectangle){clamp(y - high, s.height), clamp(x - wide, s.width), clamp(y + high, s.height), clamp(x + wide, s.width)};
}

static double mixup(const rgc_mix_batch *b, double share) {
  float rounded = (float)share;
  join_all(b, add_share, &rounded);
  return (double)rounded;
}

static double cutmix(const rgc_mix_batch *b, double share, rgc_draws *draws) {
  rectangle r = draw_rectangle(b->shape, share, draws);
  join_all(b, paste, &r);
  return 1 - (double)(r.bottom - r.top) * (r.right - r.left) / ((double)b->shape.height * b->shape.width);
}

double rgc_mix(const rgc_data_steps *steps, uint64_t seed, int64_t epoch, int64_t key, const rgc_mix_batch *b) {
  int found[MAX_STEPS], count = 0;
  for (int i = 0; i < steps->count && count < MAX_STEPS; i++)
    if (steps->items[i].kind == RGC_STEP_MIXUP || steps->items[i].kind == RGC_STEP_CUTMIX) found[count++] = i;
  memcpy(b->others, b->labels, (size_t)b->valid * sizeof *b->others);
  if (!count || b->valid < 2) return 1;
  rgc_draws draws = rgc_draws_begin(seed, steps->count, epoch, key);
  const rgc_data_step *step = &steps->items[found[rgc_draw_int(&draws, count)]];
  if (rgc_draw(&draws) >= step->probability) return 1;
  double share = rgc_draw_beta(&draws, step->alpha);
  return step->kind == RGC_STEP_MIXUP ? mixup(b, share) : cutmix(b, share, &draws);
}
