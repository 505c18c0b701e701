/* survey.h: networks looked at from outside, side by side: a line each, or two against each other. What is told is computed from the
 * graph files, never stored: the composite graph gives layers and parameters, compiled programs give bytes and kernels. */
#ifndef RGC_SURVEY_H
#define RGC_SURVEY_H
#include "compiler/lang/lang.h"
#include "compiler/passes/target.h"

typedef struct rgc_survey {
  const rgc_target *target;
  int64_t batch;                /* samples a training step */
  const char *const *overrides; /* PATH=VALUE, of every file */
  int override_count;
  bool every_kernel; /* diff: also the names of kernels that differ */
} rgc_survey;

/* The line over those of rgc_survey_line. */
void rgc_survey_header(const rgc_survey *options, rgc_text *out);
/* One line on the network of a graph file: name, input [C,H,W], parameters, MACs a sample, bytes that training takes at the batch given
 * (all regions of the plan: parameters, optimizer state, activations) and inference at batch 1; "-" for a network that cannot be trained,
 * with the reason. False, with errors in `diags`, if the file is wrong. */
bool rgc_survey_line(const char *path, const rgc_survey *options, rgc_text *out, rgc_diagnostics *diags);
/* What differs between two graph files: input, parameters, MACs; layers, by name; tensors, and which weights of `path_a` a network of
 * `path_b` can take by name and shape; bytes and kernels of both programs. False, with errors in `diags`, if a file is wrong. */
bool rgc_survey_diff(const char *path_a, const char *path_b, const rgc_survey *options, rgc_text *out, rgc_diagnostics *diags);
#endif
