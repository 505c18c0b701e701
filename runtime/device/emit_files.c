/* emit_files.c: see emit_files.h. */
#include "runtime/device/emit_files.h"

#include <string.h>

#include "codegen/cpu/templates.h"
#include "codegen/cuda/templates.h"
#include "compiler/base/file.h"

bool rgc_write_templates(const char *dir, const char *base, const rgc_template *templates, int count, rgc_diagnostics *diags) {
  rgc_arena *scratch = rgc_arena_create();
  bool good = true;
  for (int i = 0; good && i < count; i++) {
    const char *path = rgc_arena_printf(scratch, "%s/%s%s", dir, base, templates[i].name);
    const char *folder = rgc_arena_strndup(scratch, path, (size_t)(strrchr(path, '/') - path));
    good = rgc_make_dirs(folder, NULL, diags) && rgc_write_text_file(path, templates[i].text, "is the disk full?", diags);
  }
  rgc_arena_destroy(scratch);
  return good;
}

static bool write_functions(const char *dir, const char *suffix, const rgc_function *functions, int count, rgc_diagnostics *diags) {
  rgc_arena *scratch = rgc_arena_create();
  bool good = true;
  for (int i = 0; good && i < count; i++) {
    rgc_text text = {0};
    rgc_function_print(&functions[i], &text);
    good = rgc_write_text_file(rgc_arena_printf(scratch, "%s/%s.%s", dir, functions[i].name, suffix), rgc_text_chars(&text), NULL, diags);
    rgc_text_free(&text);
  }
  rgc_arena_destroy(scratch);
  return good;
}

bool rgc_cpu_write_files(const rgc_cpu_code *code, const char *dir, rgc_diagnostics *diags) {
  return rgc_write_templates(dir, RGC_CPU_TEMPLATE_FOLDER, rgc_cpu_templates, rgc_cpu_template_count, diags) &&
         write_functions(dir, "c", code->functions, code->function_count, diags);
}

bool rgc_cuda_write_files(const rgc_cuda_code *code, const char *dir, rgc_diagnostics *diags) {
  return rgc_write_templates(dir, "", rgc_cuda_templates, rgc_cuda_template_count, diags) &&
         write_functions(dir, "cu", code->functions, code->function_count, diags);
}
