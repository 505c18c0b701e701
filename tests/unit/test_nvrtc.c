/* test_nvrtc.c: kernel texts through NVRTC: registers and spills as ptxas says, messages that point at the template, architectures.
 * Where NVRTC is not installed it says so, loudly, and checks only that rgc says so too. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "codegen/cuda/templates.h"
#include "runtime/device/cuda_build.h"
#include "tests/unit/temp_folder.h"

static rgc_nvrtc *open_or_skip(rgc_diagnostics *diags) {
  rgc_nvrtc *nvrtc = rgc_nvrtc_open(diags);
  if (!nvrtc) cr_log_error("SKIPPED: NVRTC is not here, so no kernel was compiled for a GPU (%s)", diags->items[0].message);
  return nvrtc;
}

static rgc_cubin *compile(const rgc_nvrtc *nvrtc, const char *text, const char *arch, rgc_arena *arena, rgc_diagnostics *diags) {
  rgc_template source = {"kernel.cu", text};
  return rgc_nvrtc_compile(nvrtc, &source, rgc_cuda_templates, rgc_cuda_template_count, arch, NULL, 0, arena, diags);
}

static const char two_kernels[] =
    "#include \"codegen/cuda/templates/prelude.cuh\"\n"
    "typedef struct many_args { float *x; } many_args;\n"
    "RGC_KERNEL(light, 64, 1, many_args) { args.x[threadIdx.x] = 1; }\n"
    "RGC_KERNEL(heavy, 1024, 2, many_args) {\n"
    "  float v[96]; for (int i = 0; i < 96; i++) v[i] = args.x[i * 1024 + threadIdx.x];\n"
    "  __syncthreads();\n"
    "  for (int k = 0; k < 8; k++) for (int i = 0; i < 96; i++) v[i] = fmaf(v[i], v[(i * 7 + 1) % 96], 1.0f);\n"
    "  for (int i = 0; i < 96; i++) args.x[i * 1024 + threadIdx.x] = v[i]; }\n";

/* Bytes changed by chance, at the head above all, or cut: whatever is found, nothing outside is read (AddressSanitizer looks on). */
static void damage(const rgc_cubin *cubin) {
  for (int i = 0; i < 300; i++) {
    rgc_arena *arena = rgc_arena_create();
    size_t size = i % 3 ? cubin->size_bytes : (size_t)random() % cubin->size_bytes;
    char *copy = malloc(size + 1);
    memcpy(copy, cubin->bytes, size);
    for (int k = 0; size && k <= i % 8; k++) copy[(size_t)random() % (i % 2 && size > 64 ? 64 : size)] = (char)random();
    rgc_cubin damaged = {.bytes = copy, .size_bytes = size, .log = cubin->log};
    rgc_cubin_find_kernels(&damaged, arena);
    cr_assert_eq(damaged.kernel_count, cubin->kernel_count);
    free(copy);
    rgc_arena_destroy(arena);
  }
}

Test(nvrtc, registers_and_spills) {
  rgc_arena *arena = rgc_arena_create();
  rgc_diagnostics diags;
  rgc_diagnostics_init(&diags, arena);
  rgc_nvrtc *nvrtc = open_or_skip(&diags);
  const char *const archs[] = {"sm_80", "sm_90a", "sm_100"};
  for (int i = 0; nvrtc && i < 3; i++) {
    rgc_cubin *cubin = compile(nvrtc, two_kernels, archs[i], arena, &diags);
    cr_assert(cubin, "%s: %s", archs[i], diags.count ? diags.items[0].message : "");
    cr_assert_eq(memcmp(cubin->bytes, "\177ELF", 4), 0);
    cr_assert_eq(cubin->kernel_count, 2, "%d kernels in:\n%s", cubin->kernel_count, cubin->log);
    bool first = !strcmp(cubin->kernels[0].name, "light");
    const rgc_cubin_kernel *light = &cubin->kernels[!first], *heavy = &cubin->kernels[first];
    cr_assert_str_eq(light->name, "light");
    cr_assert(light->registers >= 4 && light->registers <= 32 && !light->spill_store_bytes, "%d registers", light->registers);
    cr_assert_eq(light->most_registers, 255, "%d", light->most_registers);
    cr_assert_eq(heavy->most_registers, 32, "%d", heavy->most_registers);
    cr_assert_eq(heavy->registers, 32, "two blocks of 1024 leave 32 registers, not %d", heavy->registers);
    cr_assert(heavy->spill_store_bytes > 0 && heavy->spill_load_bytes > 0 && heavy->stack_bytes > 0, "no spill in:\n%s", cubin->log);
    cr_assert_eq(heavy->barriers, 1);
    damage(cubin);
  }
  rgc_nvrtc_close(nvrtc);
  rgc_arena_destroy(arena);
}

Test(nvrtc, messages_name_the_template_and_architectures_are_listed) {
  rgc_arena *arena = rgc_arena_create();
  rgc_diagnostics diags;
  rgc_diagnostics_init(&diags, arena);
  rgc_nvrtc *nvrtc = open_or_skip(&diags);
  if (nvrtc) {
    rgc_template source = {"kernel.cu", "#include \"folder/broken.cuh\"\n"}, header = {"folder/broken.cuh", "\nint f() { return nothing; }\n"};
    cr_assert_null(rgc_nvrtc_compile(nvrtc, &source, &header, 1, "sm_80", NULL, 0, arena, &diags));
    cr_assert(strstr(diags.items[0].message, "folder/broken.cuh(2): error"), "%s", diags.items[0].message);
    cr_assert_null(compile(nvrtc, two_kernels, "sm_9", arena, &diags));
    cr_assert(strstr(diags.items[1].message, "'sm_9' is no architecture"), "%s", diags.items[1].message);
    cr_assert(strstr(diags.items[1].expected, "sm_90a"), "%s", diags.items[1].expected);
    cr_assert_not(rgc_nvrtc_check_architecture(nvrtc, "", &diags));
  }
  rgc_nvrtc_close(nvrtc);
  rgc_arena_destroy(arena);
}

Test(nvrtc, a_library_that_is_not_there) {
  rgc_arena *arena = rgc_arena_create();
  rgc_diagnostics diags;
  rgc_diagnostics_init(&diags, arena);
  setenv("RGC_NVRTC", "/nowhere/libnvrtc.so", 1);
  cr_assert_null(rgc_nvrtc_open(&diags));
  cr_assert_str_eq(diags.items[0].at.file, "/nowhere/libnvrtc.so");
  rgc_arena_destroy(arena);
}

/* A cubin as it comes back from a file; one that lost or changed a byte is none. */
Test(cubin, files_are_whole_or_refused) {
  static const char bytes[] = "\177ELF is not all of it", log[] = "ptxas info    : Compiling entry function 'k1' for 'sm_80'\nptxas info    : Used 40 registers, used 1 barriers\n"
      "ptxas info    : (C7510) Potential Performance Loss: wgmma.mma_async instructions are serialized due to a wait in the function 'k1'\n";
  fixture f = setup();
  const char *path = rgc_arena_printf(f.arena, "%s/one.cubin", f.dir);
  cr_assert(rgc_cubin_write(&(rgc_cubin){.bytes = bytes, .size_bytes = sizeof bytes, .log = log}, path, &f.diags));
  rgc_cubin *read = rgc_cubin_read(path, f.arena);
  cr_assert(read && read->size_bytes == sizeof bytes && !memcmp(read->bytes, bytes, sizeof bytes));
  cr_assert_str_eq(read->log, log);
  cr_assert_eq(read->kernel_count, 1);
  cr_assert_eq(rgc_cubin_kernel_named(read, "k1")->registers, 40);
  cr_assert_str_eq(read->kernels[0].loss, "wgmma.mma_async instructions are serialized due to a wait in the function 'k1'");
  cr_assert_null(rgc_cubin_kernel_named(read, "k2"));
  FILE *file = fopen(path, "r+b");
  fseek(file, 0, SEEK_END);
  long end = ftell(file);
  for (long at = 0; at < end; at += 7) {
    fseek(file, at, SEEK_SET);
    int old = getc(file);
    fseek(file, at, SEEK_SET), putc(old ^ 4, file), fflush(file);
    cr_expect_null(rgc_cubin_read(path, f.arena), "byte %ld was changed", at);
    fseek(file, at, SEEK_SET), putc(old, file), fflush(file);
  }
  cr_assert_not_null(rgc_cubin_read(path, f.arena));
  for (long length = end - 1; length >= 0; length -= 11) {
    cr_assert_eq(ftruncate(fileno(file), length), 0);
    cr_expect_null(rgc_cubin_read(path, f.arena), "cut to %ld bytes", length);
  }
  fclose(file);
  cr_assert_null(rgc_cubin_read("/nowhere/one.cubin", f.arena));
  teardown(&f);
}

#define HEAD "#include \"codegen/cuda/templates/expression.cuh\"\n"
static rgc_function functions[] = {
    {.name = "light", .text = HEAD "TEMPLATE_KERNEL(light, 64, 1) { args.outputs[0][threadIdx.x] = 1.0f; }", .comment = "stem.relu (line 3)", .template_name = "map"},
    {.name = "heavy", .comment = "layer1.0.conv1 (line 7)", .template_name = "map",
     .text = HEAD "TEMPLATE_KERNEL(heavy, 1024, 2) {\n  float *x = args.outputs[0], v[96];\n"
                  "  for (int i = 0; i < 96; i++) v[i] = x[i * 1024 + threadIdx.x];\n  __syncthreads();\n"
                  "  for (int k = 0; k < 8; k++) for (int i = 0; i < 96; i++) v[i] = fmaf(v[i], v[(i * 7 + 1) % 96], 1.0f);\n"
                  "  for (int i = 0; i < 96; i++) x[i * 1024 + threadIdx.x] = v[i]; }\n"},
    {.name = "wrong", .text = HEAD "TEMPLATE_KERNEL(wrong, 32, 1) {\n  none(); }", .comment = "fc (line 9)", .template_name = "map"}};

/* Compiled once, then found; a spill is a warning that names kernel and layers; a text that is refused is blamed on its own function. */
Test(nvrtc, builds_are_kept_spills_are_told_and_refusals_blamed) {
  fixture f = setup();
  setenv("RGC_CACHE", f.dir, 1);
  rgc_nvrtc *nvrtc = open_or_skip(&f.diags);
  const rgc_cuda_target *target = rgc_cuda_target_choose("sm_90a", &f.diags);
  rgc_cuda_code code = {.functions = functions, .function_count = 2};
  for (int again = 0; nvrtc && again < 2; again++) {
    rgc_cuda_build *build = rgc_cuda_build_open(&code, target, f.arena, &f.diags);
    cr_assert(build, "%s", f.diags.count ? f.diags.items[0].message : "");
    cr_expect_eq(build->compiled, again ? 0 : 2);
    cr_expect_eq(build->cubins[0], build->cubins[1], "functions of one group share a cubin");
    cr_expect_eq(build->spilling, 1);
    cr_assert_eq(rgc_cuda_build_warn(build, &code, &f.diags), 1);
    const rgc_diagnostic *told = &f.diags.items[f.diags.count - 1];
    cr_expect(told->code == RGC_CODE_KERNEL && told->severity == RGC_WARNING);
    cr_expect(strstr(told->message, "heavy") && strstr(told->message, "layer1.0.conv1 (line 7)"), "%s", told->message);
  }
  code.function_count = 3;
  if (nvrtc) {
    cr_assert_null(rgc_cuda_build_open(&code, target, f.arena, &f.diags));
    const char *message = f.diags.items[f.diags.count - 1].message;
    cr_expect(strstr(message, "kernel wrong of fc (line 9): ") && strstr(message, "wrong.cu(4): error"), "%s", message);
  }
  rgc_nvrtc_close(nvrtc);
  teardown(&f);
}
