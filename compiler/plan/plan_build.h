/* plan_build.h: plans from networks: source and graph first, then programs. */
#ifndef RGC_PLAN_PLAN_BUILD_H
#define RGC_PLAN_PLAN_BUILD_H
#include "compiler/pipeline.h"
#include "compiler/plan/plan.h"

/* The network's texts and its unfused training graph for one sample; no programs, no tensors. NULL after an error. */
rgc_plan *rgc_plan_create(rgc_network *network, rgc_arena *arena, rgc_diagnostics *diags);
/* The program of that kind, batch and target, of the precision that the network has there; NULL if the plan has none. */
const rgc_program *rgc_plan_find_program(const rgc_plan *plan, const rgc_network *network, rgc_program_kind kind, const rgc_target *target, int64_t batch);
/* The same, compiled and added if it is not there. The pointer holds until the next program is added. With options->keep the program is compiled in any case, and not added. NULL after an error. */
const rgc_program *rgc_plan_need_program(rgc_plan *plan, rgc_network *network, const rgc_compile_options *options, rgc_diagnostics *diags);
/* Compiles those of `count` programs that the plan lacks side by side, and adds them in order. Plan and diagnostics are as if they had been made
 * one after the other, up to the first error. Returns how many are there: fewer than `count` after an error. */
int rgc_plan_make_programs(rgc_plan *plan, const rgc_network *network, const rgc_compile_options *options, int count, rgc_diagnostics *diags);
/* The plan's texts of the network, after the network has changed in what no program depends on (class names). */
void rgc_plan_update_source(rgc_plan *plan, const rgc_network *network);
#endif
