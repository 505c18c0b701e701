/* diag.c: see diag.h. */
#include "compiler/base/diag.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
  const char *word, *about;
} codes[] = {
#define CODE(id, word, about) {word, about},
#include "compiler/base/codes.def"
#undef CODE
};

static const struct {
  const char *word, *color;
} severities[] = {
    [RGC_ERROR] = {"error", "\033[1;31m"}, [RGC_WARNING] = {"warning", "\033[1;33m"}, [RGC_NOTE] = {"note", "\033[1;36m"}};

void rgc_diagnostics_init(rgc_diagnostics *diags, rgc_arena *arena) { *diags = (rgc_diagnostics){.arena = arena}; }

static rgc_diagnostic *add(rgc_diagnostics *diags, rgc_severity severity, rgc_code code, rgc_location at,
                           const char *format, va_list args) {
  rgc_diagnostic *d = RGC_PUSH(diags->arena, diags->items, diags->count, diags->capacity);
  *d = (rgc_diagnostic){.severity = severity, .code = code, .at = at};
  if (at.file) d->at.file = rgc_arena_strdup(diags->arena, at.file); /* what it is of may end before the list is told */
  d->message = rgc_arena_vprintf(diags->arena, format, args);
  diags->error_count += severity == RGC_ERROR;
  return d;
}

rgc_diagnostic *rgc_diag_add(rgc_diagnostics *diags, rgc_severity severity, rgc_code code, rgc_location at,
                             const char *format, ...) {
  va_list args;
  va_start(args, format);
  rgc_diagnostic *d = add(diags, severity, code, at, format, args);
  va_end(args);
  return d;
}

bool rgc_diag_fail(rgc_diagnostics *diags, rgc_code code, const char *file, const char *help, const char *format, ...) {
  va_list args;
  va_start(args, format);
  rgc_diagnostic *d = add(diags, RGC_ERROR, code, (rgc_location){.file = file}, format, args);
  va_end(args);
  if (help) d->help = rgc_arena_strdup(diags->arena, help);
  return false;
}

const char *rgc_code_word(rgc_code code) { return codes[code].word; }
const char *rgc_code_about(rgc_code code) { return codes[code].about; }

/* The line and a caret under its column; tabs are kept so that the caret stays in place. */
static void render_source(const rgc_diagnostic *d, rgc_text *out) {
  if (!d->source_line || d->at.line < 1) return;
  rgc_text_printf(out, "  %5d | %s\n", d->at.line, d->source_line);
  if (d->at.column < 1) return;
  rgc_text_add(out, "        | ");
  for (int i = 0; i < d->at.column - 1 && d->source_line[i]; i++)
    rgc_text_add(out, d->source_line[i] == '\t' ? "\t" : " ");
  rgc_text_add(out, "^\n");
}

static void render_one(const rgc_diagnostic *d, bool color, rgc_text *out) {
  if (d->at.file) {
    rgc_text_add(out, d->at.file);
    if (d->at.line > 0) rgc_text_printf(out, ":%d", d->at.line);
    if (d->at.line > 0 && d->at.column > 0) rgc_text_printf(out, ":%d", d->at.column);
    rgc_text_add(out, ": ");
  }
  rgc_text_printf(out, "%s%s[%s]%s: %s\n", color ? severities[d->severity].color : "", severities[d->severity].word,
                  codes[d->code].word, color ? "\033[0m" : "", d->message);
  render_source(d, out);
  if (d->path) rgc_text_printf(out, "  in %s\n", d->path);
  if (d->expected) rgc_text_printf(out, "  expected: %s\n", d->expected);
  if (d->help) rgc_text_printf(out, "  help: %s\n", d->help);
}

void rgc_diag_render(const rgc_diagnostics *diags, bool color, rgc_text *out) {
  for (int i = 0; i < diags->count; i++) render_one(&diags->items[i], color, out);
}

enum { LONGEST_WORD = 64 };

/* Optimal string alignment distance: insert, delete, replace, swap neighbours each cost 1. Capitals count as small letters. */
static int edit_distance(const char *a, const char *b) {
  size_t n = strlen(a), m = strlen(b);
  if (n > LONGEST_WORD || m > LONGEST_WORD) return LONGEST_WORD;
  int d[LONGEST_WORD + 1][LONGEST_WORD + 1];
  for (size_t i = 0; i <= n; i++) d[i][0] = (int)i;
  for (size_t j = 0; j <= m; j++) d[0][j] = (int)j;
  for (size_t i = 1; i <= n; i++)
    for (size_t j = 1; j <= m; j++) {
      int best = d[i - 1][j - 1] + (tolower((unsigned char)a[i - 1]) != tolower((unsigned char)b[j - 1]));
      if (d[i - 1][j] + 1 < best) best = d[i - 1][j] + 1;
      if (d[i][j - 1] + 1 < best) best = d[i][j - 1] + 1;
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && d[i - 2][j - 2] + 1 < best)
        best = d[i - 2][j - 2] + 1;
      d[i][j] = best;
    }
  return d[n][m];
}

const char *rgc_suggest(const char *word, const char *const *words, int count) {
  const char *best = NULL;
  int best_distance = (int)(strlen(word) + 2) / 3 + 1; /* one slip in three letters, exclusive bound */
  for (int i = 0; i < count; i++) {
    int distance = edit_distance(word, words[i]);
    if (distance < best_distance) best_distance = distance, best = words[i];
  }
  return best;
}

void rgc_internal_error(const char *where, const char *format, ...) {
  va_list args;
  va_start(args, format);
  fprintf(stderr, "rgc: internal error in %s: ", where);
  vfprintf(stderr, format, args);
  fputs("\nThis is a bug in rgc, not in your graph file.\n", stderr);
  va_end(args);
  abort();
}
