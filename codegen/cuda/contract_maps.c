/* contract_maps.c: see contract_maps.h. Where pixels and taps meet A is said once, by the templates' own contract.cuh. */
#include "codegen/cuda/contract_maps.h"

#include <stdlib.h>
#include <string.h>

#define DEV static inline
static inline int int_max(int a, int b) { return a > b ? a : b; }
static inline int int_ceil_div(int a, int b) { return (a + b - 1) / b; }
#include "codegen/cuda/templates/contract.cuh"

enum { MAX_STRIDE = 8, MAX_CORNER = 127, MAX_OFFSET = 255, ROW_ELEMS = 8, STEP_C = 64 };

static int64_t common_divisor(int64_t a, int64_t b) { return b ? common_divisor(b, a % b) : a; }

int64_t rgc_cuda_tap_step(const rgc_geometry *g) { return g->transposed ? g->stride / common_divisor(g->stride, g->dilation) : 1; }

/* One axis of A (1: w, 2: h in the map's order) for a residue of the pixels of space `out`. False: beyond what a map can say. */
static bool set_axis(const rgc_geometry *g, const int64_t *out, int residue, int axis, rgc_tensor_map *map) {
  const int graph_axis = axis == 1 ? RGC_W : RGC_H, taps = (int)(axis == 1 ? g->kernel_w : g->kernel_h);
  const int tap_step = (int)rgc_cuda_tap_step(g);
  contract_axis reach = contract_reach(residue, 0, (int)out[graph_axis], taps, (int)g->stride, (int)g->pad, (int)g->dilation, tap_step, g->transposed);
  int step = g->transposed ? -(tap_step * (int)g->dilation / (int)g->stride) : (int)g->dilation, stride = g->transposed ? 1 : (int)g->stride;
  if (!reach.count || !reach.points) return true; /* never loaded */
  int span = (reach.count - 1) * step, first = reach.origin + (span < 0 ? span : 0), last = first + (reach.points - 1) * stride;
  map->lower[axis - 1] = first;
  map->upper[axis - 1] = last - ((int)map->size[axis] - 1);
  return abs(first) <= MAX_CORNER && abs(map->upper[axis - 1]) <= MAX_CORNER && abs(span) <= MAX_OFFSET && stride <= MAX_STRIDE;
}

/* `pixels` of A, as those of space `out` meet it. */
static bool set_pixels(const rgc_kernel *kernel, const int64_t *out, int residue, int pixels, rgc_tensor_map *map) {
  const int64_t *a = kernel->a_extent;
  const rgc_geometry *g = &kernel->geometry;
  int step = g->transposed ? (int)g->stride : 1;
  *map = (rgc_tensor_map){.rank = RGC_TENSOR_MAP_IM2COL, .size = {a[RGC_C], a[RGC_W], a[RGC_H], a[RGC_N]}, .pixels = pixels,
                          .stride = g->transposed ? 1 : (int)g->stride};
  return set_axis(g, out, residue % step, 1, map) && set_axis(g, out, residue / step, 2, map);
}

static bool is_matrix(const rgc_geometry *g) { return g->kernel_h == 1 && g->kernel_w == 1 && g->stride == 1 && g->pad == 0; }

/* A space as rows of a matrix, one for each pixel. */
static rgc_tensor_map matrix_map(const int64_t *space, int pixels) {
  return (rgc_tensor_map){.rank = 2, .size = {space[RGC_C], space[RGC_N] * space[RGC_H] * space[RGC_W]}, .box = {RGC_TENSOR_BOX_ELEMS, pixels}};
}

/* The maps of a stream by residue; how many there must be. 0: it cannot be said. */
static int set_streams(const rgc_kernel *kernel, const rgc_contract_maps *maps, rgc_tensor_map *by_residue) {
  int step = kernel->geometry.transposed ? (int)kernel->geometry.stride : 1, sets = 1;
  if (maps->tiled) {
    by_residue[0] = matrix_map(kernel->a_extent, maps->block_m);
    return 1;
  }
  for (int i = 0; i < step * step; i++) {
    if (!set_pixels(kernel, kernel->extent, i, maps->block_m, &by_residue[i])) return 0;
    if (memcmp(&by_residue[i], &by_residue[0], sizeof *by_residue)) sets = step * step;
  }
  return sets;
}

static rgc_tensor_map weight_map(const rgc_kernel *kernel, const rgc_contract_maps *maps) {
  const rgc_geometry *g = &kernel->geometry;
  int64_t taps = g->kernel_h * g->kernel_w, a_c = kernel->a_extent[RGC_C], out_c = kernel->extent[RGC_C];
  rgc_tensor_map map = {.input = maps->weight_input, .rank = 3, .size = {a_c / g->groups, taps, out_c}, .box = {RGC_TENSOR_BOX_ELEMS, 1, maps->block_n}};
  if (!g->transposed) return map;
  return (rgc_tensor_map){.input = maps->weight_input, .rank = 3, .size = {out_c / g->groups, taps, a_c}, .box = {RGC_TENSOR_BOX_ELEMS, 1, STEP_C}};
}

bool rgc_cuda_contract_maps(const rgc_kernel *kernel, rgc_contract_maps *maps, rgc_arena *arena) {
  const rgc_geometry *g = &kernel->geometry;
  int64_t group_a = kernel->a_extent[RGC_C] / g->groups, group_out = kernel->extent[RGC_C] / g->groups;
  if (group_a % ROW_ELEMS || (g->transposed && group_out % ROW_ELEMS) || (g->groups > 1 && group_a % STEP_C) || g->stride > MAX_STRIDE) return false;
  rgc_tensor_map by_residue[MAX_STRIDE * MAX_STRIDE];
  maps->tiled = is_matrix(g);
  maps->sets = set_streams(kernel, maps, by_residue);
  if (!maps->sets) return false;
  maps->count = maps->sets * maps->streams + 1;
  maps->items = RGC_NEW_ARRAY(arena, rgc_tensor_map, maps->count);
  for (int i = 0; i < maps->count - 1; i++) {
    maps->items[i] = by_residue[i / maps->streams];
    maps->items[i].input = maps->inputs[i % maps->streams];
  }
  maps->items[maps->count - 1] = weight_map(kernel, maps);
  return true;
}

bool rgc_cuda_weights_maps(const rgc_kernel *kernel, rgc_weights_maps *maps, rgc_arena *arena) {
  const rgc_geometry *g = &kernel->geometry;
  rgc_tensor_map a = matrix_map(kernel->a_extent, maps->pixels), b = matrix_map(kernel->b_extent, maps->pixels);
  if (kernel->a_extent[RGC_C] / g->groups % ROW_ELEMS || kernel->b_extent[RGC_C] / g->groups % ROW_ELEMS) return false;
  maps->tiled = is_matrix(g);
  if (!maps->tiled && !set_pixels(kernel, kernel->b_extent, 0, maps->pixels, &a)) return false;
  maps->count = maps->a_streams + maps->b_streams;
  maps->items = RGC_NEW_ARRAY(arena, rgc_tensor_map, maps->count);
  for (int i = 0; i < maps->count; i++) {
    maps->items[i] = i < maps->a_streams ? a : b;
    maps->items[i].input = i < maps->a_streams ? maps->a_inputs[i] : maps->b_inputs[i - maps->a_streams];
  }
  return true;
}
