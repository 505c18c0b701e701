/* diag.h: what went wrong, for a person to read.
 *
 * Library code never prints and never exits: it adds entries to a list of diagnostics and returns false (or NULL). All
 * errors of one file are collected in one run. rgc_diag_render prints them as
 *
 *   resnet50.yaml:12:37: error[unknown-key]: 'gruops' is not a key of conv
 *     12 |   - conv: {out: 64, kernel: 3, gruops: 32}
 *        |                                ^
 *     in layer2.0 (block bottleneck)
 *     expected: one of out, kernel, stride, pad, dilation, groups, bias
 *     help: did you mean 'groups'?
 *
 * Every code stands in codes.def, once, with its explanation; tests hold a golden file for each. */
#ifndef RGC_BASE_DIAG_H
#define RGC_BASE_DIAG_H
#include <stdbool.h>

#include "compiler/base/arena.h"
#include "compiler/base/text.h"

typedef enum rgc_code {
#define CODE(id, word, about) RGC_CODE_##id,
#include "compiler/base/codes.def"
#undef CODE
  RGC_CODE_COUNT
} rgc_code;

typedef enum rgc_severity { RGC_ERROR, RGC_WARNING, RGC_NOTE } rgc_severity;

typedef struct rgc_location {
  const char *file;  /* as the user wrote it; NULL when there is none */
  int line, column;  /* from 1; 0 when unknown */
} rgc_location;

typedef struct rgc_diagnostic {
  rgc_severity severity;
  rgc_code code;
  rgc_location at;
  const char *source_line; /* the text of that line, or NULL */
  const char *path;        /* where in the network: "layer3.0.conv2", or NULL */
  const char *message;     /* one line, without a full stop */
  const char *expected;    /* what would have been right, or NULL */
  const char *help;        /* what to do, or NULL */
} rgc_diagnostic;

typedef struct rgc_diagnostics {
  rgc_arena *arena; /* owns all texts */
  rgc_diagnostic *items;
  int count, capacity;
  int error_count;
} rgc_diagnostics;

/* The list lives in `arena`. */
void rgc_diagnostics_init(rgc_diagnostics *diags, rgc_arena *arena);
/* Adds an entry and returns it, so that the caller may set path, expected, help, source_line (arena texts). */
rgc_diagnostic *rgc_diag_add(rgc_diagnostics *diags, rgc_severity severity, rgc_code code, rgc_location at,
                             const char *format, ...) __attribute__((format(printf, 5, 6)));
/* Shorthand without a place: an error about a file, a device, a plan. `file` and `help` may be NULL. Returns false. */
bool rgc_diag_fail(rgc_diagnostics *diags, rgc_code code, const char *file, const char *help, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
/* Adds the entries of `other`, whose arena becomes a part of this one's. */
void rgc_diagnostics_adopt(rgc_diagnostics *diags, rgc_diagnostics *other);
const char *rgc_code_word(rgc_code code);  /* "unknown-key" */
const char *rgc_code_about(rgc_code code); /* the explanation of `rgc explain-error CODE` and the docs */
/* Appends all entries; `color` uses ANSI escapes. */
void rgc_diag_render(const rgc_diagnostics *diags, bool color, rgc_text *out);

/* The nearest of `count` words to `word` by edit distance, NULL if none is near enough to be what was meant. */
const char *rgc_suggest(const char *word, const char *const *words, int count);

/* A bug in rgc, not the user's mistake: says where and aborts. */
_Noreturn void rgc_internal_error(const char *where, const char *format, ...) __attribute__((format(printf, 2, 3)));
#endif
