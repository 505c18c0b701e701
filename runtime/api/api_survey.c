/* api_survey.c: rgc.h's rgc list and rgc diff: compiler/survey.h with its target by name. */
#include "codegen/cpu/targets.h"
#include "compiler/survey.h"
#include "runtime/rgc.h"

/* False, with an error, for a target that does not exist or a batch below 1. */
static bool open_survey(const rgc_survey_options *o, rgc_survey *survey, rgc_diagnostics *diags) {
  const rgc_cpu_target *target = rgc_cpu_target_choose(o->target, diags);
  if (!target) return false;
  *survey = (rgc_survey){.target = &target->facts, .batch = o->batch ? o->batch : 32, .overrides = o->overrides,
                         .override_count = o->override_count, .every_kernel = o->every_kernel};
  return survey->batch >= 1 || rgc_diag_fail(diags, RGC_CODE_USAGE, NULL, NULL, "the batch must be at least 1");
}

/* The text if `good`, else NULL. */
static char *result(rgc_text *text, bool good) {
  if (good) return text->chars;
  rgc_text_free(text);
  return NULL;
}

char *rgc_list_header(const rgc_survey_options *options, rgc_diagnostics *diags) {
  rgc_survey survey;
  rgc_text text = {0};
  bool good = open_survey(options, &survey, diags);
  if (good) rgc_survey_header(&survey, &text);
  return result(&text, good);
}

char *rgc_list_file(const char *path, const rgc_survey_options *options, rgc_diagnostics *diags) {
  rgc_survey survey;
  rgc_text text = {0};
  return result(&text, open_survey(options, &survey, diags) && rgc_survey_line(path, &survey, &text, diags));
}

char *rgc_diff_files(const char *path_a, const char *path_b, const rgc_survey_options *options, rgc_diagnostics *diags) {
  rgc_survey survey;
  rgc_text text = {0};
  return result(&text, open_survey(options, &survey, diags) && rgc_survey_diff(path_a, path_b, &survey, &text, diags));
}
