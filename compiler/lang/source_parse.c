/* source_parse.c: the two texts of source_print.c back to a network whose nodes say the places they first had.
 *
 * Both texts may come from a stranger's file. The line map is read first, strictly: a line that is none of its statements, a
 * number out of range, a file that is not there, or a node too few or too many is an error. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/lang/load.h"

enum { MAX_LINES = 4 << 20, MAX_FILES = 4096 }; /* lines of all files together */

typedef struct place {
  int file, line, column;
  bool was_plain;
} place;

typedef struct map_file {
  rgc_yaml_source *source;
  rgc_text text; /* up to the last line given; lines not given are empty */
  int line;      /* the one being written */
} map_file;

typedef struct line_map {
  rgc_arena *arena;
  rgc_diagnostics *diags;
  const char *network;
  map_file *files;
  int file_count, file_capacity;
  place *places;
  int place_count, place_capacity;
  int lines_left, next; /* next: the first place no node has taken */
} line_map;

static bool fail(const line_map *m, int line, const char *what) {
  rgc_diag_add(m->diags, RGC_ERROR, RGC_CODE_PLAN_FORMAT, (rgc_location){.file = "line map", .line = line}, "%s", what);
  return false;
}

/* A decimal number up to `max`, and the blank after it if one must follow. */
static bool take_number(const char **at, int max, bool blank, int *number) {
  if (**at < '0' || **at > '9') return false;
  long long value = 0;
  for (; **at >= '0' && **at <= '9'; (*at)++)
    if ((value = value * 10 + (**at - '0')) > max) return false;
  *number = (int)value;
  if (!blank) return true;
  return *(*at)++ == ' ';
}

static bool add_file(line_map *m, const char *name) {
  if (m->file_count == MAX_FILES) return false;
  map_file file = {.source = RGC_NEW(m->arena, rgc_yaml_source), .line = 1};
  file.source->file = rgc_arena_strdup(m->arena, name);
  *RGC_PUSH(m->arena, m->files, m->file_count, m->file_capacity) = file;
  return true;
}

static bool add_text(line_map *m, const char *at) {
  int number, line;
  if (!take_number(&at, m->file_count - 1, true, &number) || !take_number(&at, MAX_LINES, true, &line)) return false;
  map_file *file = &m->files[number];
  if (line < file->line || line - file->line > m->lines_left) return false;
  m->lines_left -= line - file->line;
  for (; file->line < line; file->line++) rgc_text_add(&file->text, "\n");
  rgc_text_add(&file->text, at);
  return true;
}

static bool add_place(line_map *m, const char *at, bool was_plain) {
  place p = {.was_plain = was_plain};
  if (!take_number(&at, m->file_count - 1, true, &p.file) || !take_number(&at, INT_MAX / 2, true, &p.line) ||
      !take_number(&at, INT_MAX / 2, false, &p.column) || *at)
    return false;
  *RGC_PUSH(m->arena, m->places, m->place_count, m->place_capacity) = p;
  return true;
}

/* What follows `word` in the line; NULL: it begins otherwise. */
static const char *after(const char *line, const char *word) {
  size_t length = strlen(word);
  return strncmp(line, word, length) ? NULL : line + length;
}

static bool read_statement(line_map *m, const char *line) {
  const char *rest;
  if ((rest = after(line, "at "))) return add_place(m, rest, false);
  if ((rest = after(line, "plain "))) return add_place(m, rest, true);
  if ((rest = after(line, "text "))) return add_text(m, rest);
  if ((rest = after(line, "file "))) return add_file(m, rest);
  if (!(rest = after(line, "network ")) || m->network) return false;
  m->network = rest;
  return true;
}

static bool read_lines(line_map *m, const char *text) {
  for (int number = 1; *text; number++) {
    const char *end = strchr(text, '\n');
    if (!end) return fail(m, number, "the last line has no end");
    if (!read_statement(m, rgc_arena_strndup(m->arena, text, (size_t)(end - text))))
      return fail(m, number, "this line cannot be understood");
    text = end + 1;
  }
  return m->network || fail(m, 0, "no network is named");
}

static void close_files(line_map *m) {
  for (int i = 0; i < m->file_count; i++) {
    rgc_yaml_source *source = m->files[i].source;
    source->length = m->files[i].text.length;
    source->text = rgc_text_take(&m->files[i].text, m->arena);
  }
}

/* Gives the node and all below it their places, in the order of the text. */
static bool place_nodes(line_map *m, rgc_yaml *node) {
  if (m->next == m->place_count) return fail(m, 0, "fewer nodes than the source has");
  const place *p = &m->places[m->next++];
  node->source = m->files[p->file].source;
  node->line = p->line;
  node->column = p->column;
  if (p->was_plain && node->kind == RGC_YAML_SCALAR) node->quoted = false;
  bool good = true;
  for (int i = 0; good && i < node->count; i++)
    good = (node->kind != RGC_YAML_MAP || place_nodes(m, node->keys[i])) && place_nodes(m, node->items[i]);
  return good;
}

rgc_network *rgc_network_parse(rgc_arena *arena, const char *source, const char *line_map_text, rgc_diagnostics *diags) {
  line_map m = {.arena = arena, .diags = diags, .lines_left = MAX_LINES};
  bool good = read_lines(&m, line_map_text);
  close_files(&m);
  rgc_yaml *root = good ? rgc_yaml_parse(arena, source, strlen(source), "source", diags) : NULL;
  if (!root || !place_nodes(&m, root)) return NULL;
  if (m.next != m.place_count) return fail(&m, 0, "more nodes than the source has"), NULL;
  if (root->kind != RGC_YAML_MAP) return fail(&m, 0, "the source is no map"), NULL;
  return rgc_network_of_root(arena, root, m.network, diags);
}
