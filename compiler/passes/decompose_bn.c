/* decompose_bn.c: batch normalisation and its gradient.
 *
 * Training: (1) a map over x writes partial moments; (2) a reduce merges them (Chan, Golub, LeVeque 1979) and finalises:
 * mean, rstd, the running statistics, and scale = gamma*rstd, shift = beta - mean*scale; (3) a map applies x*scale + shift.
 * With running statistics, (1) and (2) are one map over the channels.
 *
 * Gradient, m = n_valid*H*W values a channel: (1) partial sums of dz and dz*(x-mean); (2) a reduce merges them to S1, S2 and
 * finalises: dbeta = S1, dgamma = rstd*S2, a = gamma*rstd, b = -a*rstd*dgamma/m, c = -a*S1/m; (3) a map stores
 * dx = a*dz + b*(x-mean) + c. With running statistics mean and rstd do not depend on x: b = c = 0. */
#include "compiler/passes/decompose_build.h"

typedef struct coefficients {
  int scale, shift; /* value ids, [1,1,1,C] */
} coefficients;

static int channel_temp(rgc_decomposer *d, const char *suffix, int64_t channels) {
  return rgc_decompose_temp(d, suffix, (int64_t[]){1, 1, 1, channels});
}

static int input(rgc_decomposer *d, rgc_kernel *kernel, int number) {
  return rgc_decompose_load(d, kernel->epi, d->op->inputs[number], kernel->extent);
}

/* 1 / sqrt(variance + eps) */
static int reciprocal_deviation(rgc_decomposer *d, rgc_body *body, int variance) {
  int shifted = rgc_decompose_binary(body, RGC_EXPR_ADD, variance, rgc_body_const(body, d->op->attr[RGC_ATTR_EPS]));
  return rgc_decompose_unary(body, RGC_EXPR_RECIP, rgc_decompose_unary(body, RGC_EXPR_SQRT, shifted));
}

/* scale and shift of (x - mean) * rstd * gamma + beta */
static coefficients store_coefficients(rgc_decomposer *d, rgc_kernel *kernel, int mean, int rstd) {
  rgc_body *epi = kernel->epi;
  coefficients made = {.scale = channel_temp(d, "scale", kernel->extent[RGC_C]),
                       .shift = channel_temp(d, "shift", kernel->extent[RGC_C])};
  int scale = rgc_decompose_binary(epi, RGC_EXPR_MUL, input(d, kernel, 1), rstd);
  int minus_mean = rgc_decompose_unary(epi, RGC_EXPR_NEG, mean);
  int shift = rgc_body_node(epi, RGC_EXPR_FMA, minus_mean, scale, input(d, kernel, 2));
  rgc_decompose_store(kernel, RGC_STORE, made.scale, scale);
  rgc_decompose_store(kernel, RGC_STORE, made.shift, shift);
  return made;
}

static int store_moments(rgc_decomposer *d) {
  int x = d->op->inputs[0];
  rgc_kernel *kernel = rgc_decompose_kernel(d, RGC_MAP, rgc_decompose_shape(d, x));
  int moments = rgc_decompose_temp(d, "moments", (int64_t[]){1, 3, 1, kernel->extent[RGC_C]});
  rgc_decompose_store(kernel, RGC_PARTIAL_MOMENTS, moments, input(d, kernel, 0));
  rgc_decompose_emit(d, kernel);
  return moments;
}

/* A reduce of tiles [T,planes,1,C] over T, into one point a channel. Root k reads plane k. */
static rgc_kernel *open_merge(rgc_decomposer *d, int partial, int planes, rgc_combine combine) {
  const int64_t *shape = rgc_decompose_shape(d, partial);
  int64_t tiles = shape[RGC_N], channels = shape[RGC_C];
  rgc_kernel *kernel = rgc_decompose_kernel(d, RGC_REDUCE, (int64_t[]){1, 1, 1, channels});
  rgc_decompose_a_space(d, kernel, (int64_t[]){tiles, 1, 1, channels});
  kernel->reduce_axes = 1u << RGC_N;
  for (int k = 0; k < planes; k++) {
    rgc_view view = rgc_view_identity();
    view.axis[RGC_H].add = k;
    rgc_decompose_root(kernel, rgc_body_load(kernel->a, partial, &view), 0);
    rgc_decompose_accumulate(kernel, combine, -1);
  }
  return kernel;
}

/* (1 - momentum) * old + momentum * new */
static void store_running(rgc_decomposer *d, rgc_kernel *kernel, int number, int node) {
  double momentum = d->op->attr[RGC_ATTR_MOMENTUM];
  int old = rgc_decompose_scaled(kernel->epi, input(d, kernel, number), 1 - momentum);
  int next = rgc_body_node(kernel->epi, RGC_EXPR_FMA, node, rgc_body_const(kernel->epi, momentum), old);
  rgc_decompose_store(kernel, RGC_STORE, d->op->outputs[number], next);
}

static coefficients finalise_moments(rgc_decomposer *d, int moments) {
  rgc_kernel *kernel = open_merge(d, moments, 3, RGC_COMBINE_MERGE);
  rgc_body *epi = kernel->epi;
  int count = rgc_body_leaf(epi, RGC_EXPR_ACC, 0);
  int mean = rgc_body_leaf(epi, RGC_EXPR_ACC, 1);
  int squares = rgc_body_leaf(epi, RGC_EXPR_ACC, 2);
  int rstd = reciprocal_deviation(d, epi, rgc_decompose_binary(epi, RGC_EXPR_DIV, squares, count));
  int freedom = rgc_decompose_binary(epi, RGC_EXPR_SUB, count, rgc_body_const(epi, 1));
  int unbiased = rgc_decompose_binary(epi, RGC_EXPR_DIV, squares, freedom);
  coefficients made = store_coefficients(d, kernel, mean, rstd);
  rgc_decompose_store(kernel, RGC_STORE, d->op->outputs[1], mean);
  rgc_decompose_store(kernel, RGC_STORE, d->op->outputs[2], rstd);
  store_running(d, kernel, 3, mean);
  store_running(d, kernel, 4, unbiased);
  rgc_decompose_emit(d, kernel);
  return made;
}

static coefficients running_coefficients(rgc_decomposer *d) {
  rgc_kernel *kernel = rgc_decompose_kernel(d, RGC_MAP, rgc_decompose_shape(d, d->op->inputs[1]));
  int rstd = reciprocal_deviation(d, kernel->epi, input(d, kernel, 4));
  coefficients made = store_coefficients(d, kernel, input(d, kernel, 3), rstd);
  rgc_decompose_emit(d, kernel);
  return made;
}

void rgc_decompose_bn(rgc_decomposer *d) {
  bool running = d->op->attr[RGC_ATTR_RUNNING] != 0;
  coefficients c = running ? running_coefficients(d) : finalise_moments(d, store_moments(d));
  rgc_kernel *kernel = rgc_decompose_kernel(d, RGC_MAP, rgc_decompose_shape(d, d->op->inputs[0]));
  int scale = rgc_decompose_load(d, kernel->epi, c.scale, kernel->extent);
  int shift = rgc_decompose_load(d, kernel->epi, c.shift, kernel->extent);
  int y = rgc_body_node(kernel->epi, RGC_EXPR_FMA, input(d, kernel, 0), scale, shift);
  rgc_decompose_store(kernel, RGC_STORE, d->op->outputs[0], y);
  rgc_decompose_emit(d, kernel);
}

/* Gradient. Inputs: 0 dz, 1 x, 2 gamma, 3 mean, 4 rstd (or the running variance). */

static int distance(rgc_decomposer *d, rgc_kernel *kernel) {
  return rgc_decompose_binary(kernel->epi, RGC_EXPR_SUB, input(d, kernel, 1), input(d, kernel, 3));
}

/* Two values of partial sums: dz, and dz*(x-mean). */
static void store_gradient_sums(rgc_decomposer *d, int sums[2]) {
  rgc_kernel *kernel = rgc_decompose_kernel(d, RGC_MAP, rgc_decompose_shape(d, d->op->inputs[0]));
  int64_t channels = kernel->extent[RGC_C];
  int dz = input(d, kernel, 0);
  sums[0] = channel_temp(d, "sum_dz", channels);
  sums[1] = channel_temp(d, "sum_dz_x", channels);
  rgc_decompose_store(kernel, RGC_PARTIAL_SUM, sums[0], dz);
  rgc_decompose_store(kernel, RGC_PARTIAL_SUM, sums[1],
                      rgc_decompose_binary(kernel->epi, RGC_EXPR_MUL, dz, distance(d, kernel)));
  rgc_decompose_emit(d, kernel);
}

/* node / (n_valid * H * W) */
static int averaged(rgc_decomposer *d, rgc_body *body, int node) {
  const int64_t *shape = rgc_decompose_shape(d, d->op->inputs[1]);
  int pixels = rgc_body_const(body, (double)(shape[RGC_H] * shape[RGC_W]));
  int each = rgc_decompose_binary(body, RGC_EXPR_DIV, node, pixels);
  return rgc_decompose_binary(body, RGC_EXPR_MUL, each, rgc_body_leaf(body, RGC_EXPR_SCALAR, RGC_SCALAR_INV_N));
}

static void store_coefficient(rgc_decomposer *d, rgc_kernel *kernel, const char *name, int node, int *value) {
  *value = channel_temp(d, name, kernel->extent[RGC_C]);
  rgc_decompose_store(kernel, RGC_STORE, *value, node);
}

/* Coefficients a, and, but for running statistics, b and c. */
static void finalise_gradient(rgc_decomposer *d, const int sums[2], bool running, int abc[3]) {
  rgc_kernel *kernel = open_merge(d, sums[0], 1, RGC_COMBINE_SUM);
  rgc_body *epi = kernel->epi;
  rgc_decompose_root(kernel, rgc_decompose_load(d, kernel->a, sums[1], kernel->a_extent), 0);
  rgc_decompose_accumulate(kernel, RGC_COMBINE_SUM, -1);
  int rstd = running ? reciprocal_deviation(d, epi, input(d, kernel, 4)) : input(d, kernel, 4);
  int dbeta = rgc_body_leaf(epi, RGC_EXPR_ACC, 0);
  int dgamma = rgc_decompose_binary(epi, RGC_EXPR_MUL, rgc_body_leaf(epi, RGC_EXPR_ACC, 1), rstd);
  int a = rgc_decompose_binary(epi, RGC_EXPR_MUL, input(d, kernel, 2), rstd);
  store_coefficient(d, kernel, "dz_scale", a, &abc[0]);
  if (!running) {
    int minus_a = rgc_decompose_unary(epi, RGC_EXPR_NEG, a);
    int slope = rgc_decompose_binary(epi, RGC_EXPR_MUL, minus_a, rstd);
    int b = rgc_decompose_binary(epi, RGC_EXPR_MUL, slope, averaged(d, epi, dgamma));
    int c = rgc_decompose_binary(epi, RGC_EXPR_MUL, minus_a, averaged(d, epi, dbeta));
    store_coefficient(d, kernel, "x_scale", b, &abc[1]);
    store_coefficient(d, kernel, "dx_shift", c, &abc[2]);
  }
  rgc_decompose_store(kernel, RGC_STORE, d->op->outputs[1], dgamma);
  rgc_decompose_store(kernel, RGC_STORE, d->op->outputs[2], dbeta);
  rgc_decompose_emit(d, kernel);
}

void rgc_decompose_bn_grad(rgc_decomposer *d) {
  bool running = d->op->attr[RGC_ATTR_RUNNING] != 0;
  int sums[2], abc[3];
  store_gradient_sums(d, sums);
  finalise_gradient(d, sums, running, abc);
  rgc_kernel *kernel = rgc_decompose_kernel(d, RGC_MAP, rgc_decompose_shape(d, d->op->outputs[0]));
  rgc_body *epi = kernel->epi;
  int a = rgc_decompose_load(d, epi, abc[0], kernel->extent);
  int dx = input(d, kernel, 0);
  if (running) {
    dx = rgc_decompose_binary(epi, RGC_EXPR_MUL, a, dx);
  } else {
    int b = rgc_decompose_load(d, epi, abc[1], kernel->extent);
    int c = rgc_decompose_load(d, epi, abc[2], kernel->extent);
    int rest = rgc_body_node(epi, RGC_EXPR_FMA, b, distance(d, kernel), c);
    dx = rgc_body_node(epi, RGC_EXPR_FMA, a, dx, rest);
  }
  rgc_decompose_store(kernel, RGC_STORE, d->op->outputs[0], dx);
  rgc_decompose_emit(d, kernel);
}
