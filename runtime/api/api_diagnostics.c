/* api_diagnostics.c: rgc.h's version, memory and errors. A public rgc_diagnostics is that of compiler/base/diag.h with an arena of its
 * own. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/diag.h"
#include "compiler/base/file.h"
#include "runtime/rgc.h"

const char *rgc_version(void) { return RGC_VERSION; }

void rgc_free(void *memory) { free(memory); }

rgc_diagnostics *rgc_diagnostics_create(void) {
  rgc_arena *arena = rgc_arena_create();
  rgc_diagnostics *diags = malloc(sizeof *diags);
  if (!diags) abort();
  rgc_diagnostics_init(diags, arena);
  return diags;
}

void rgc_diagnostics_destroy(rgc_diagnostics *diags) {
  if (diags) rgc_arena_destroy(diags->arena);
  free(diags);
}

void rgc_diagnostics_clear(rgc_diagnostics *diags) {
  rgc_arena_destroy(diags->arena);
  rgc_diagnostics_init(diags, rgc_arena_create());
}

int rgc_diagnostics_count(const rgc_diagnostics *diags) { return diags->count; }
int rgc_diagnostics_error_count(const rgc_diagnostics *diags) { return diags->error_count; }

bool rgc_diagnostics_get(const rgc_diagnostics *diags, int index, rgc_problem *problem) {
  static const char *const severities[] = {[RGC_ERROR] = "error", [RGC_WARNING] = "warning", [RGC_NOTE] = "note"};
  if (index < 0 || index >= diags->count) return false;
  const rgc_diagnostic *d = &diags->items[index];
  *problem = (rgc_problem){.severity = severities[d->severity], .code = rgc_code_word(d->code), .file = d->at.file, .line = d->at.line,
                           .column = d->at.column, .source_line = d->source_line, .path = d->path, .message = d->message,
                           .expected = d->expected, .help = d->help};
  return true;
}

const char *rgc_diagnostics_text(rgc_diagnostics *diags, bool color) {
  rgc_text text = {0};
  rgc_diag_render(diags, color, &text);
  return rgc_text_take(&text, diags->arena);
}

/* RGC_CODE_COUNT: there is none. */
static rgc_code find_code(const char *word) {
  int code = 0;
  while (code < RGC_CODE_COUNT && strcmp(rgc_code_word((rgc_code)code), word)) code++;
  return (rgc_code)code;
}

bool rgc_diagnostics_fail(rgc_diagnostics *diags, const char *code, const char *file, const char *help, const char *format, ...) {
  rgc_code found = find_code(code);
  va_list args;
  va_start(args, format);
  const char *message = rgc_arena_vprintf(diags->arena, format, args);
  va_end(args);
  return rgc_diag_fail(diags, found == RGC_CODE_COUNT ? RGC_CODE_USAGE : found, file, help, "%s", message);
}

const char *rgc_code_meaning(const char *code) {
  rgc_code found = find_code(code);
  return found == RGC_CODE_COUNT ? NULL : rgc_code_about(found);
}

const char *rgc_nearest_word(const char *word, const char *const *words, int count) { return rgc_suggest(word, words, count); }

bool rgc_make_directory(const char *path, const char *help, rgc_diagnostics *diags) { return rgc_make_dir(path, help, diags); }
