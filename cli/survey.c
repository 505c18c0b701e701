/* survey.c: rgc list and rgc diff; see compiler/survey.h. */
#include <glob.h>
#include <stdio.h>
#include <sys/stat.h>

#include "cli/commands.h"
#include "cli/network.h"
#include "codegen/cpu/targets.h"
#include "compiler/survey.h"

#define BATCH_AND_TARGET                                                                                               \
  {"--batch", OPTION_INT, "N", "samples a training step (32)"},                                                        \
      {"--target", OPTION_TEXT, "NAME", "cpu-avx512, cpu-avx2 or cpu-plain (the best for this machine)"}

const command_option list_options[] = {BATCH_AND_TARGET, NETWORK_OPTION_SET, {0}};
const command_option diff_options[] = {BATCH_AND_TARGET, {"--kernels", OPTION_FLAG, NULL, "name every kernel that differs"},
                                       NETWORK_OPTION_SET, {0}};

/* False, with an error, for a target that does not exist or a batch below 1. */
static bool read_options(const command_line *line, rgc_survey_options *o) {
  const rgc_cpu_target *target = rgc_cpu_target_choose(option_text(line, "--target", NULL), line->diags);
  o->batch = option_int(line, "--batch", 32);
  o->overrides = option_list(line, "--set", &o->override_count);
  if (target) o->target = &target->facts;
  if (o->batch < 1) rgc_diag_fail(line->diags, RGC_CODE_USAGE, NULL, NULL, "--batch must be at least 1");
  return target && o->batch >= 1;
}

static bool list_path(const char *path, const rgc_survey_options *o, rgc_diagnostics *diags) {
  rgc_text text = {0};
  bool good = rgc_list_file(path, o, &text, diags);
  if (good) fputs(rgc_text_chars(&text), stdout);
  fflush(stdout);
  rgc_text_free(&text);
  return good;
}

/* A folder stands for the graph files in it, in the order of their names. */
static bool list_word(const command_line *line, const char *word, const rgc_survey_options *o) {
  struct stat status;
  if (stat(word, &status) || !S_ISDIR(status.st_mode)) return list_path(word, o, line->diags);
  glob_t files = {0};
  bool good = !glob(rgc_arena_printf(line->arena, "%s/*.yaml", word), 0, NULL, &files) ||
              rgc_diag_fail(line->diags, RGC_CODE_FILE_READ, word, "rgc list FOLDER or FILE...", "has no graph files (*.yaml)");
  for (size_t i = 0; i < files.gl_pathc; i++) good = list_path(files.gl_pathv[i], o, line->diags) && good;
  globfree(&files);
  return good;
}

int run_list(const command_line *line) {
  rgc_survey_options o = {0};
  if (!read_options(line, &o)) return RGC_EXIT_USAGE;
  rgc_text header = {0};
  rgc_list_header(&o, &header);
  fputs(rgc_text_chars(&header), stdout);
  fflush(stdout);
  rgc_text_free(&header);
  bool good = true;
  for (int i = 0; i < line->word_count; i++) good = list_word(line, line->words[i], &o) && good;
  if (!line->word_count) good = list_word(line, "graphs", &o);
  return good ? RGC_EXIT_OK : RGC_EXIT_INPUT;
}

int run_diff(const command_line *line) {
  rgc_survey_options o = {.every_kernel = option_flag(line, "--kernels")};
  if (!read_options(line, &o)) return RGC_EXIT_USAGE;
  rgc_text text = {0};
  bool good = rgc_diff_files(line->words[0], line->words[1], &o, &text, line->diags);
  fputs(rgc_text_chars(&text), stdout);
  rgc_text_free(&text);
  return good ? RGC_EXIT_OK : RGC_EXIT_INPUT;
}
