/* tile.h: how kernels are cut into the pieces that threads share. */
#ifndef RGC_PASSES_TILE_H
#define RGC_PASSES_TILE_H
#include "compiler/graph/kernel.h"
#include "compiler/passes/target.h"

/* Chooses tile_rows or tile_images of every contract of form PIXELS and of every kernel that stores partials; gives each partial its
 * [tiles, planes, 1, C] and each kernel that merges partials the same N. Shapes and the target's numbers decide, so sums come out
 * in one order whatever the machine. In place. */
void rgc_choose_tiles(rgc_graph *graph, const rgc_target *target);
/* Whether a contract is computed by Winograd's F(4x4,3x3): its tiles are then cut into patches of 4x4 pixels. */
bool rgc_takes_winograd(const rgc_kernel *kernel, const rgc_target *target);
#endif
