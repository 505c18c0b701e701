/* command.h: a subcommand is a row of a table: its name, its options, its function. Help, parsing and suggestions are
 * made from the rows. */
#ifndef RGC_CLI_COMMAND_H
#define RGC_CLI_COMMAND_H
#include <stdbool.h>

#include "runtime/rgc.h"

/* Exit codes: X(identifier, number, meaning). */
#define RGC_EXIT_CODES(X)                                                                                              \
  X(OK, 0, "all went well")                                                                                            \
  X(INPUT, 1, "the graph file, plan or data is wrong, or a run failed; the message says where")                        \
  X(USAGE, 2, "the command line cannot be understood")                                                                 \
  X(STOPPED, 3, "stopped by Ctrl-C after saving")

enum {
#define X(id, number, about) RGC_EXIT_##id = number,
  RGC_EXIT_CODES(X)
#undef X
};

typedef enum option_kind { OPTION_FLAG, OPTION_TEXT, OPTION_INT, OPTION_REAL, OPTION_LIST } option_kind;

typedef struct command_option {
  const char *name; /* "--steps"; NULL ends the list */
  option_kind kind;
  const char *operand; /* "N", for help; NULL for a flag */
  const char *about;
} command_option;

enum { MAX_OPTIONS = 24, MAX_WORDS = 64 };

/* A parsed command line. */
typedef struct command_line {
  rgc_diagnostics *diags;
  const char *words[MAX_WORDS]; /* what is no option */
  int word_count;
  const command_option *options;
  const char *values[MAX_OPTIONS];           /* by option; NULL: not given */
  const char *lists[MAX_OPTIONS][MAX_WORDS]; /* OPTION_LIST: every value given */
  int list_counts[MAX_OPTIONS];
} command_line;

typedef struct command {
  const char *name, *usage, *about;
  const command_option *options;
  int min_words, max_words;
  int (*run)(const command_line *line); /* an exit code; errors go to line->diags */
} command;

const char *option_text(const command_line *line, const char *name, const char *otherwise);
bool option_flag(const command_line *line, const char *name);
long option_int(const command_line *line, const char *name, long otherwise);
double option_real(const command_line *line, const char *name, double otherwise);
/* Values of a list option; *count may become 0. */
const char *const *option_list(const command_line *line, const char *name, int *count);

/* Reports a USAGE error and gives its exit code; `help` may be NULL. */
int command_usage(const command_line *line, const char *help, const char *format, ...) RGC_PRINTF(3, 4);

/* Parses argv[2..] by the row's options; false with a USAGE error. */
bool command_parse(const command *row, int argc, char **argv, command_line *line);
void command_help(const command *row);

extern const command rgc_commands[]; /* ends with a NULL name; main.c */
#endif
