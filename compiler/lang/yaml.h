/* yaml.h: a YAML file as a tree of nodes that know where they stand.
 *
 * Every node keeps its file, line and column (from 1), so that each later complaint can show the line. Aliases are copied, up to
 * a limit, so no node has two owners and a set: path may change any of them. Scalars stay texts: what a text means (number,
 * expression, word) is for the key that reads it to say. */
#ifndef RGC_LANG_YAML_H
#define RGC_LANG_YAML_H
#include <stdbool.h>
#include <stddef.h>

#include "compiler/base/diag.h"

typedef enum rgc_yaml_kind { RGC_YAML_SCALAR, RGC_YAML_LIST, RGC_YAML_MAP } rgc_yaml_kind;

typedef struct rgc_yaml_source {
  const char *file; /* as shown to the user */
  const char *text;
  size_t length; /* bytes */
} rgc_yaml_source;

typedef struct rgc_yaml rgc_yaml;
struct rgc_yaml {
  rgc_yaml_kind kind;
  const rgc_yaml_source *source;
  int line, column;
  const char *text; /* SCALAR, "" for null; else NULL */
  bool quoted;      /* SCALAR: in quotes, so never a number or an expression by mistake */
  rgc_yaml **items; /* LIST: elements; MAP: values */
  rgc_yaml **keys;  /* MAP: scalars, in the order of the file */
  int count, capacity, key_capacity;
};

/* The tree of `text`, NULL after an error. */
rgc_yaml *rgc_yaml_parse(rgc_arena *arena, const char *text, size_t length, const char *file, rgc_diagnostics *diags);
rgc_yaml *rgc_yaml_load(rgc_arena *arena, const char *path, rgc_diagnostics *diags);
rgc_yaml *rgc_yaml_copy(rgc_arena *arena, const rgc_yaml *node);
/* The value of `key`, NULL when `map` is NULL, no map or has no such key. */
rgc_yaml *rgc_yaml_get(const rgc_yaml *map, const char *key);
const rgc_yaml *rgc_yaml_key(const rgc_yaml *map, const char *key); /* the key's own node */
void rgc_yaml_put(rgc_arena *arena, rgc_yaml *map, rgc_yaml *key, rgc_yaml *value);
void rgc_yaml_remove(rgc_yaml *map, const char *key);
void rgc_yaml_append(rgc_arena *arena, rgc_yaml *list, rgc_yaml *item);
rgc_yaml *rgc_yaml_scalar(rgc_arena *arena, const rgc_yaml *at, const char *text); /* stands where `at` stands */
rgc_yaml *rgc_yaml_empty(rgc_arena *arena, const rgc_yaml *at, rgc_yaml_kind kind);
const char *rgc_yaml_kind_word(const rgc_yaml *node); /* "a map" */

/* An error at `node`, with its source line. The same code at the same place is reported once: a block that stands sixteen times
 * in the network has its mistake once. The entry returned may be completed in any case. */
rgc_diagnostic *rgc_yaml_error(rgc_diagnostics *diags, const rgc_yaml *node, rgc_code code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
rgc_diagnostic *rgc_yaml_error_at(rgc_diagnostics *diags, const rgc_yaml *node, int offset, rgc_code code,
                                  const char *format, ...) __attribute__((format(printf, 5, 6)));
#endif
