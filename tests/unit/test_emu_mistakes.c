/* test_emu_mistakes.c: wrong kernels, and what the emulator says of each: what, who, where. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/emu_fixture.h"

typedef struct mistake_args {
  float *x;
  int count;
} mistake_args;

typedef struct mistake {
  const char *kernel;
  unsigned int threads;
  size_t shared_bytes;
  const char *words[3]; /* all in the message */
} mistake;

static const mistake mistakes[] = {
    {"half_a_block_waits", 128, 0,
     {"deadlock: no thread can go on", "warp 0 lanes 0-31: waits in __syncthreads at emu_mistakes.cuh:", "warp 3 lanes 0-31: waits in bar_sync at emu_mistakes.cuh:"}},
    {"split_shuffle", 32, 0, {"divergent shfl_xor", "lanes of a warp are at different ones", "of 32 lanes there"}},
    {"shuffle_after_the_end", 64, 0, {"shfl_xor", "lane", "warp 1"}},
    {"split_barrier", 64, 0, {"divergent __syncthreads", "different barriers", "barrier 0"}},
    {"shared_past_the_end", 32, 496, {"thread (31,0,0) (warp 0, lane 31)", "cp_async_16 touches 16 bytes of shared memory at offset 496, out of bounds", "the block has 496 bytes"}},
    {"shared_misaligned", 32, 512, {"(warp 0, lane 9)", "ldmatrix_x4 at shared offset 8, misaligned", "multiple of 16"}},
    {"ordinary_shared_past_the_end", 32, 1024, {"an ordinary access", "shared memory out of bounds, at offset", "the block has 1024 bytes"}},
    {"ordinary_shared_just_past_the_end", 32, 124, {"an ordinary store went to shared memory at offset 12", "past the end", "the block has 124 bytes"}},
    {"global_past_the_end", 32, 512, {"cp_async_16 reads 16 bytes out of bounds", "past the end of 'x' (1024 bytes)", "lane"}},
    {"ordinary_global_past_the_end", 32, 0, {"an ordinary access", "global memory 0 bytes past the end of 'x' (1024 bytes)", "lane 31"}},
    {"read_before_write", 64, 128, {"lds_f32 reads shared memory at offset", "that was never written: a barrier", "warp 0"}},
    {"copy_without_wait", 32, 512, {"lds_f32 reads shared offset", "while the cp_async of thread", "is in flight: a cp_wait and a barrier must come before"}},
    {"wait_for_bytes_that_never_come", 64, 16,
     {"deadlock", "warp 0 lanes 0-31: waits in mbar_wait at emu_mistakes.cuh:", "mbarrier at shared offset 0, phase parity 0, 0 of 1 arrivals and 256 bytes missing"}},
    {"too_many_arrivals", 32, 16, {"mbar_arrive: all 2 arrivals of this phase", "lane", "kernel too_many_arrivals, block ("}},
    {"barrier_without_init", 32, 16, {"no mbar_init was seen for the mbarrier at shared offset 0", "", ""}},
    {"operand_changed_before_the_wait", 128, 16384, {"wgmma_rs_n64: A's registers were changed before a wgmma_wait", "thread", ""}},
    {"columns_within_a_pattern", 128, 16384, {"wgmma_rs_n128_trans: a descriptor of shared address 1152, which is not in the first row of a pattern of 1024 bytes", "thread", ""}},
    {"columns_half_a_pattern_apart", 128, 16384, {"a descriptor whose parts are 512 and 1024 bytes apart, not whole patterns of 1024", "thread", ""}},
    {"divide_by_zero", 32, 0, {"divides an integer by zero", "", ""}},
    {"large_arrays", 32, 0, {"past the end of its stack", "large local arrays?", ""}},
};

/* By itself, shuffled seeds and both switches until the mistake that depends on the order shows; in order it may not. */
static void check_mistake(emu_fixture *f, const mistake *m, float *x) {
  mistake_args args = {.x = x, .count = 256};
  bool good = true;
  for (int i = 0; i < 40 && good; i++) {
    f->options.seed++;
    f->options.async = i % 2 ? RGC_EMU_EARLY : RGC_EMU_LATE;
    f->options.portable_switch = i % 4 > 1;
    good = emu_fixture_run(f, m->kernel, 2, 1, m->threads, m->shared_bytes, &args, sizeof args);
  }
  cr_assert_not(good, "%s was not found", m->kernel);
  for (int i = 0; i < 3; i++)
    cr_assert(strstr(emu_fixture_message(f), m->words[i]), "%s: no '%s' in: %s", m->kernel, m->words[i], emu_fixture_message(f));
  emu_fixture_clear(f);
}

/* Told where ordinary accesses are watched, the first time, whatever the order. */
static const mistake watched_mistakes[] = {
    {"ordinary_shared_just_past_the_end", 32, 124, {"lane 31", "an ordinary store touches 4 bytes of shared memory at offset 124, out of bounds", "the block has 124 bytes"}},
    {"read_before_write", 64, 128, {"shared", "offset", ""}},
    {"ordinary_race", 64, 256, {"race: an ordinary", "no barrier between", "its last primitive was __syncthreads at emu_mistakes.cuh:"}},
    {"ordinary_overwrite", 64, 128, {"race: an ordinary", "shared offset", "no barrier between"}},
    {"ordinary_read_of_a_copy", 32, 512, {"an ordinary load reads shared offset", "while the cp_async of thread", "cp_commit at emu_mistakes.cuh:"}},
    {"ordinary_read_of_nothing", 32, 128, {"an ordinary load reads shared memory at offset", "that was never written", ""}},
    {"stores_that_wgmma_does_not_see", 128, 16384, {"wgmma_ss_n64 reads shared offset", "wrote by an ordinary store, with no fence_proxy_async between", "warp 0"}},
    {"ordinary_misaligned", 32, 128, {"an ordinary load at shared offset", "misaligned: it must be a multiple of 8", ""}},
};

Test(emu_errors, each_mistake_of_ordinary_code_is_told_when_watched) {
  emu_fixture f = emu_fixture_open("emu_mistakes.cuh", "", true);
  mistake_args args = {.x = emu_random_floats(&f, "x", 256), .count = 256};
  for (size_t i = 0; i < sizeof watched_mistakes / sizeof *watched_mistakes; i++) {
    const mistake *m = &watched_mistakes[i];
    for (int k = 0; k < 4; k++, f.options.seed++) {
      f.options.in_order = k == 0;
      f.options.async = k % 2 ? RGC_EMU_EARLY : RGC_EMU_LATE;
      cr_assert_not(emu_fixture_run(&f, m->kernel, 1, 1, m->threads, m->shared_bytes, &args, sizeof args), "%s was not found", m->kernel);
      for (int w = 0; w < 3; w++)
        cr_assert(strstr(emu_fixture_message(&f), m->words[w]), "%s: no '%s' in: %s", m->kernel, m->words[w], emu_fixture_message(&f));
      emu_fixture_clear(&f);
    }
  }
  emu_fixture_close(&f);
}

Test(emu_errors, each_mistake_is_told) {
  emu_fixture f = emu_fixture_open("emu_mistakes.cuh", "", false);
  float *x = emu_random_floats(&f, "x", 256);
  for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) check_mistake(&f, &mistakes[i], x);
  emu_fixture_close(&f);
}

/* The line of the text with this comment. */
static int line_of(emu_fixture *f, const char *comment) {
  rgc_template text = emu_kernel_text(f->arena, "emu_mistakes.cuh", "");
  int line = 0; /* the #line directive is one */
  for (const char *at = text.text, *end = strstr(text.text, comment); at < end; at++) line += *at == '\n';
  return line;
}

Test(emu_errors, a_deadlock_names_the_line) {
  emu_fixture f = emu_fixture_open("emu_mistakes.cuh", "", false);
  mistake_args args = {.x = emu_random_floats(&f, "x", 256), .count = 256};
  char words[100];
  cr_assert_not(emu_fixture_run(&f, "half_a_block_waits", 1, 1, 128, 0, &args, sizeof args));
  snprintf(words, sizeof words, "__syncthreads at emu_mistakes.cuh:%d", line_of(&f, "/* LINE deadlock"));
  cr_assert(strstr(emu_fixture_message(&f), words), "no '%s' in: %s", words, emu_fixture_message(&f));
  cr_assert_str_eq(f.diags.items[0].at.file, "emu_mistakes.cuh");
  cr_assert_eq(f.diags.items[0].at.line, line_of(&f, "/* LINE deadlock"));
  emu_fixture_close(&f);
}

/* A launch that the driver would refuse; and after all these errors the same device still works. */
Test(emu_errors, launches_are_checked) {
  emu_fixture f = emu_fixture_open("emu_mistakes.cuh", "", false);
  mistake_args args = {.x = emu_random_floats(&f, "x", 256), .count = 255};
  struct {
    const char *kernel;
    unsigned int blocks, threads;
    size_t shared_bytes, args_bytes;
    const char *words;
  } cases[] = {
      {"nothing", 1, 32, 0, sizeof args, "no text of this module has a kernel 'nothing'"},
      {"divide_by_zero", 1, 64, 0, sizeof args, "its launch bounds: threads a block 64, at most 32"},
      {"divide_by_zero", 1, 0, 0, sizeof args, "threads a block 0"},
      {"divide_by_zero", 0, 32, 0, sizeof args, "blocks along an axis"},
      {"divide_by_zero", 1, 32, 300000, sizeof args, "bytes of shared memory 300000, at most 232448"},
      {"divide_by_zero", 1, 32, 0, 12, "takes args of 16 bytes, and is given 12"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    cr_assert_not(emu_fixture_run(&f, cases[i].kernel, cases[i].blocks, 1, cases[i].threads, cases[i].shared_bytes, &args, cases[i].args_bytes));
    cr_assert(strstr(emu_fixture_message(&f), cases[i].words), "no '%s' in: %s", cases[i].words, emu_fixture_message(&f));
  }
  emu_fixture_must_run(&f, "divide_by_zero", 1, 1, 32, 0, &args, sizeof args);
  cr_assert_eq(args.x[31], -7);
  emu_fixture_close(&f);
}

/* Two of the same seed are the same launch. */
Test(emu_errors, a_seed_repeats_a_launch) {
  emu_fixture f = emu_fixture_open("emu_mistakes.cuh", "", false);
  mistake_args args = {.x = emu_random_floats(&f, "x", 256), .count = 256};
  char first[2000];
  f.options.async = RGC_EMU_MIXED;
  for (int i = 0; i < 2; i++) {
    cr_assert_not(emu_fixture_run(&f, "global_past_the_end", 7, 1, 32, 512, &args, sizeof args));
    if (i) cr_assert_str_eq(emu_fixture_message(&f), first);
    else snprintf(first, sizeof first, "%s", emu_fixture_message(&f));
  }
  emu_fixture_close(&f);
}
