/* explain.c: rgc explain and rgc verify: why a program is as it is, and whether it computes what it should. */
#include <stdio.h>

#include "cli/commands.h"
#include "cli/network.h"

const command_option explain_options[] = {
    {"--batch", OPTION_INT, "N", "samples a step (the graph file's train: batch)"},
    {"--infer", OPTION_FLAG, NULL, "the inference program, not the training step"},
    {"--kernels", OPTION_FLAG, NULL, "every kernel: layers, lines, tiles, FLOPs, bytes, what it reads and writes"},
    {"--machine", OPTION_TEXT, "NAME", "h100, a100 or a file of rates: the least time there, beside the eager program's"},
    {"--target", OPTION_TEXT, "NAME", "cpu-avx512, cpu-avx2, cpu-plain, cuda or sm_90a... (the machine's, or the best for this machine)"},
    NETWORK_OPTION_SET,
    {0}};
const command_option verify_options[] = {
    {"--batch", OPTION_INT, "N", "samples a step (2)"},
    {"--infer", OPTION_FLAG, NULL, "the inference program, not the training step"},
    NETWORK_OPTION_TARGET,
    NETWORK_OPTION_DEVICE,
    {"--beside", OPTION_TEXT, "NAME", "compare with another device that runs the same kernels, on small integers, instead of the reference"},
    {"--tolerance", OPTION_REAL, "X", "largest relative L2 distance (3e-5)"},
    {"--seed", OPTION_INT, "N", "of weights and input (0)"},
    NETWORK_OPTION_SET,
    {0}};

int run_explain(const command_line *line) {
  rgc_plan *plan = command_plan(line);
  rgc_explain_options o = {.infer = option_flag(line, "--infer"), .batch = option_int(line, "--batch", 0),
                           .kernels = option_flag(line, "--kernels"), .target = option_text(line, "--target", NULL),
                           .machine = option_text(line, "--machine", NULL)};
  int code = command_print(plan ? rgc_plan_explain(plan, &o, line->diags) : NULL);
  rgc_plan_close(plan);
  return code;
}

static bool verify(const command_line *line, rgc_model *model) {
  rgc_verify_result r;
  bool good = rgc_model_verify(model, option_flag(line, "--infer"), (uint64_t)option_int(line, "--seed", 0),
                               option_real(line, "--tolerance", 3e-5), &r, line->diags);
  printf("%d of %d kernels agree with the reference; the furthest is %d (%s), off by %.3g\n", r.agree, r.kernels, r.furthest, r.layer, r.error);
  return good;
}

static bool verify_beside(const command_line *line, rgc_model *model, rgc_model *other) {
  rgc_beside_result r;
  bool good = rgc_model_verify_beside(model, other, option_flag(line, "--infer"), (uint64_t)option_int(line, "--seed", 0),
                                      option_real(line, "--tolerance", 3e-5), &r, line->diags);
  printf("%d of %d kernels give the same bits, %d are close; the furthest is %d (%s), apart by %.3g\n", r.equal, r.kernels, r.close, r.furthest,
         r.layer ? r.layer : "", r.distance);
  return good;
}

int run_verify(const command_line *line) {
  rgc_plan *plan = command_plan(line);
  const char *beside = option_text(line, "--beside", NULL);
  rgc_model_options o = {.batch = option_int(line, "--batch", 2), .seed = (uint64_t)option_int(line, "--seed", 0),
                         .train = !option_flag(line, "--infer"), .target = option_text(line, "--target", NULL),
                         .device = option_text(line, "--device", NULL)};
  rgc_model *model = plan ? rgc_model_open(plan, &o, line->diags) : NULL, *other = NULL;
  rgc_model_facts facts;
  if (model) rgc_model_tell(model, &facts);
  o.device = beside;
  if (model && beside) o.target = facts.target, other = rgc_model_open(plan, &o, line->diags);
  bool good = model && (beside ? other && verify_beside(line, model, other) : verify(line, model));
  rgc_model_close(other);
  rgc_model_close(model);
  rgc_plan_close(plan);
  return good ? RGC_EXIT_OK : RGC_EXIT_INPUT;
}
