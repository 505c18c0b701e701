/* reference_norm.c: batch normalisation, the softmax cross entropy, and their gradients, in double.
 *
 * Statistics are over the pixels of the valid samples, in two passes (mean first), so nothing cancels. Formulas: ops.def. */
#include <math.h>

#include "runtime/reference/reference_ops.h"

static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

static int64_t count_pixels(const rgc_tensor_view *x, int64_t rows) { return rows * x->shape[RGC_H] * x->shape[RGC_W]; }

static void find_mean(const rgc_tensor_view *x, int64_t pixels, double *mean) {
  int64_t channels = x->shape[RGC_C];
  for (int64_t p = 0; p < pixels; p++)
    for (int64_t c = 0; c < channels; c++) mean[c] += x->data[p * channels + c];
  for (int64_t c = 0; c < channels; c++) mean[c] /= (double)pixels;
}

/* The sum of squared distances from the mean. */
static void find_squares(const rgc_tensor_view *x, int64_t pixels, const double *mean, double *squares) {
  int64_t channels = x->shape[RGC_C];
  for (int64_t p = 0; p < pixels; p++)
    for (int64_t c = 0; c < channels; c++) {
      double distance = x->data[p * channels + c] - mean[c];
      squares[c] += distance * distance;
    }
}

static void normalize(const rgc_tensor_view *x, int64_t pixels, const double *mean, const double *rstd,
                      const double *gamma, const double *beta, double *y) {
  int64_t channels = x->shape[RGC_C];
  for (int64_t p = 0; p < pixels; p++)
    for (int64_t c = 0; c < channels; c++) {
      int64_t i = p * channels + c;
      y[i] = (x->data[i] - mean[c]) * rstd[c] * gamma[c] + beta[c];
    }
}

/* Outputs 1..4: mean, rstd and the next running statistics. */
static void batch_statistics(rgc_reference *reference, const rgc_op *op, const rgc_tensor_view *x, int64_t pixels) {
  double *mean = rgc_reference_output(reference, op, 1).data, *rstd = rgc_reference_output(reference, op, 2).data;
  double *next_mean = rgc_reference_output(reference, op, 3).data, *next_var = rgc_reference_output(reference, op, 4).data;
  const double *old_mean = rgc_reference_input(reference, op, 3).data, *old_var = rgc_reference_input(reference, op, 4).data;
  double momentum = op->attr[RGC_ATTR_MOMENTUM], eps = op->attr[RGC_ATTR_EPS];
  find_mean(x, pixels, mean);
  find_squares(x, pixels, mean, next_var);
  for (int64_t c = 0; c < x->shape[RGC_C]; c++) {
    double squares = next_var[c];
    rstd[c] = 1 / sqrt(squares / (double)pixels + eps);
    next_mean[c] = (1 - momentum) * old_mean[c] + momentum * mean[c];
    next_var[c] = (1 - momentum) * old_var[c] + momentum * squares / (double)(pixels > 1 ? pixels - 1 : 1);
  }
}

static void normalize_by_running(rgc_reference *reference, const rgc_op *op, const rgc_tensor_view *x, int64_t pixels) {
  const double *gamma = rgc_reference_input(reference, op, 1).data, *beta = rgc_reference_input(reference, op, 2).data;
  const double *mean = rgc_reference_input(reference, op, 3).data, *var = rgc_reference_input(reference, op, 4).data;
  double *y = rgc_reference_output(reference, op, 0).data;
  int64_t channels = x->shape[RGC_C];
  for (int64_t p = 0; p < pixels; p++)
    for (int64_t c = 0; c < channels; c++) {
      double rstd = 1 / sqrt(var[c] + op->attr[RGC_ATTR_EPS]);
      y[p * channels + c] = (x->data[p * channels + c] - mean[c]) * rstd * gamma[c] + beta[c];
    }
}

void rgc_reference_bn(rgc_reference *reference, const rgc_op *op) {
  rgc_tensor_view x = rgc_reference_input(reference, op, 0);
  int64_t pixels = count_pixels(&x, x.rows);
  if (op->attr[RGC_ATTR_RUNNING] != 0) {
    normalize_by_running(reference, op, &x, pixels);
    return;
  }
  batch_statistics(reference, op, &x, pixels);
  normalize(&x, pixels, rgc_reference_output(reference, op, 1).data, rgc_reference_output(reference, op, 2).data,
            rgc_reference_input(reference, op, 1).data, rgc_reference_input(reference, op, 2).data,
            rgc_reference_output(reference, op, 0).data);
}

typedef struct normalization {
  const double *dy, *x, *gamma, *mean; /* [pixels,channels], the last two [channels] */
  const double *spread;                /* [channels]: rstd, or the running variance */
  double *dx, *dgamma, *dbeta;
  int64_t pixels, channels;
  double eps;
  bool running;
} normalization;

static double rstd_of(const normalization *bn, int64_t c) {
  return bn->running ? 1 / sqrt(bn->spread[c] + bn->eps) : bn->spread[c];
}

static void sum_gradients(const normalization *bn) {
  for (int64_t p = 0; p < bn->pixels; p++)
    for (int64_t c = 0; c < bn->channels; c++) {
      int64_t i = p * bn->channels + c;
      bn->dbeta[c] += bn->dy[i];
      bn->dgamma[c] += bn->dy[i] * (bn->x[i] - bn->mean[c]) * rstd_of(bn, c);
    }
}

static void spread_gradient(const normalization *bn) {
  double inverse = bn->running ? 0 : 1 / (double)bn->pixels; /* running statistics do not depend on x */
  for (int64_t p = 0; p < bn->pixels; p++)
    for (int64_t c = 0; c < bn->channels; c++) {
      int64_t i = p * bn->channels + c;
      double rstd = rstd_of(bn, c), xhat = (bn->x[i] - bn->mean[c]) * rstd;
      bn->dx[i] = bn->gamma[c] * rstd * (bn->dy[i] - (bn->dbeta[c] + xhat * bn->dgamma[c]) * inverse);
    }
}

void rgc_reference_bn_grad(rgc_reference *reference, const rgc_op *op) {
  rgc_tensor_view dy = rgc_reference_input(reference, op, 0), x = rgc_reference_input(reference, op, 1);
  normalization bn = {.dy = dy.data, .x = x.data, .channels = x.shape[RGC_C], .eps = op->attr[RGC_ATTR_EPS]};
  bn.gamma = rgc_reference_input(reference, op, 2).data;
  bn.mean = rgc_reference_input(reference, op, 3).data;
  bn.spread = rgc_reference_input(reference, op, 4).data;
  bn.dx = rgc_reference_output(reference, op, 0).data;
  bn.dgamma = rgc_reference_output(reference, op, 1).data;
  bn.dbeta = rgc_reference_output(reference, op, 2).data;
  bn.pixels = count_pixels(&x, smaller(x.rows, dy.rows));
  bn.running = op->attr[RGC_ATTR_RUNNING] != 0;
  sum_gradients(&bn);
  spread_gradient(&bn);
}

/* Cross entropy. */

static int64_t label_of(const double *labels, int64_t n, int64_t classes) {
  if (!(labels[n] >= 0 && labels[n] < (double)classes))
    rgc_internal_error("reference", "label %g of sample %d is not one of %d classes", labels[n], (int)n, (int)classes);
  return (int64_t)labels[n];
}

/* Softmax of a row by its maximum; returns log(sum exp). The first maximum goes to *best. */
static double softmax(const double *logits, int64_t classes, double *probs, int64_t *best) {
  double sum = 0;
  *best = 0;
  for (int64_t c = 1; c < classes; c++)
    if (logits[c] > logits[*best]) *best = c;
  for (int64_t c = 0; c < classes; c++) sum += probs[c] = exp(logits[c] - logits[*best]);
  for (int64_t c = 0; c < classes; c++) probs[c] /= sum;
  return logits[*best] + log(sum);
}

/* (1-s)(lse - z_label) + s/C sum over c of (lse - z_c) */
static double row_loss(const double *logits, int64_t classes, int64_t label, double smoothing, double lse) {
  double all = 0;
  for (int64_t c = 0; c < classes; c++) all += lse - logits[c];
  return (1 - smoothing) * (lse - logits[label]) + smoothing / (double)classes * all;
}

void rgc_reference_xent(rgc_reference *reference, const rgc_op *op) {
  rgc_tensor_view logits = rgc_reference_input(reference, op, 0), probs = rgc_reference_output(reference, op, 2);
  const double *labels = rgc_reference_input(reference, op, 1).data;
  double loss = 0, correct = 0;
  int64_t classes = logits.shape[RGC_C];
  for (int64_t n = 0; n < logits.rows; n++) {
    const double *row = logits.data + n * classes;
    int64_t best, label = label_of(labels, n, classes);
    double lse = softmax(row, classes, probs.data + n * classes, &best);
    loss += row_loss(row, classes, label, op->attr[RGC_ATTR_SMOOTHING], lse);
    correct += best == label;
  }
  rgc_reference_output(reference, op, 0).data[0] = loss * reference->numbers->scalars[RGC_SCALAR_INV_N];
  rgc_reference_output(reference, op, 1).data[0] = correct;
}

void rgc_reference_xent_grad(rgc_reference *reference, const rgc_op *op) {
  rgc_tensor_view probs = rgc_reference_input(reference, op, 0), dlogits = rgc_reference_output(reference, op, 0);
  const double *labels = rgc_reference_input(reference, op, 1).data;
  double smoothing = op->attr[RGC_ATTR_SMOOTHING], inv_n = reference->numbers->scalars[RGC_SCALAR_INV_N];
  int64_t classes = probs.shape[RGC_C];
  for (int64_t n = 0; n < probs.rows; n++) {
    int64_t label = label_of(labels, n, classes);
    for (int64_t c = 0; c < classes; c++) {
      double target = (c == label ? 1 - smoothing : 0) + smoothing / (double)classes;
      dlogits.data[n * classes + c] = (probs.data[n * classes + c] - target) * inv_n;
    }
  }
}
