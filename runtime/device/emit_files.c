/* emit_files.c: see emit_files.h. */
#include "runtime/device/emit_files.h"

#include "codegen/cpu/templates.h"
#include "compiler/base/file.h"

static bool write_templates(const char *dir, rgc_arena *scratch, rgc_diagnostics *diags) {
  const char *templates = rgc_arena_printf(scratch, "%s/codegen/cpu/templates", dir);
  bool good = rgc_make_dirs(templates, "choose another --emit", diags);
  for (int i = 0; good && i < rgc_cpu_template_count; i++) {
    const char *path = rgc_arena_printf(scratch, "%s/%s", templates, rgc_cpu_templates[i].name);
    good = rgc_write_text_file(path, rgc_cpu_templates[i].text, NULL, diags);
  }
  return good;
}

bool rgc_cpu_write_files(const rgc_cpu_code *code, const char *dir, rgc_diagnostics *diags) {
  rgc_arena *scratch = rgc_arena_create();
  bool good = write_templates(dir, scratch, diags);
  for (int i = 0; good && i < code->function_count; i++) {
    rgc_text text = {0};
    rgc_cpu_print_function(&code->functions[i], &text);
    good = rgc_write_text_file(rgc_arena_printf(scratch, "%s/%s.c", dir, code->functions[i].name), rgc_text_chars(&text), NULL, diags);
    rgc_text_free(&text);
  }
  rgc_arena_destroy(scratch);
  return good;
}
