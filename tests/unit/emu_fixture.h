/* emu_fixture.h: a kernel file of tests/kernels compiled for the emulator, with an emulated device. */
#ifndef RGC_TESTS_EMU_FIXTURE_H
#define RGC_TESTS_EMU_FIXTURE_H
#include "runtime/device/emu/emu.h"

typedef struct emu_fixture {
  rgc_arena *arena;
  rgc_diagnostics diags;
  rgc_emu *emu;
  rgc_emu_module *module;
  rgc_emu_options options;
} emu_fixture;

/* The text of tests/kernels/FILE under its name, after `defines` ("#define A 1\n"). Of the arena. */
rgc_template emu_kernel_text(rgc_arena *arena, const char *file, const char *defines);
/* Compiles or fails the test. Watched: emu.h. */
emu_fixture emu_fixture_open(const char *file, const char *defines, bool watched);
/* The same with other templates for those of codegen/cuda; NULL: those. */
emu_fixture emu_fixture_open_with(const char *file, const char *defines, bool watched, const rgc_template *templates);
void emu_fixture_close(emu_fixture *f);
bool emu_fixture_run(emu_fixture *f, const char *kernel, unsigned int blocks_x, unsigned int blocks_y, unsigned int threads, size_t shared_bytes,
                     const void *args, size_t args_bytes);
/* As emu_fixture_run, and fails the test with the message where the launch fails. */
void emu_fixture_must_run(emu_fixture *f, const char *kernel, unsigned int blocks_x, unsigned int blocks_y, unsigned int threads,
                          size_t shared_bytes, const void *args, size_t args_bytes);
/* The message of the error so far, "" if there is none. */
const char *emu_fixture_message(const emu_fixture *f);
/* Forgets it. */
void emu_fixture_clear(emu_fixture *f);

/* Of f->emu, guarded. Floats are uniform from -1 to 1; halves are bf16 of such. */
float *emu_random_floats(emu_fixture *f, const char *name, size_t count);
unsigned short *emu_random_halves(emu_fixture *f, const char *name, size_t count);
unsigned int *emu_random_words(emu_fixture *f, const char *name, size_t count);
double half_value(unsigned short bits);
/* The bf16 nearest to a number, ties to even. */
double half_nearest(float value);
#endif
