/* curve_data.h: the batches of PyTorch's curves (tests/data/curves/README.md), for the reference and for the compiled step. */
#ifndef RGC_TEST_CURVE_DATA_H
#define RGC_TEST_CURVE_DATA_H
#include <criterion/criterion.h>
#include <stdint.h>
#include <stdio.h>

#define CURVES "tests/data/curves/"

/* Fills one batch: sample i of step s is number s*batch+i of the curve. */
typedef void fill_batch(FILE *const *files, int64_t first, int64_t batch, double *input, double *label);

static const char *const drawing_classes[] = {"apple", "butterfly", "carrot",   "eye",       "flower",
                                              "pizza", "rabbit",    "scissors", "snowflake", "zebra"};
enum { CLASSES = 10, DRAWING = 784, CIFAR = 3073 };

static inline void fill_drawings(FILE *const *files, int64_t first, int64_t batch, double *input, double *label) {
  unsigned char bytes[DRAWING];
  for (int64_t i = 0; i < batch; i++) {
    int64_t k = first + i;
    fseek(files[k % CLASSES], (long)(k / CLASSES) * DRAWING, SEEK_SET);
    cr_assert_eq(fread(bytes, 1, DRAWING, files[k % CLASSES]), DRAWING);
    for (int e = 0; e < DRAWING; e++) input[i * DRAWING + e] = bytes[e] / 255.0;
    label[i] = (double)(k % CLASSES);
  }
}

static inline void fill_cifar(FILE *const *files, int64_t first, int64_t batch, double *input, double *label) {
  /* As the curve was made: float32 constants, float64 arithmetic. */
  static const float mean[3] = {0.485f, 0.456f, 0.406f}, std[3] = {0.229f, 0.224f, 0.225f};
  unsigned char bytes[CIFAR];
  fseek(files[0], (long)first * CIFAR, SEEK_SET);
  for (int64_t i = 0; i < batch; i++) {
    cr_assert_eq(fread(bytes, 1, CIFAR, files[0]), CIFAR);
    label[i] = bytes[0];
    for (int p = 0; p < 1024; p++)
      for (int c = 0; c < 3; c++) input[(i * 1024 + p) * 3 + c] = (bytes[1 + c * 1024 + p] / 255.0 - (double)mean[c]) / (double)std[c];
  }
}

static inline void open_drawings(FILE *files[CLASSES]) {
  for (int c = 0; c < CLASSES; c++) {
    char path[96];
    snprintf(path, sizeof path, "examples/data/quickdraw/%s.bin", drawing_classes[c]);
    cr_assert(files[c] = fopen(path, "rb"), "%s", path);
  }
}

#endif
