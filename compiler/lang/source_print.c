/* source_print.c: a network as one self-contained YAML text, and where each node of it came from; source_parse.c reads both.
 *
 * The text is the merged tree (bases and overrides applied) in block style, without anchors, comments or multi-line scalars,
 * so that a tree has one text. A scalar that was plain is printed plain where its characters leave no doubt, else in quotes.
 * The map (the text beside it) names files, the lines of theirs that are used, and, for every node in the order in which the
 * text shows them (a map, then each key and its value; a list, then its items), the place where it was written:
 *
 *   network graphs/plain20.yaml        the file that was loaded
 *   file graphs/cifar_resnet20.yaml    number 0, 1, ...
 *   text 0 6 stem: [conv: ...          a line of file 0, verbatim
 *   at 0 6 1                           file, line, column
 *   plain 0 6 7                        the same of a scalar that is in quotes here and was plain there */
#include <stdlib.h>
#include <string.h>

#include "compiler/lang/lang.h"

typedef struct used_line {
  int file, line;
} used_line;

typedef struct printer {
  rgc_arena *scratch;
  rgc_text *text, *nodes; /* the source; the "at" lines */
  const rgc_yaml_source **files;
  int file_count, file_capacity;
  used_line *lines;
  int line_count, line_capacity;
} printer;

static int file_number(printer *p, const rgc_yaml_source *source) {
  for (int i = 0; i < p->file_count; i++)
    if (p->files[i] == source) return i;
  *RGC_PUSH(p->scratch, p->files, p->file_count, p->file_capacity) = source;
  return p->file_count - 1;
}

static bool is_inner_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("._/ ()+*<=>-", c);
}

/* Whether YAML reads these characters as the same plain scalar wherever they stand. */
static bool is_plainly_plain(const char *chars) {
  size_t length = strlen(chars);
  bool starts = length && (strchr("_/(", chars[0]) ? true : is_inner_char(chars[0]) && !strchr(". +*<=>-)", chars[0]));
  if (length > 1 && chars[0] == '-' && chars[1] >= '0' && chars[1] <= '9') starts = true;
  for (size_t i = 0; starts && i < length; i++) starts = is_inner_char(chars[i]);
  return starts && chars[length - 1] != ' ';
}

/* The code point at `bytes`, which are UTF-8, and how many bytes it takes. Whatever is no UTF-8 counts as one byte, U+FFFD. */
static unsigned decode(const unsigned char *bytes, int *length) {
  unsigned first = bytes[0];
  int more = first < 0x80 ? 0 : first >= 0xf0 && first < 0xf8 ? 3 : first >= 0xe0 ? 2 : first >= 0xc0 ? 1 : -1;
  unsigned point = more <= 0 ? first : first & (0x3fu >> more);
  *length = 1;
  if (more < 0 || first >= 0xf8) return 0xfffd;
  for (int i = 1; i <= more; i++) {
    if ((bytes[i] & 0xc0) != 0x80) return 0xfffd;
    point = point << 6 | (bytes[i] & 0x3f);
  }
  static const unsigned least[] = {0, 0x80, 0x800, 0x10000}; /* of each length: a longer form than needed is no UTF-8 */
  if (point < least[more] || point > 0x10ffff || (point >= 0xd800 && point < 0xe000)) return 0xfffd;
  *length = more + 1;
  return point;
}

static bool is_shown(unsigned point) {
  if (point < 0xa0) return point >= 0x20 && point < 0x7f;
  return point != 0x2028 && point != 0x2029 && point != 0xfeff && point != 0xfffe && point != 0xffff;
}

static void print_quoted(rgc_text *out, const char *chars) {
  rgc_text_add(out, "\"");
  for (int length; *chars; chars += length) {
    unsigned point = decode((const unsigned char *)chars, &length);
    if (point == '"' || point == '\\') rgc_text_add(out, "\\");
    if (is_shown(point))
      rgc_text_add_bytes(out, chars, (size_t)length);
    else
      rgc_text_printf(out, "\\U%08X", point);
  }
  rgc_text_add(out, "\"");
}

static void print_place(printer *p, const rgc_yaml *node, bool was_plain) {
  int file = file_number(p, node->source);
  rgc_text_printf(p->nodes, "%s %d %d %d\n", was_plain ? "plain" : "at", file, node->line, node->column);
  *RGC_PUSH(p->scratch, p->lines, p->line_count, p->line_capacity) = (used_line){file, node->line};
}

static void print_scalar(printer *p, const rgc_yaml *node) {
  bool plain = !node->quoted && is_plainly_plain(node->text);
  print_place(p, node, !node->quoted && !plain);
  if (plain)
    rgc_text_add(p->text, node->text);
  else
    print_quoted(p->text, node->text);
}

static void print_children(printer *p, const rgc_yaml *node, int indent, bool first_inline);

/* What follows "key:" or "-". */
static void print_value(printer *p, const rgc_yaml *node, int indent, bool in_list) {
  if (node->kind != RGC_YAML_SCALAR) print_place(p, node, false);
  if (node->kind != RGC_YAML_SCALAR && node->count) {
    rgc_text_add(p->text, in_list ? " " : "\n");
    print_children(p, node, indent + 2, in_list);
    return;
  }
  rgc_text_add(p->text, " ");
  if (node->kind == RGC_YAML_SCALAR)
    print_scalar(p, node);
  else
    rgc_text_add(p->text, node->kind == RGC_YAML_LIST ? "[]" : "{}");
  rgc_text_add(p->text, "\n");
}

/* `first_inline`: the first child stands in a line that has begun. */
static void print_children(printer *p, const rgc_yaml *node, int indent, bool first_inline) {
  for (int i = 0; i < node->count; i++) {
    if (i || !first_inline) rgc_text_printf(p->text, "%*s", indent, "");
    if (node->kind == RGC_YAML_MAP) {
      print_scalar(p, node->keys[i]);
      rgc_text_add(p->text, ":");
    } else {
      rgc_text_add(p->text, "-");
    }
    print_value(p, node->items[i], indent, node->kind == RGC_YAML_LIST);
  }
}

/* One line of a file, without what a text of lines cannot hold: control characters and bytes that are no UTF-8. */
static void print_line(rgc_text *out, const char *line, size_t length) {
  for (const char *end = line + length; line < end;) {
    char four[5] = {0};
    int taken;
    memcpy(four, line, (size_t)(end - line < 4 ? end - line : 4));
    unsigned point = decode((const unsigned char *)four, &taken);
    if (point == '\t' || is_shown(point))
      rgc_text_add_bytes(out, point == 0xfffd ? "?" : line, point == 0xfffd ? 1 : (size_t)taken);
    else if (point != '\r')
      rgc_text_add(out, "?");
    line += taken;
  }
  rgc_text_add(out, "\n");
}

static int compare_lines(const void *a, const void *b) {
  const used_line *x = a, *y = b;
  return x->file != y->file ? (x->file > y->file) - (x->file < y->file) : (x->line > y->line) - (x->line < y->line);
}

/* The lines of file `number`, of which used[] are sorted. */
static void print_used_lines(const printer *p, int number, rgc_text *out) {
  const rgc_yaml_source *source = p->files[number];
  const char *at = source->text, *end = source->text + source->length;
  int line = 1;
  for (int i = 0; i < p->line_count && at < end; i++) {
    if (p->lines[i].file != number || (i && !compare_lines(&p->lines[i], &p->lines[i - 1]))) continue;
    for (; at < end && line < p->lines[i].line; line++) {
      const char *next = memchr(at, '\n', (size_t)(end - at));
      at = next ? next + 1 : end;
    }
    const char *stop = at < end ? memchr(at, '\n', (size_t)(end - at)) : NULL;
    if (at < end) rgc_text_printf(out, "text %d %d ", number, line);
    if (at < end) print_line(out, at, (size_t)((stop ? stop : end) - at));
  }
}

static void print_name(rgc_text *out, const char *word, const char *name) {
  rgc_text_add(out, word);
  print_line(out, name, strlen(name));
}

void rgc_network_source(const rgc_network *network, rgc_text *source, rgc_text *line_map) {
  rgc_text nodes = {0};
  printer p = {.scratch = rgc_arena_create(), .text = source, .nodes = &nodes};
  print_place(&p, network->root, false);
  print_children(&p, network->root, 0, false);
  if (!network->root->count) rgc_text_add(source, "{}\n");
  qsort(p.lines, (size_t)p.line_count, sizeof *p.lines, compare_lines);
  print_name(line_map, "network ", network->file);
  for (int i = 0; i < p.file_count; i++) print_name(line_map, "file ", p.files[i]->file);
  for (int i = 0; i < p.file_count; i++) print_used_lines(&p, i, line_map);
  rgc_text_add(line_map, rgc_text_chars(&nodes));
  rgc_text_free(&nodes);
  rgc_arena_destroy(p.scratch);
}
