/* command.c: parsing and help from the rows; see command.h. */
#include "cli/command.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int find(const command_option *options, const char *name, size_t length) {
  for (int i = 0; options && options[i].name; i++)
    if (strlen(options[i].name) == length && !strncmp(options[i].name, name, length)) return i;
  return -1;
}

static int must_find(const command_line *line, const char *name) {
  int i = find(line->options, name, strlen(name));
  if (i >= 0) return i;
  fprintf(stderr, "rgc: no option %s in the table\n", name);
  abort();
}

const char *option_text(const command_line *line, const char *name, const char *otherwise) {
  const char *value = line->values[must_find(line, name)];
  return value ? value : otherwise;
}

bool option_flag(const command_line *line, const char *name) { return line->values[must_find(line, name)] != NULL; }

long option_int(const command_line *line, const char *name, long otherwise) {
  const char *value = line->values[must_find(line, name)];
  return value ? strtol(value, NULL, 10) : otherwise;
}

double option_real(const command_line *line, const char *name, double otherwise) {
  const char *value = line->values[must_find(line, name)];
  return value ? strtod(value, NULL) : otherwise;
}

const char *const *option_list(const command_line *line, const char *name, int *count) {
  int i = must_find(line, name);
  *count = line->list_counts[i];
  return line->lists[i];
}

int command_usage(const command_line *line, const char *help, const char *format, ...) {
  char message[512];
  va_list args;
  va_start(args, format);
  vsnprintf(message, sizeof message, format, args);
  va_end(args);
  rgc_diagnostics_fail(line->diags, "usage", NULL, help, "%s", message);
  return RGC_EXIT_USAGE;
}

/* help NULL: where to read more. Returns false. */
static bool usage_error(command_line *line, const command *row, const char *help, const char *what, const char *word) {
  char more[64];
  snprintf(more, sizeof more, "rgc %s --help", row->name);
  command_usage(line, help ? help : more, "%s%s", what, word);
  return false;
}

static bool unknown_option(command_line *line, const command *row, const char *word, int length) {
  char name[128];
  snprintf(name, sizeof name, "%.*s", length, word);
  const char *names[MAX_OPTIONS];
  int count = 0;
  for (; row->options && row->options[count].name; count++) names[count] = row->options[count].name;
  const char *near = rgc_nearest_word(name, names, count);
  char help[64];
  if (near) snprintf(help, sizeof help, "did you mean %s?", near);
  return usage_error(line, row, near ? help : NULL, "unknown option ", name);
}

static bool is_number(const char *text, option_kind kind) {
  char *end;
  if (kind == OPTION_INT) return strtol(text, &end, 10) >= 0 && *text && !*end;
  return strtod(text, &end) >= 0 && *text && !*end;
}

/* One option at argv[*at]; the value stands behind '=' or in the next word. */
static bool parse_option(const command *row, int argc, char **argv, int *at, command_line *line) {
  const char *word = argv[*at], *equals = strchr(word, '=');
  size_t length = equals ? (size_t)(equals - word) : strlen(word);
  int i = find(row->options, word, length);
  if (i < 0) return unknown_option(line, row, word, (int)length);
  option_kind kind = row->options[i].kind;
  if (kind == OPTION_FLAG) {
    if (equals) return usage_error(line, row, NULL, "takes no value: ", row->options[i].name);
    line->values[i] = "";
    return true;
  }
  const char *value = equals ? equals + 1 : *at + 1 < argc ? argv[++*at] : NULL;
  if (!value) return usage_error(line, row, NULL, "needs a value: ", row->options[i].name);
  if ((kind == OPTION_INT || kind == OPTION_REAL) && !is_number(value, kind))
    return usage_error(line, row, NULL, kind == OPTION_INT ? "not a count: " : "not a number: ", value);
  line->values[i] = value;
  if (kind == OPTION_LIST && line->list_counts[i] < MAX_WORDS) line->lists[i][line->list_counts[i]++] = value;
  return true;
}

bool command_parse(const command *row, int argc, char **argv, command_line *line) {
  line->options = row->options;
  for (int at = 2; at < argc; at++) {
    if (!strncmp(argv[at], "--", 2) || (argv[at][0] == '-' && argv[at][1])) {
      if (!parse_option(row, argc, argv, &at, line)) return false;
    } else if (line->word_count < row->max_words) {
      line->words[line->word_count++] = argv[at];
    } else {
      return usage_error(line, row, NULL, "one word too many: ", argv[at]);
    }
  }
  return line->word_count >= row->min_words || usage_error(line, row, NULL, "usage: rgc ", row->usage);
}

void command_help(const command *row) {
  printf("usage: rgc %s\n\n%s\n", row->usage, row->about);
  if (row->options && row->options[0].name) puts("\noptions:");
  for (int i = 0; row->options && row->options[i].name; i++) {
    const command_option *o = &row->options[i];
    char left[64];
    snprintf(left, sizeof left, "%s%s%s", o->name, o->operand ? " " : "", o->operand ? o->operand : "");
    printf("  %-22s %s\n", left, o->about);
  }
}
