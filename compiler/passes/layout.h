/* layout.h: which weights lie in panels: none, where a target has no panel_lanes. */
#ifndef RGC_PASSES_LAYOUT_H
#define RGC_PASSES_LAYOUT_H
#include "compiler/graph/kernel.h"
#include "compiler/passes/target.h"

/* The narrowest panel of the target that holds `channels`. */
int rgc_panel_lanes(const rgc_target *target, int64_t channels);
/* Gives every contract of form PIXELS its weight in a panel layout that suits the target: a map before it packs the weight from
 * its logical order into a new TEMP value (panel for a forward contract, panel_t for a data gradient). In place; the arena of the
 * graph holds what is new. */
void rgc_assign_layouts(rgc_graph *graph, const rgc_target *target);
#endif
