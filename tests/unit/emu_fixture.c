/* emu_fixture.c: see emu_fixture.h. Random numbers differ from run to run; RGC_EMU_SEED repeats one. */
#include "tests/unit/emu_fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "codegen/cuda/templates.h"

rgc_template emu_kernel_text(rgc_arena *arena, const char *file, const char *defines) {
  const char *path = rgc_arena_printf(arena, "%s/tests/kernels/%s", RGC_SOURCE_DIR, file);
  FILE *from = fopen(path, "r");
  cr_assert(from, "no file %s", path);
  char *text = rgc_arena_alloc(arena, 64 << 10);
  text[fread(text, 1, (64 << 10) - 1, from)] = 0;
  fclose(from);
  return (rgc_template){file, rgc_arena_printf(arena, "%s#line 1 \"%s\"\n%s", defines, file, text)};
}

static uint64_t fresh_seed(void) {
  const char *chosen = getenv("RGC_EMU_SEED");
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  uint64_t seed = chosen ? strtoull(chosen, NULL, 10) : (uint64_t)now.tv_nsec ^ (uint64_t)now.tv_sec << 20;
  srandom((unsigned int)seed);
  return seed;
}

emu_fixture emu_fixture_open(const char *file, const char *defines, bool watched) { return emu_fixture_open_with(file, defines, watched, NULL); }

emu_fixture emu_fixture_open_with(const char *file, const char *defines, bool watched, const rgc_template *templates) {
  emu_fixture f = {.arena = rgc_arena_create(), .emu = rgc_emu_create(), .options = {.seed = fresh_seed()}};
  rgc_diagnostics_init(&f.diags, f.arena);
  rgc_template text = emu_kernel_text(f.arena, file, defines);
  f.module = rgc_emu_module_build(&text, 1, templates ? templates : rgc_cuda_templates, rgc_cuda_template_count, watched, &f.diags);
  cr_assert(f.module, "%s", emu_fixture_message(&f));
  return f;
}

void emu_fixture_close(emu_fixture *f) {
  rgc_emu_module_close(f->module);
  rgc_emu_destroy(f->emu);
  rgc_arena_destroy(f->arena);
}

bool emu_fixture_run(emu_fixture *f, const char *kernel, unsigned int blocks_x, unsigned int blocks_y, unsigned int threads, size_t shared_bytes,
                     const void *args, size_t args_bytes) {
  rgc_emu_launch launch = {.kernel = kernel, .grid = {blocks_x, blocks_y, 1}, .block = {threads, 1, 1}, .shared_bytes = shared_bytes, .args = args,
                           .args_bytes = args_bytes};
  return rgc_emu_run(f->emu, f->module, &launch, &f->options, &f->diags);
}

void emu_fixture_must_run(emu_fixture *f, const char *kernel, unsigned int blocks_x, unsigned int blocks_y, unsigned int threads,
                          size_t shared_bytes, const void *args, size_t args_bytes) {
  bool good = emu_fixture_run(f, kernel, blocks_x, blocks_y, threads, shared_bytes, args, args_bytes);
  cr_assert(good, "RGC_EMU_SEED=%llu: %s", (unsigned long long)f->options.seed, emu_fixture_message(f));
}

const char *emu_fixture_message(const emu_fixture *f) { return f->diags.count ? f->diags.items[f->diags.count - 1].message : ""; }
void emu_fixture_clear(emu_fixture *f) { rgc_diagnostics_init(&f->diags, f->arena); }

double half_value(unsigned short bits) {
  unsigned int word = (unsigned int)bits << 16;
  float value;
  memcpy(&value, &word, 4);
  return value;
}

double half_nearest(float value) {
  unsigned int bits;
  memcpy(&bits, &value, 4);
  return half_value((unsigned short)((bits + 0x7fff + (bits >> 16 & 1)) >> 16));
}

float *emu_random_floats(emu_fixture *f, const char *name, size_t count) {
  float *made = rgc_emu_alloc(f->emu, name, count * sizeof *made);
  for (size_t i = 0; i < count; i++) made[i] = (float)((double)random() / 0x40000000 - 1);
  return made;
}

unsigned short *emu_random_halves(emu_fixture *f, const char *name, size_t count) {
  unsigned short *made = rgc_emu_alloc(f->emu, name, count * sizeof *made);
  for (size_t i = 0; i < count; i++) {
    float value = (float)((double)random() / 0x40000000 - 1);
    memcpy(&made[i], (char *)&value + 2, 2); /* cut off, not rounded: any bf16 will do */
  }
  return made;
}

unsigned int *emu_random_words(emu_fixture *f, const char *name, size_t count) {
  unsigned int *made = rgc_emu_alloc(f->emu, name, count * sizeof *made);
  for (size_t i = 0; i < count; i++) made[i] = (unsigned int)random() << 1 ^ (unsigned int)random();
  return made;
}
