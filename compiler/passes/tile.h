/* tile.h: how kernels are cut into the pieces that threads share. */
#ifndef RGC_PASSES_TILE_H
#define RGC_PASSES_TILE_H
#include "compiler/graph/kernel.h"
#include "compiler/passes/target.h"

/* Chooses tile_rows or tile_images of every contract of form PIXELS and of every kernel that stores partials; gives each partial its
 * [tiles, planes, 1, C] and each kernel that merges partials the same N. Shapes and the target's numbers decide, so sums come out
 * in one order whatever the machine. In place. */
void rgc_choose_tiles(rgc_graph *graph, const rgc_target *target);
/* Whether a contract, or a weight gradient, is computed by Winograd's F(4x4,3x3): its pixels are then cut into patches of 4x4. */
bool rgc_takes_winograd(const rgc_kernel *kernel, const rgc_target *target);
/* Whether a contract of form PIXELS can read A where it lies, without a copy for each tile: 1x1, no padding, a plain tensor. */
bool rgc_takes_a_directly(const rgc_graph *graph, const rgc_kernel *kernel);
/* Into how many tiles codegen cuts each tile of a contract of form PIXELS, by panels of output channels: each of them loads the tile's part
 * of A. So where tiles are fewer than threads want; never so many that copying A costs more than the panels do. panels: of
 * the whole contract; taps: of a panel. */
int64_t rgc_panel_cuts(const rgc_kernel *kernel, const rgc_target *target, int64_t panels, int64_t taps);
/* How often a contract of form PIXELS loads a point of A, on average: tiles read rows of their neighbours, and may be cut by panels. */
double rgc_loads_of_a(const rgc_kernel *kernel, const rgc_target *target);
#endif
