/* survey.c: rgc list and rgc diff. */
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/commands.h"
#include "cli/network.h"

#define BATCH_AND_TARGET                                                                                               \
  {"--batch", OPTION_INT, "N", "samples a training step (32)"},                                                        \
      {"--target", OPTION_TEXT, "NAME", "cpu-avx512, cpu-avx2 or cpu-plain (the best for this machine)"}

const command_option list_options[] = {BATCH_AND_TARGET, NETWORK_OPTION_SET, {0}};
const command_option diff_options[] = {BATCH_AND_TARGET, {"--kernels", OPTION_FLAG, NULL, "name every kernel that differs"},
                                       NETWORK_OPTION_SET, {0}};

static bool read_options(const command_line *line, rgc_survey_options *o) {
  *o = (rgc_survey_options){.batch = option_int(line, "--batch", 32), .target = option_text(line, "--target", NULL)};
  o->overrides = option_list(line, "--set", &o->override_count);
  return o->batch >= 1 || rgc_diagnostics_fail(line->diags, "usage", NULL, NULL, "--batch must be at least 1");
}

static bool list_path(const char *path, const rgc_survey_options *o, rgc_diagnostics *diags) {
  bool good = command_print(rgc_list_file(path, o, diags)) == RGC_EXIT_OK;
  fflush(stdout);
  return good;
}

/* A folder stands for the graph files in it, in the order of their names. */
static bool list_word(const command_line *line, const char *word, const rgc_survey_options *o) {
  struct stat status;
  if (stat(word, &status) || !S_ISDIR(status.st_mode)) return list_path(word, o, line->diags);
  size_t room = strlen(word) + sizeof "/*.yaml";
  char *pattern = malloc(room);
  snprintf(pattern, room, "%s/*.yaml", word);
  glob_t files = {0};
  bool good = !glob(pattern, 0, NULL, &files) ||
              rgc_diagnostics_fail(line->diags, "file-read", word, "rgc list FOLDER or FILE...", "has no graph files (*.yaml)");
  for (size_t i = 0; i < files.gl_pathc; i++) good = list_path(files.gl_pathv[i], o, line->diags) && good;
  globfree(&files);
  free(pattern);
  return good;
}

int run_list(const command_line *line) {
  rgc_survey_options o;
  if (!read_options(line, &o)) return RGC_EXIT_USAGE;
  bool good = command_print(rgc_list_header(&o, line->diags)) == RGC_EXIT_OK;
  if (!good) return RGC_EXIT_USAGE;
  fflush(stdout);
  for (int i = 0; i < line->word_count; i++) good = list_word(line, line->words[i], &o) && good;
  if (!line->word_count) good = list_word(line, "graphs", &o);
  return good ? RGC_EXIT_OK : RGC_EXIT_INPUT;
}

int run_diff(const command_line *line) {
  rgc_survey_options o;
  if (!read_options(line, &o)) return RGC_EXIT_USAGE;
  o.every_kernel = option_flag(line, "--kernels");
  return command_print(rgc_diff_files(line->words[0], line->words[1], &o, line->diags));
}
