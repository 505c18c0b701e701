/* yaml.c: see yaml.h. libyaml reads the document; here it is copied into nodes, with limits on depth and number that a graph
 * file never meets but an alias bomb does. A recursive alias meets the depth limit. */
#include "compiler/lang/yaml.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

enum { MAX_DEPTH = 64, MAX_NODES = 100000, MAX_KEYS = 4096, MAX_BRACKETS = 1000, MAX_ERRORS = 200, MAX_FILE_BYTES = 4 << 20 };

typedef struct reader {
  rgc_arena *arena;
  yaml_document_t *document;
  const rgc_yaml_source *source;
  rgc_diagnostics *diags;
  int node_count;
  bool over_limit;
} reader;

static const char *source_line(rgc_arena *arena, const rgc_yaml_source *source, int line) {
  const char *p = source->text, *end = source->text + source->length;
  for (int i = 1; i < line && p < end; i++) {
    const char *next = memchr(p, '\n', (size_t)(end - p));
    if (!next) return NULL;
    p = next + 1;
  }
  const char *stop = memchr(p, '\n', (size_t)(end - p));
  size_t length = (size_t)((stop ? stop : end) - p);
  if (length && p[length - 1] == '\r') length--;
  return rgc_arena_strndup(arena, p, length);
}

static rgc_diagnostic *add_error(rgc_diagnostics *diags, const rgc_yaml_source *source, int line, int column,
                                 rgc_code code, const char *message) {
  for (int i = 0; i < diags->count; i++) {
    const rgc_diagnostic *d = &diags->items[i];
    if (d->code == code && d->at.line == line && d->at.column == column && d->at.file &&
        strcmp(d->at.file, source->file) == 0)
      return RGC_NEW(diags->arena, rgc_diagnostic);
  }
  if (diags->count >= MAX_ERRORS) { /* nobody reads more; each costs a search of those before */
    diags->error_count++;
    return RGC_NEW(diags->arena, rgc_diagnostic);
  }
  rgc_diagnostic *d = rgc_diag_add(diags, RGC_ERROR, code, (rgc_location){source->file, line, column}, "%s", message);
  d->source_line = source_line(diags->arena, source, line);
  return d;
}

rgc_diagnostic *rgc_yaml_error(rgc_diagnostics *diags, const rgc_yaml *node, rgc_code code, const char *format, ...) {
  va_list args;
  va_start(args, format);
  const char *message = rgc_arena_vprintf(diags->arena, format, args);
  va_end(args);
  return add_error(diags, node->source, node->line, node->column, code, message);
}

rgc_diagnostic *rgc_yaml_error_at(rgc_diagnostics *diags, const rgc_yaml *node, int offset, rgc_code code,
                                  const char *format, ...) {
  va_list args;
  va_start(args, format);
  const char *message = rgc_arena_vprintf(diags->arena, format, args);
  va_end(args);
  return add_error(diags, node->source, node->line, node->column + offset + node->quoted, code, message);
}

static rgc_yaml *new_node(reader *r, const yaml_node_t *from) {
  rgc_yaml *node = RGC_NEW(r->arena, rgc_yaml);
  node->source = r->source;
  node->line = (int)from->start_mark.line + 1;
  node->column = (int)from->start_mark.column + 1;
  return node;
}

/* {out: round_to(in, 8)}: YAML ends the value at the comma. */
static void check_comma(reader *r, const rgc_yaml *node) {
  int depth = 0;
  for (const char *p = node->text; *p; p++) depth += (*p == '(') - (*p == ')');
  if (node->quoted || depth <= 0) return;
  rgc_diagnostic *d = rgc_yaml_error(r->diags, node, RGC_CODE_UNQUOTED_COMMA, "'%s' ends inside a parenthesis", node->text);
  d->help = "a value with a comma inside braces must be quoted: out: \"round_to(in, 8)\"";
}

static rgc_yaml *convert(reader *r, int index, int depth);

static void convert_map(reader *r, const yaml_node_t *from, rgc_yaml *node, int depth) {
  for (yaml_node_pair_t *p = from->data.mapping.pairs.start; p < from->data.mapping.pairs.top && !r->over_limit; p++) {
    rgc_yaml *key = convert(r, p->key, depth + 1), *value = convert(r, p->value, depth + 1);
    if (!key || !value) return;
    if (node->count == MAX_KEYS) {
      r->over_limit = true;
      rgc_yaml_error(r->diags, key, RGC_CODE_YAML_LIMIT, "a map of more than %d keys", MAX_KEYS);
      return;
    }
    if (key->kind != RGC_YAML_SCALAR) {
      rgc_yaml_error(r->diags, key, RGC_CODE_WRONG_TYPE, "a key must be a word, not %s", rgc_yaml_kind_word(key));
      continue;
    }
    const rgc_yaml *first = rgc_yaml_key(node, key->text);
    if (first)
      rgc_yaml_error(r->diags, key, RGC_CODE_DUPLICATE_KEY, "'%s' stands twice in this map", key->text)->help =
          rgc_arena_printf(r->diags->arena, "it was first given in line %d", first->line);
    rgc_yaml_put(r->arena, node, key, value);
  }
}

static rgc_yaml *convert(reader *r, int index, int depth) {
  const yaml_node_t *from = yaml_document_get_node(r->document, index);
  if (!from || r->over_limit) return NULL;
  rgc_yaml *node = new_node(r, from);
  if (depth > MAX_DEPTH || ++r->node_count > MAX_NODES) {
    r->over_limit = true;
    rgc_yaml_error(r->diags, node, RGC_CODE_YAML_LIMIT, depth > MAX_DEPTH ? "nested deeper than %d" : "more than %d nodes",
                   depth > MAX_DEPTH ? MAX_DEPTH : MAX_NODES)->help = "an alias may contain itself, or aliases of aliases";
    return NULL;
  }
  if (from->type == YAML_SCALAR_NODE) {
    node->kind = RGC_YAML_SCALAR;
    node->quoted = from->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    node->text = rgc_arena_strndup(r->arena, (const char *)from->data.scalar.value, from->data.scalar.length);
    check_comma(r, node);
  } else if (from->type == YAML_SEQUENCE_NODE) {
    node->kind = RGC_YAML_LIST;
    for (yaml_node_item_t *p = from->data.sequence.items.start; p < from->data.sequence.items.top; p++) {
      rgc_yaml *item = convert(r, *p, depth + 1);
      if (!item) return NULL;
      rgc_yaml_append(r->arena, node, item);
    }
  } else {
    node->kind = RGC_YAML_MAP;
    convert_map(r, from, node, depth);
  }
  return r->over_limit ? NULL : node;
}

/* What libyaml says, and what to do about it. At what has no end it notices so at the next thing, which may be lines below: `begins`
 * says that the mistake stands where the thing begins. */
static const struct advice {
  const char *problem;
  bool begins;
  const char *help;
} advices[] = {
    {"could not find expected ':'", true, "a key ends in a colon and a blank: 'classes: 10'"},
    {"did not find expected ',' or '}'", true, "entries in braces are separated by commas, and the '{' needs its '}'"},
    {"did not find expected ',' or ']'", true, "entries in brackets are separated by commas, and the '[' needs its ']'"},
    {"found unexpected end of stream", true, "the quote that begins here has no end"},
    {"did not find expected '-' indicator", false, "all items of a list begin in the same column"},
    {"did not find expected key", false, "all keys of a map begin in the same column, and each bracket closes one that is open"},
    {"mapping values are not allowed in this context", false, "put attributes in braces, 'conv: {out: 8, kernel: 3}', and a text with a colon in quotes"},
    {"found character that cannot start any token", false, "indent by blanks, not by tabs; a text that begins with a sign is put in quotes"},
};

static const struct advice *find_advice(const char *problem) {
  for (size_t i = 0; i < sizeof advices / sizeof *advices; i++)
    if (!strcmp(advices[i].problem, problem)) return &advices[i];
  return NULL;
}

/* A byte that is no text: libyaml tells only how many stand before it. */
static void report_encoding(const yaml_parser_t *parser, const rgc_yaml_source *source, rgc_diagnostics *diags) {
  int line = 1, column = 1;
  for (size_t i = 0; i < parser->problem_offset && i < source->length; i++) {
    column = source->text[i] == '\n' ? 1 : column + 1;
    line += source->text[i] == '\n';
  }
  add_error(diags, source, line, column, RGC_CODE_YAML_SYNTAX, parser->problem)->help = "save the file as UTF-8";
}

static void report_syntax(const yaml_parser_t *parser, const rgc_yaml_source *source, rgc_diagnostics *diags) {
  const char *problem = parser->problem ? parser->problem : "cannot be read";
  if (parser->error == YAML_READER_ERROR) {
    report_encoding(parser, source, diags);
    return;
  }
  const struct advice *advice = find_advice(problem);
  bool begins = advice && advice->begins && parser->context && parser->context_mark.line < parser->problem_mark.line;
  const yaml_mark_t *mark = begins ? &parser->context_mark : &parser->problem_mark;
  rgc_diagnostic *d = add_error(diags, source, (int)mark->line + 1, (int)mark->column + 1, RGC_CODE_YAML_SYNTAX, problem);
  if (parser->context)
    d->help = begins ? rgc_arena_printf(diags->arena, "%s; noticed in line %d", advice->help, (int)parser->problem_mark.line + 1)
                     : rgc_arena_printf(diags->arena, "%s%s%s that began in line %d", advice ? advice->help : "", advice ? "; " : "", parser->context,
                                        (int)parser->context_mark.line + 1);
  else if (advice) d->help = advice->help;
}

/* libyaml's time grows with the square of the depth of brackets, so they are counted before, wherever they stand. */
static bool check_brackets(const rgc_yaml_source *source, rgc_diagnostics *diags) {
  int depth = 0, line = 1;
  for (const char *p = source->text; p < source->text + source->length; p++) {
    depth += (*p == '[' || *p == '{') - ((*p == ']' || *p == '}') && depth > 0);
    line += *p == '\n';
    if (depth <= MAX_BRACKETS) continue;
    add_error(diags, source, line, 0, RGC_CODE_YAML_LIMIT, "more than 1000 open brackets");
    return false;
  }
  return true;
}

rgc_yaml *rgc_yaml_parse(rgc_arena *arena, const char *text, size_t length, const char *file, rgc_diagnostics *diags) {
  rgc_yaml_source *source = RGC_NEW(arena, rgc_yaml_source);
  *source = (rgc_yaml_source){rgc_arena_strdup(arena, file), rgc_arena_strndup(arena, text, length), length};
  if (!check_brackets(source, diags)) return NULL;
  yaml_parser_t parser;
  yaml_document_t document;
  if (!yaml_parser_initialize(&parser)) rgc_internal_error("yaml", "no memory");
  yaml_parser_set_input_string(&parser, (const unsigned char *)source->text, length);
  rgc_yaml *root = NULL;
  int errors = diags->error_count;
  if (!yaml_parser_load(&parser, &document)) {
    report_syntax(&parser, source, diags);
  } else {
    reader r = {arena, &document, source, diags, 0, false};
    root = convert(&r, 1, 0);
    if (!root && diags->error_count == errors)
      rgc_diag_fail(diags, RGC_CODE_YAML_SYNTAX, source->file, NULL, "the file is empty");
    yaml_document_delete(&document);
  }
  yaml_parser_delete(&parser);
  return diags->error_count > errors ? NULL : root;
}

/* A zero byte, which no text has but in UTF-16. */
static bool is_binary(const char *text, size_t length) {
  bool is_utf16 = length >= 2 && (!memcmp(text, "\xff\xfe", 2) || !memcmp(text, "\xfe\xff", 2));
  return !is_utf16 && memchr(text, 0, length);
}

rgc_yaml *rgc_yaml_load(rgc_arena *arena, const char *path, rgc_diagnostics *diags) {
  FILE *f = fopen(path, "rb");
  char *text = f ? malloc(MAX_FILE_BYTES + 1) : NULL;
  size_t length = text ? fread(text, 1, MAX_FILE_BYTES + 1, f) : 0;
  bool bad = !text || ferror(f);
  if (f) fclose(f);
  rgc_yaml *root = NULL;
  if (bad)
    rgc_diag_fail(diags, RGC_CODE_FILE_READ, path, NULL, "cannot be read: %s", strerror(errno));
  else if (length > MAX_FILE_BYTES)
    rgc_diag_fail(diags, RGC_CODE_YAML_LIMIT, path, NULL, "larger than %d bytes", MAX_FILE_BYTES);
  else if (is_binary(text, length))
    rgc_diag_fail(diags, RGC_CODE_YAML_SYNTAX, path, "a graph file is wanted here; plans are for rgc run, explain, verify, bench and export",
                  "is no text");
  else
    root = rgc_yaml_parse(arena, text, length, path, diags);
  free(text);
  return root;
}

rgc_yaml *rgc_yaml_copy(rgc_arena *arena, const rgc_yaml *node) {
  rgc_yaml *copy = RGC_NEW(arena, rgc_yaml);
  *copy = *node;
  copy->items = copy->keys = NULL;
  copy->count = copy->capacity = copy->key_capacity = 0;
  for (int i = 0; i < node->count; i++) {
    rgc_yaml *item = rgc_yaml_copy(arena, node->items[i]);
    if (node->kind == RGC_YAML_MAP)
      rgc_yaml_put(arena, copy, node->keys[i], item);
    else
      rgc_yaml_append(arena, copy, item);
  }
  return copy;
}

static int find_key(const rgc_yaml *map, const char *key) {
  if (!map || map->kind != RGC_YAML_MAP) return -1;
  for (int i = 0; i < map->count; i++)
    if (strcmp(map->keys[i]->text, key) == 0) return i;
  return -1;
}

rgc_yaml *rgc_yaml_get(const rgc_yaml *map, const char *key) {
  int i = find_key(map, key);
  return i < 0 ? NULL : map->items[i];
}

const rgc_yaml *rgc_yaml_key(const rgc_yaml *map, const char *key) {
  int i = find_key(map, key);
  return i < 0 ? NULL : map->keys[i];
}

void rgc_yaml_put(rgc_arena *arena, rgc_yaml *map, rgc_yaml *key, rgc_yaml *value) {
  int i = find_key(map, key->text);
  if (i >= 0) {
    map->keys[i] = key;
    map->items[i] = value;
    return;
  }
  int count = map->count;
  *RGC_PUSH(arena, map->keys, count, map->key_capacity) = key;
  *RGC_PUSH(arena, map->items, map->count, map->capacity) = value;
}

void rgc_yaml_remove(rgc_yaml *map, const char *key) {
  int at = find_key(map, key);
  if (at < 0) return;
  map->count--;
  for (int i = at; i < map->count; i++) {
    map->keys[i] = map->keys[i + 1];
    map->items[i] = map->items[i + 1];
  }
}

void rgc_yaml_append(rgc_arena *arena, rgc_yaml *list, rgc_yaml *item) {
  *RGC_PUSH(arena, list->items, list->count, list->capacity) = item;
}

rgc_yaml *rgc_yaml_empty(rgc_arena *arena, const rgc_yaml *at, rgc_yaml_kind kind) {
  rgc_yaml *node = RGC_NEW(arena, rgc_yaml);
  *node = (rgc_yaml){.kind = kind, .source = at->source, .line = at->line, .column = at->column};
  return node;
}

rgc_yaml *rgc_yaml_scalar(rgc_arena *arena, const rgc_yaml *at, const char *text) {
  rgc_yaml *node = rgc_yaml_empty(arena, at, RGC_YAML_SCALAR);
  node->text = rgc_arena_strdup(arena, text);
  return node;
}

const char *rgc_yaml_kind_word(const rgc_yaml *node) {
  static const char *const words[] = {"a value", "a list", "a map"};
  return words[node->kind];
}
