/* emit_files.c: see emit_files.h. */
#include "runtime/device/emit_files.h"

#include <string.h>

#include "codegen/cpu/templates.h"
#include "codegen/cuda/templates.h"
#include "compiler/base/file.h"

/* What is written: functions as DIR/NAME.SUFFIX, templates as DIR/BASE/NAME. */
typedef struct file_set {
  const char *dir, *base, *suffix;
  const rgc_template *templates;
  int template_count;
  const rgc_function *functions;
  int function_count;
} file_set;

static bool write_template(const file_set *set, int i, rgc_arena *scratch, rgc_diagnostics *diags) {
  const char *path = rgc_arena_printf(scratch, "%s/%s%s", set->dir, set->base, set->templates[i].name);
  const char *folder = rgc_arena_strndup(scratch, path, (size_t)(strrchr(path, '/') - path));
  return rgc_make_dirs(folder, "choose another --emit", diags) && rgc_write_text_file(path, set->templates[i].text, NULL, diags);
}

static bool write_files(const file_set *set, rgc_diagnostics *diags) {
  rgc_arena *scratch = rgc_arena_create();
  bool good = true;
  for (int i = 0; good && i < set->template_count; i++) good = write_template(set, i, scratch, diags);
  for (int i = 0; good && i < set->function_count; i++) {
    rgc_text text = {0};
    rgc_function_print(&set->functions[i], &text);
    good = rgc_write_text_file(rgc_arena_printf(scratch, "%s/%s.%s", set->dir, set->functions[i].name, set->suffix), rgc_text_chars(&text), NULL, diags);
    rgc_text_free(&text);
  }
  rgc_arena_destroy(scratch);
  return good;
}

bool rgc_cpu_write_files(const rgc_cpu_code *code, const char *dir, rgc_diagnostics *diags) {
  file_set set = {.dir = dir, .base = "codegen/cpu/templates/", .suffix = "c", .templates = rgc_cpu_templates,
                  .template_count = rgc_cpu_template_count, .functions = code->functions, .function_count = code->function_count};
  return write_files(&set, diags);
}

bool rgc_cuda_write_files(const rgc_cuda_code *code, const char *dir, rgc_diagnostics *diags) {
  file_set set = {.dir = dir, .base = "", .suffix = "cu", .templates = rgc_cuda_templates,
                  .template_count = rgc_cuda_template_count, .functions = code->functions, .function_count = code->function_count};
  return write_files(&set, diags);
}
