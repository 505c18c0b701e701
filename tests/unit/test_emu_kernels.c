/* test_emu_kernels.c: whole kernels on the emulator against sums in double: a GEMM with cp.async, ldmatrix and mma; a convolution with TMA, mbarriers and
 * wgmma. And a test of the test: what is left out of them is found. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "tests/unit/emu_fixture.h"

typedef struct gemm_args {
  const unsigned short *a, *b;
  float *c;
  int m, n, k;
} gemm_args;

enum { GEMM_SHARED_BYTES = 3 * 2 * 64 * 64 };

static bool run_gemm(emu_fixture *f, gemm_args *args, int m, int n, int k) {
  *args = (gemm_args){.m = m, .n = n, .k = k};
  args->a = emu_random_halves(f, "a", (size_t)(m * k));
  args->b = emu_random_halves(f, "b", (size_t)(n * k));
  args->c = rgc_emu_alloc(f->emu, "c", (size_t)(m * n) * 4);
  return emu_fixture_run(f, "gemm", (unsigned int)(m + 63) / 64, (unsigned int)(n + 63) / 64, 128, GEMM_SHARED_BYTES, args, sizeof *args);
}

/* Largest error; infinite where something was not written. */
static double gemm_error(const gemm_args *args) {
  double worst = 0;
  for (int i = 0; i < args->m * args->n; i++) {
    double want = 0;
    for (int k = 0; k < args->k; k++) want += half_value(args->a[i / args->n * args->k + k]) * half_value(args->b[i % args->n * args->k + k]);
    double error = fabs(args->c[i] - want);
    worst = error <= worst ? worst : isnan(error) ? INFINITY : error;
  }
  return worst;
}

static void free_gemm(emu_fixture *f, const gemm_args *args) {
  rgc_emu_free(f->emu, (void *)args->a);
  rgc_emu_free(f->emu, (void *)args->b);
  rgc_emu_free(f->emu, args->c);
}

static void check_gemm(emu_fixture *f, int m, int n, int k) {
  gemm_args args;
  cr_assert(run_gemm(f, &args, m, n, k), "RGC_EMU_SEED=%llu: %s", (unsigned long long)f->options.seed, emu_fixture_message(f));
  double error = gemm_error(&args);
  cr_assert(error < 1e-5 * k, "RGC_EMU_SEED=%llu async %d: %d x %d x %d is off by %g", (unsigned long long)f->options.seed, f->options.async, m, n, k, error);
  free_gemm(f, &args);
}

static void check_gemms(bool watched) {
  emu_fixture f = emu_fixture_open("emu_gemm.cuh", "", watched);
  for (int async = RGC_EMU_LATE; async <= RGC_EMU_MIXED; async++) {
    f.options.async = (rgc_emu_async)async;
    f.options.portable_switch = async == RGC_EMU_MIXED;
    check_gemm(&f, 64, 64, 32);
    check_gemm(&f, 100, 77, 160);
    check_gemm(&f, 1, 130, 96);
  }
  emu_fixture_close(&f);
}

Test(emu, gemm) { check_gemms(false); }
Test(emu, gemm_watched) { check_gemms(true); }

/* How many of 6 launches (late and early, three seeds) say so, or give wrong results. */
static int times_found(const char *defines, bool watched, const char *words) {
  emu_fixture f = emu_fixture_open("emu_gemm.cuh", defines, watched);
  int found = 0;
  for (int i = 0; i < 6; i++) {
    gemm_args args;
    f.options.async = i % 2 ? RGC_EMU_EARLY : RGC_EMU_LATE;
    f.options.seed += (uint64_t)i;
    bool good = run_gemm(&f, &args, 100, 77, 160);
    if (!good && words) cr_assert(strstr(emu_fixture_message(&f), words), "%s says: %s", defines, emu_fixture_message(&f));
    found += !good || !(gemm_error(&args) < 1e-3);
    free_gemm(&f, &args);
    emu_fixture_clear(&f);
  }
  emu_fixture_close(&f);
  return found;
}

Test(emu_errors, mistakes_in_a_gemm_are_found) {
  cr_assert_eq(times_found("#define MISTAKE_NO_WAIT\n", false, "is in flight: a cp_wait and a barrier must come before"), 6);
  int barrier = times_found("#define MISTAKE_NO_BARRIER\n", false, NULL);
  cr_assert(barrier == 6, "a missing barrier is found %d times of 6", barrier);
  cr_assert_eq(times_found("#define MISTAKE_NO_BARRIER\n", true, ""), 6);
  cr_assert_eq(times_found("#define MISTAKE_SWIZZLE\n", false, NULL), 6);
  cr_assert_eq(times_found("#define MISTAKE_TAIL\n", false, "out of bounds: global memory"), 6);
}

typedef struct conv_args {
  _Alignas(64) unsigned long long x[16];
  unsigned long long w[16];
  float *y;
  int n, p, q, c, k, kernel, stride, pad;
} conv_args;

typedef struct conv_case {
  int n, h, w, c, k, kernel, stride, pad;
} conv_case;

static double conv_at(const conv_case *s, const conv_args *args, const unsigned short *x, const unsigned short *w, int m, int k, bool relu) {
  int q = m % args->q, p = m / args->q % args->p, n = m / args->q / args->p;
  double sum = 0;
  for (int r = 0; r < s->kernel; r++)
    for (int t = 0; t < s->kernel; t++) {
      int h = p * s->stride - s->pad + r, v = q * s->stride - s->pad + t;
      if (h < 0 || h >= s->h || v < 0 || v >= s->w) continue;
      for (int c = 0; c < s->c; c++) {
        double value = half_value(x[((n * s->h + h) * s->w + v) * s->c + c]);
        if (relu && value < 0) value = 0;
        sum += value * half_value(w[((k * s->kernel + r) * s->kernel + t) * s->c + c]);
      }
    }
  return sum;
}

/* Launches; the largest error, or -1 where the launch failed. */
static double run_conv(emu_fixture *f, const conv_case *s, int columns, bool relu) {
  conv_args args = {.n = s->n, .c = s->c, .k = s->k, .kernel = s->kernel, .stride = s->stride, .pad = s->pad};
  args.p = (s->h + 2 * s->pad - s->kernel) / s->stride + 1;
  args.q = (s->w + 2 * s->pad - s->kernel) / s->stride + 1;
  int depth = s->kernel * s->kernel * s->c, pixels = s->n * args.p * args.q;
  unsigned short *x = emu_random_halves(f, "x", (size_t)(s->n * s->h * s->w * s->c)), *w = emu_random_halves(f, "w", (size_t)(s->k * depth));
  args.y = rgc_emu_alloc(f->emu, "y", (size_t)(pixels * s->k) * 4);
  const int upper = s->pad - s->kernel + 1;
  const rgc_tensor_map x_map = {.rank = RGC_TENSOR_MAP_IM2COL, .size = {s->c, s->w, s->h, s->n}, .pixels = 128, .lower = {-s->pad, -s->pad},
                                .upper = {upper, upper}, .stride = s->stride};
  const rgc_tensor_map w_map = {.rank = 2, .size = {depth, s->k}, .box = {64, columns}};
  bool made = rgc_emu_tensor_map(args.x, &x_map, x, &f->diags) && rgc_emu_tensor_map(args.w, &w_map, w, &f->diags);
  cr_assert(made, "%s", emu_fixture_message(f));
  size_t shared = 3 * (128 * 128 + (size_t)columns * 128) + 48;
  bool good = emu_fixture_run(f, "conv", (unsigned int)(pixels + 127) / 128, (unsigned int)(s->k / columns), 384, shared, &args, sizeof args);
  double worst = good ? 0 : -1;
  for (int i = 0; good && i < pixels * s->k; i++) {
    double error = fabs(args.y[i] - conv_at(s, &args, x, w, i / s->k, i % s->k, relu));
    worst = error <= worst ? worst : isnan(error) ? INFINITY : error;
  }
  rgc_emu_free(f->emu, x);
  rgc_emu_free(f->emu, w);
  rgc_emu_free(f->emu, args.y);
  return worst;
}

static void check_conv(const char *defines, int columns, bool relu, bool watched) {
  static const conv_case cases[] = {{2, 9, 9, 64, 128, 3, 1, 1}, {3, 7, 5, 128, 128, 3, 2, 1}, {1, 12, 13, 64, 256, 1, 1, 0}};
  emu_fixture f = emu_fixture_open("emu_conv.cuh", defines, watched);
  for (int i = 0; i < 3; i++)
    for (int async = RGC_EMU_LATE; async <= RGC_EMU_MIXED; async++) {
      f.options.async = (rgc_emu_async)async;
      if (cases[i].k % columns) continue;
      double error = run_conv(&f, &cases[i], columns, relu);
      cr_assert(error >= 0 && error < 5e-3, "RGC_EMU_SEED=%llu case %d async %d: off by %g %s", (unsigned long long)f.options.seed, i, async, error,
                emu_fixture_message(&f));
    }
  emu_fixture_close(&f);
}

Test(emu, conv_with_tma_and_wgmma) {
  check_conv("#define COLUMNS 64\n", 64, false, false);
  check_conv("#define COLUMNS 128\n#define A_FROM_REGISTERS\n", 128, true, true);
  check_conv("#define COLUMNS 256\n", 256, false, false);
}

Test(emu_errors, mistakes_in_a_conv_are_found) {
  static const conv_case shape = {2, 9, 9, 64, 64, 3, 1, 1};
  static const char *const defines[] = {"#define MISTAKE_NO_FULL\n", "#define MISTAKE_NO_EMPTY\n"};
  for (int i = 0; i < 2; i++) {
    emu_fixture f = emu_fixture_open("emu_conv.cuh", defines[i], false);
    for (int early = 0; early < 2; early++) {
      int found = 0;
      f.options.async = early ? RGC_EMU_EARLY : RGC_EMU_LATE;
      for (int launch = 0; launch < 20 && !found; launch++, f.options.seed++) {
        double error = run_conv(&f, &shape, 64, false);
        found = !(error >= 0 && error < 1e-2);
        cr_assert(found || early, "%s copies are late: found at once, or never", defines[i]);
      }
      cr_assert(found, "%s async %d: not found", defines[i], f.options.async);
    }
    emu_fixture_close(&f);
  }
}

typedef struct product_args {
  const void *image;
  const unsigned short *a;
  float *d;
  int image_count, leading;
} product_args;

/* Byte of B[k][column] in the N-major layout of 128-byte rows: PTX ISA, "Shared memory matrix layout", 128-byte swizzle. Atoms of 8 k x 64 columns, those of one
 * 64 columns one behind the other, then, `leading` bytes further, those of the next; in an atom a row of 128 bytes for each k, whose 16-byte chunk j is at j ^ k. */
static int column_byte(int k, int column, int leading) {
  return column / 64 * leading + k / 8 * 1024 + k % 8 * 128 + ((column % 64 / 8) ^ (k % 8)) * 16 + column % 8 * 2;
}

static unsigned short half_of_integer(int value) {
  float number = (float)value;
  unsigned int bits;
  memcpy(&bits, &number, 4);
  return (unsigned short)(bits >> 16);
}

static int small_integer(void) { return (int)(random() % 17) - 8; }

/* Small integers, so sums are exact: each product must be of the very elements. */
static void check_columns(const char *defines, int columns, int leading) {
  enum { ROWS = 64, DEPTH = 32 };
  int a[ROWS][DEPTH], b[DEPTH][256], bytes = (columns / 64 - 1) * leading + DEPTH / 8 * 1024;
  emu_fixture f = emu_fixture_open("emu_wgmma.cuh", defines, false);
  unsigned char *image = rgc_emu_alloc(f.emu, "image", (size_t)bytes);
  unsigned short *halves = rgc_emu_alloc(f.emu, "a", sizeof(unsigned short) * ROWS * DEPTH);
  float *d = rgc_emu_alloc(f.emu, "d", sizeof(float) * (size_t)(ROWS * columns));
  memset(image, 0xff, (size_t)bytes);
  for (int i = 0; i < ROWS * DEPTH; i++) halves[i] = half_of_integer(a[i / DEPTH][i % DEPTH] = small_integer());
  for (int i = 0; i < DEPTH * columns; i++) {
    unsigned short half = half_of_integer(b[i / columns][i % columns] = small_integer());
    memcpy(image + column_byte(i / columns, i % columns, leading), &half, 2);
  }
  product_args args = {image, halves, d, bytes / 16, leading};
  emu_fixture_must_run(&f, "product", 1, 1, 128, (size_t)bytes, &args, sizeof args);
  for (int i = 0; i < ROWS * columns; i++) {
    int want = 0;
    for (int k = 0; k < DEPTH; k++) want += a[i / columns][k] * b[k][i % columns];
    cr_assert_eq(d[i], (float)want, "row %d, column %d of %d: %g, not %d", i / columns, i % columns, columns, (double)d[i], want);
  }
  emu_fixture_close(&f);
}

Test(emu, wgmma_of_columns) {
  check_columns("#define COLUMNS 64\n", 64, 4096);
  check_columns("#define COLUMNS 128\n", 128, 4096);
  check_columns("#define COLUMNS 256\n", 256, 3 * 4096);
}
