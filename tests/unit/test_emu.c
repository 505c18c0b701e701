/* test_emu.c: each primitive of the CUDA prelude on the emulator, against its definition in plain C on fresh random numbers; with both ways to
 * switch fibers and all times at which asynchronous work may happen. And the same texts through NVRTC. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "codegen/cuda/templates.h"
#include "runtime/device/emu/fiber.h"
#include "runtime/device/nvrtc.h"
#include "tests/unit/emu_fixture.h"
#include "tests/unit/temp_folder.h"

typedef struct primitive_args {
  const unsigned int *in;
  const float *in_f;
  unsigned int *out;
  float *out_f;
  double *out_d;
  int count;
} primitive_args;

static unsigned int bits_of(float value) {
  unsigned int bits;
  memcpy(&bits, &value, 4);
  return bits;
}

/* The nearest multiple of 2^(exponent - kept), ties to even or away from zero: independent of how the prelude does it. */
static float round_mantissa(float value, int kept, bool ties_to_even) {
  int exponent;
  if (!isfinite(value) || value == 0) return value;
  double scaled = ldexp(frexp(value, &exponent), kept);
  double rounded = ties_to_even ? nearbyint(scaled) : copysign(floor(fabs(scaled) + 0.5), scaled);
  return (float)ldexp(rounded, exponent - kept);
}

static void check_conversions(emu_fixture *f) {
  enum { COUNT = 300 };
  float *in = emu_random_floats(f, "in", 2 * COUNT);
  primitive_args args = {.in_f = in, .count = COUNT};
  args.out = rgc_emu_alloc(f->emu, "out", 3 * COUNT * 4);
  args.out_f = rgc_emu_alloc(f->emu, "out_f", 2 * COUNT * 4);
  for (int i = 0; i < 40; i++) in[i] = ldexpf(in[i], i * 5 - 90);
  in[1] = 1.00390625f, in[2] = 1.01171875f, in[3] = INFINITY, in[4] = -INFINITY, in[5] = 0, in[6] = 3.3e38f, in[7] = NAN;
  in[8] = 1.00048828125f; /* a tie of tf32 */
  emu_fixture_must_run(f, "convert", 3, 1, 128, 0, &args, sizeof args);
  for (int i = 0; i < 2 * COUNT; i++) {
    if (isnan(in[i])) {
      cr_assert(isnan(args.out_f[i]));
      cr_assert_eq(args.out[i / 2] >> (i % 2 ? 16 : 0) & 0xffff, 0x7fff);
      continue;
    }
    float want = round_mantissa(in[i], 8, true);
    if (!(fabsf(in[i]) < 3.39e38f)) want = in[i];
    cr_assert_eq(args.out_f[i], want, "bf16 of %a is %a, not %a", in[i], want, args.out_f[i]);
    cr_assert_eq(args.out[COUNT + i], bits_of(round_mantissa(in[i], 11, false)), "tf32 of %a", in[i]);
  }
}

static void check_shuffles(emu_fixture *f) {
  primitive_args args = {.in = emu_random_words(f, "in", 64), .in_f = emu_random_floats(f, "in_f", 64)};
  args.out = rgc_emu_alloc(f->emu, "out", 64 * 6 * 4);
  args.out_d = rgc_emu_alloc(f->emu, "out_d", 64 * 8);
  emu_fixture_must_run(f, "shuffles", 1, 1, 64, 0, &args, sizeof args);
  for (int t = 0; t < 64; t++) {
    int warp = t / 32 * 32, lane = t % 32;
    unsigned int votes = 0;
    for (int i = 0; i < 32; i++) votes |= (args.in[warp + i] & 1) << i;
    const unsigned int want[6] = {bits_of(args.in_f[warp + (lane ^ 5)]), args.in[warp + (lane ^ 16)], bits_of(args.in_f[warp + (lane + 3 > 31 ? lane : lane + 3)]),
                                  bits_of(args.in_f[warp + 7]), args.in[warp + 31], votes};
    for (int i = 0; i < 6; i++) cr_assert_eq(args.out[t * 6 + i], want[i], "thread %d, shuffle %d", t, i);
    cr_assert_eq(args.out_d[t], (double)args.in_f[warp + (lane ^ 1)] * 1.0e-9 + 1.0);
  }
}

static void check_matrices(emu_fixture *f) {
  primitive_args args = {.in = emu_random_words(f, "in", 128)};
  args.out = rgc_emu_alloc(f->emu, "out", 32 * 12 * 4);
  const unsigned short(*matrix)[8][8] = (const unsigned short(*)[8][8])args.in;
  emu_fixture_must_run(f, "load_matrices", 1, 1, 32, 31 * 48 + 16, &args, sizeof args);
  for (int lane = 0; lane < 32; lane++)
    for (int i = 0; i < 12; i++) {
      bool transposed = i / 4 == 1 || i >= 10;
      int m = i < 8 ? i % 4 : i % 2, row = lane / 4, column = lane % 4 * 2;
      unsigned int low = transposed ? matrix[m][column][row] : matrix[m][row][column];
      unsigned int high = transposed ? matrix[m][column + 1][row] : matrix[m][row][column + 1];
      cr_assert_eq(args.out[lane * 12 + i], low | high << 16, "lane %d, register %d", lane, i);
    }
}

static void check_products(emu_fixture *f) {
  float *in = emu_random_floats(f, "in", 704);
  primitive_args args = {.in_f = in, .out_f = rgc_emu_alloc(f->emu, "out", 256 * 4)};
  const float *c = in + 384;
  emu_fixture_must_run(f, "products", 1, 1, 32, 0, &args, sizeof args);
  for (int tf32 = 0; tf32 < 2; tf32++)
    for (int i = 0; i < 128; i++) {
      int depth = tf32 ? 8 : 16;
      const float *a = tf32 ? in + 512 : in, *b = tf32 ? in + 640 : in + 256;
      double want = c[i];
      for (int k = 0; k < depth; k++) {
        float x = a[i / 8 * depth + k], y = b[k * 8 + i % 8];
        want += (double)round_mantissa(x, tf32 ? 11 : 8, !tf32) * round_mantissa(y, tf32 ? 11 : 8, !tf32);
      }
      cr_assert(fabs(args.out_f[tf32 * 128 + i] - want) < 3e-6, "%s: D[%d][%d] is %g, not %g", tf32 ? "tf32" : "bf16", i / 8, i % 8, args.out_f[tf32 * 128 + i], want);
    }
}

static void check_copies(emu_fixture *f) {
  primitive_args args = {.in = emu_random_words(f, "in", 128)};
  args.out = rgc_emu_alloc(f->emu, "out", 32 * 28);
  emu_fixture_must_run(f, "copies", 1, 1, 32, 896, &args, sizeof args);
  for (int t = 0; t < 32; t++) {
    unsigned char want[28] = {0};
    const unsigned char *in = (const unsigned char *)args.in;
    memcpy(want, in + t * 16, (size_t)(t % 17));
    memcpy(want + 16, in + t * 8, (size_t)(t % 9));
    memcpy(want + 24, in + t * 4, (size_t)(t % 5));
    cr_assert_eq(memcmp(args.out + t * 7, want, 28), 0, "thread %d", t);
  }
}

static void check_accesses(emu_fixture *f) {
  primitive_args args = {.in = emu_random_words(f, "in", 128), .in_f = emu_random_floats(f, "in_f", 64)};
  args.out = rgc_emu_alloc(f->emu, "out", 64 * 16);
  emu_fixture_must_run(f, "accesses", 1, 1, 64, 896, &args, sizeof args);
  for (int t = 0; t < 64; t++) {
    int other = 63 - t;
    cr_assert_eq(args.out[t * 4], args.in[2 * other]);
    cr_assert_eq(args.out[t * 4 + 1], args.in[2 * other + 1]);
    cr_assert_eq(args.out[t * 4 + 2], bits_of(args.in_f[other]));
    cr_assert_eq(args.out[t * 4 + 3], ((const unsigned short *)args.in)[other]);
  }
}

static void check_turns(emu_fixture *f) {
  enum { BLOCKS = 5 };
  primitive_args args = {.out = rgc_emu_alloc(f->emu, "out", (1 + (BLOCKS + 1) * 32) * 4)};
  args.out[0] = 0;
  for (int launch = 0; launch < 2; launch++) { /* the ticket counter is left as it was */
    emu_fixture_must_run(f, "turns", BLOCKS, 1, 128, 132, &args, sizeof args);
    for (int lane = 0; lane < 32; lane++) {
      unsigned int sum = 0;
      for (int block = 0; block < BLOCKS; block++) {
        unsigned int held = (unsigned int)(lane + block);
        for (unsigned int warp = 1; warp < 4; warp++) held = held * 3 + warp;
        cr_assert_eq(args.out[1 + block * 32 + lane], held);
        sum += held;
      }
      cr_assert_eq(args.out[1 + BLOCKS * 32 + lane], sum);
      args.out[1 + BLOCKS * 32 + lane] = 0;
    }
    cr_assert_eq(args.out[0], 0);
  }
}

static void check_all(emu_fixture *f) {
  check_conversions(f);
  check_shuffles(f);
  check_matrices(f);
  check_products(f);
  check_copies(f);
  check_accesses(f);
  check_turns(f);
}

Test(emu, primitives) {
  emu_fixture f = emu_fixture_open("emu_primitives.cuh", "", false);
  for (int async = RGC_EMU_LATE; async <= RGC_EMU_MIXED; async++) {
    f.options.async = (rgc_emu_async)async;
    check_all(&f);
  }
  f.options.in_order = true;
  check_all(&f);
  emu_fixture_close(&f);
}

Test(emu, primitives_with_the_portable_switch) {
  emu_fixture f = emu_fixture_open("emu_primitives.cuh", "", false);
  if (!rgc_fiber_has_own_switch()) cr_log_error("SKIPPED: this machine has no switch of its own, so only ucontext was tried");
  f.options.portable_switch = true;
  check_all(&f);
  emu_fixture_close(&f);
}

Test(emu, primitives_watched) {
  emu_fixture f = emu_fixture_open("emu_primitives.cuh", "", true);
  for (int async = RGC_EMU_LATE; async <= RGC_EMU_MIXED; async++) {
    f.options.async = (rgc_emu_async)async;
    check_all(&f);
  }
  emu_fixture_close(&f);
}

/* Every kernel of the tests for every kind of GPU: what the emulator ran is CUDA. */
Test(emu, the_same_texts_through_nvrtc) {
  static const struct {
    const char *file, *defines, *arch;
  } cases[] = {
      {"emu_primitives.cuh", "", "sm_80"},  {"emu_primitives.cuh", "", "sm_90a"}, {"emu_primitives.cuh", "", "sm_100"},
      {"emu_gemm.cuh", "", "sm_80"},        {"emu_gemm.cuh", "", "sm_90a"},       {"emu_gemm.cuh", "", "sm_100"},
      {"emu_conv.cuh", "", "sm_90a"},       {"emu_conv.cuh", "#define COLUMNS 256\n", "sm_90a"},
      {"emu_conv.cuh", "#define COLUMNS 128\n#define A_FROM_REGISTERS\n", "sm_90a"},
      {"emu_mistakes.cuh", "", "sm_90a"},   {"emu_wgmma.cuh", "#define COLUMNS 256\n", "sm_90a"},
  };
  rgc_arena *arena = rgc_arena_create();
  rgc_diagnostics diags;
  rgc_diagnostics_init(&diags, arena);
  rgc_nvrtc *nvrtc = rgc_nvrtc_open(&diags);
  if (!nvrtc) cr_log_error("SKIPPED: NVRTC is not here, so the kernels of the tests were not compiled for a GPU (%s)", diags.items[0].message);
  for (size_t i = 0; nvrtc && i < sizeof cases / sizeof *cases; i++) {
    rgc_template text = emu_kernel_text(arena, cases[i].file, cases[i].defines);
    rgc_cubin *cubin = rgc_nvrtc_compile(nvrtc, &text, rgc_cuda_templates, rgc_cuda_template_count, cases[i].arch, NULL, 0, arena, &diags);
    cr_assert(cubin, "%s", diags.count ? diags.items[0].message : "");
    cr_assert(cubin->kernel_count > 0);
    for (int k = 0; k < cubin->kernel_count; k++)
      cr_assert_eq(cubin->kernels[k].spill_store_bytes, 0, "%s of %s for %s spills", cubin->kernels[k].name, cases[i].file, cases[i].arch);
  }
  rgc_nvrtc_close(nvrtc);
  rgc_arena_destroy(arena);
}

/* The templates with a line more in the one of that file. */
static const rgc_template *with_a_line(fixture *f, const char *file) {
  rgc_template *made = RGC_NEW_ARRAY(f->arena, rgc_template, rgc_cuda_template_count);
  int changed = 0;
  for (int i = 0; i < rgc_cuda_template_count; i++) {
    made[i] = rgc_cuda_templates[i];
    if (strcmp(strrchr(made[i].name, '/') + 1, file)) continue;
    made[i].text = rgc_arena_printf(f->arena, "%s\n", made[i].text);
    changed++;
  }
  cr_assert_eq(changed, 1, "%s", file);
  return made;
}

/* Compiled once, then found; another text, another flag, or another template among those that it includes are another library. */
Test(emu, libraries_are_kept) {
  fixture f = setup();
  setenv("RGC_CACHE", f.dir, 1);
  rgc_template text = {"kernel.cu", "#include \"codegen/cuda/templates/prelude.cuh\"\ntypedef struct a { int x; } a;\nRGC_KERNEL(nothing, 32, 1, a) { (void)args.x; }\n"};
  const rgc_template *included = with_a_line(&f, "prelude.cuh"), *by_another = with_a_line(&f, "emu_calls.cuh"), *elsewhere = with_a_line(&f, "reduce.cuh");
  const rgc_template longer = {text.name, rgc_arena_printf(f.arena, "%s\n", text.text)};
  const struct { const rgc_template *text, *headers; bool watched; int compiled; } builds[] = {
      {&text, rgc_cuda_templates, false, 1}, {&text, rgc_cuda_templates, false, 0}, {&text, rgc_cuda_templates, true, 1},
      {&text, included, false, 1},           {&text, by_another, false, 1},           {&text, elsewhere, false, 0},
      {&longer, rgc_cuda_templates, false, 1}, {&text, rgc_cuda_templates, false, 0}};
  for (size_t i = 0; i < sizeof builds / sizeof *builds; i++) {
    rgc_emu_module *module = rgc_emu_module_build(builds[i].text, 1, builds[i].headers, rgc_cuda_template_count, builds[i].watched, &f.diags);
    cr_assert(module, "%s", f.diags.count ? f.diags.items[0].message : "");
    cr_expect_eq(rgc_emu_module_compiled(module), builds[i].compiled, "build %zu", i);
    rgc_emu_module_close(module);
  }
  teardown(&f);
}
