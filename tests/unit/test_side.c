/* test_side.c: side stores: who may store what a prologue made, what decides about it, and what the ledger says. The graphs are those of
 * the golden pairs of pass `side`. */
#include <criterion/criterion.h>
#include <string.h>

#include "codegen/cpu/templates/contract_args.h"
#include "compiler/graph/kernel.h"
#include "compiler/passes/fuse.h"
#include "compiler/passes/tile.h"
#include "tests/unit/golden_pass.h"

static rgc_graph *graph_of(rgc_arena *arena, const char *name, rgc_diagnostics *diags) {
  const char *path = rgc_arena_printf(arena, "tests/golden/passes/side/%s.ir", name);
  rgc_diagnostics_init(diags, arena);
  rgc_graph *graph = rgc_graph_parse(arena, golden_read(arena, path), path, diags);
  cr_assert(graph && rgc_graph_verify(graph, diags), "%s", path);
  return graph;
}

static void check_ledger(const char *name, const rgc_target *target, const char *wanted) {
  rgc_arena *arena = rgc_arena_create();
  rgc_diagnostics diags;
  rgc_graph *graph = graph_of(arena, name, &diags);
  rgc_text ledger = {0};
  rgc_fuse_side_stores(graph, target, &ledger);
  cr_expect(rgc_graph_verify(graph, &diags));
  cr_expect_str_eq(rgc_text_chars(&ledger), wanted);
  rgc_text_free(&ledger);
  rgc_arena_destroy(arena);
}

Test(side, what_is_taken) {
  check_ledger("join.in", &golden_target,
               "join2 line 6: relu is stored by the loader of c, which loads a point 1 times: -0.00115 MB moved, +0 M operations\n"
               "join1 line 3: relu is stored by the loader of a, which loads a point 1.33 times: -0.000768 MB moved, +0.000192 M operations\n");
  check_ledger("stride.in", &golden_target,
               "dy line 4: relu is stored by the loader of dx, which loads a point 1.25 times: -0.000576 MB moved, +9.6e-05 M operations\n"
               "join line 3: relu is stored by the loader of a, which loads a point 1.14 times: -0.00134 MB moved, +0.000112 M operations\n");
}

Test(side, what_is_refused) {
  check_ledger("refused.in", &golden_target,
               "join6 line 6: relu stays a pass of its own: first it is read by q, which would read or write too many tensors\n"
               "join5 line 5: relu stays a pass of its own: first it is read by f, and what it is made of is overwritten by then\n"
               "join4 line 4: relu stays a pass of its own: first it is read by p, which is no contract over pixels\n"
               "join3 line 3: relu stays a pass of its own: the loader of d loads a point 2.67 times: +0.000768 MB moved, +0.00096 M operations\n"
               "join2 line 2: relu stays a pass of its own: first it is read by c, which does not load it point by point\n"
               "join1 line 1: relu stays a pass of its own: first it is read by a, whose tiles do not load all of it\n");
}

Test(side, a_target_whose_loaders_store_nothing) {
  rgc_target target = golden_target;
  target.side_stores = false;
  check_ledger("join.in", &target,
               "join2 line 6: relu stays a pass of its own: first it is read by c, and no loader of this target stores\n"
               "join1 line 3: relu stays a pass of its own: first it is read by a, and no loader of this target stores\n");
}

/* Operations that are repeated weigh as much as the bytes that could move meanwhile: on a machine of one operation for 8 bytes, more than is saved. */
Test(side, a_slow_target) {
  rgc_target target = golden_target;
  target.operations_per_byte = 0.125;
  check_ledger("join.in", &target,
               "join2 line 6: relu is stored by the loader of c, which loads a point 1 times: -0.00115 MB moved, +0 M operations\n"
               "join1 line 3: relu stays a pass of its own: the loader of a loads a point 1.33 times: -0.000768 MB moved, +0.000192 M operations\n");
}

/* 8 panels of 8 channels and one tile: for 8 threads it is cut, into so many that each has two panels. */
Test(side, loads_of_tiles_cut_by_panels) {
  rgc_target target = golden_target;
  rgc_kernel kernel = {.kind = RGC_CONTRACT, .form = RGC_PIXELS, .extent = {2, 7, 7, 64}, .a_extent = {2, 7, 7, 16}, .tile_images = 2,
                       .geometry = {.kernel_h = 1, .kernel_w = 1, .stride = 1, .dilation = 1, .groups = 1}};
  target.min_tiles = 8;
  cr_expect_eq(rgc_loads_of_a(&kernel, &target), 4);
  target.min_tiles = 1;
  cr_expect_eq(rgc_loads_of_a(&kernel, &target), 1);
}

/* The kernel's rule against what a tile of the templates loads: each row of A that a tile owns, and all columns. */
static bool check_owners(const rgc_geometry *g, int64_t in, int64_t tile_rows) {
  int64_t reach = (g->kernel_h - 1) * g->dilation + 1, small = (in + 2 * g->pad - reach) / g->stride + 1;
  if (in + 2 * g->pad < reach) return false;
  rgc_kernel kernel = {.kind = RGC_CONTRACT, .form = RGC_PIXELS, .geometry = *g};
  int64_t a = g->transposed ? small : in, out = g->transposed ? in : small, step = g->transposed ? g->stride : 1;
  kernel.extent[RGC_H] = kernel.extent[RGC_W] = out;
  kernel.a_extent[RGC_H] = kernel.a_extent[RGC_W] = a;
  if (!rgc_kernel_may_side_store(&kernel)) return false;
  contract_args args = {.a_h = a, .a_w = a, .a_c = 1, .out_h = out, .out_w = out, .out_c = 1, .groups = 1, .kernel_h = g->kernel_h, .kernel_w = g->kernel_w,
                        .stride = g->stride, .pad = g->pad, .dilation = g->dilation, .transposed = g->transposed, .tile_rows = tile_rows * step, .tile_images = 1};
  cr_assert_eq(contract_plan(&args), 0);
  cr_expect(args.slab_step == 1 && args.origin_w <= 0 && args.origin_w + args.slab_cols >= a);
  for (int64_t h = 0; h < out; h += args.tile_rows) {
    int64_t first = h / args.out_step * args.a_step, end = h + args.tile_rows < out ? (h + args.tile_rows) / args.out_step * args.a_step : a;
    int64_t base = first + args.origin_h;
    cr_expect(base <= first && base + args.slab_rows >= end, "rows %lld..%lld of %lld (kernel %lld, stride %lld, dilation %lld, pad %lld%s)",
              (long long)first, (long long)end, (long long)a, (long long)g->kernel_h, (long long)g->stride, (long long)g->dilation,
              (long long)g->pad, g->transposed ? ", transposed" : "");
  }
  return true;
}

Test(side, tiles_load_what_they_own) {
  int legal = 0, all = 0;
  for (int n = 0; n < 2 * 5 * 3 * 2 * 5 * 9 * 3; n++) {
    int k = n / 2;
    rgc_geometry g = {.transposed = n % 2, .groups = 1};
    g.kernel_h = g.kernel_w = 1 + k % 5, k /= 5;
    g.stride = g.stride_w = 1 + k % 3, k /= 3;
    g.dilation = 1 + k % 2, k /= 2;
    g.pad = g.pad_w = k % 5, k /= 5;
    legal += check_owners(&g, 1 + k % 9, 1 + k / 9);
    all++;
  }
  cr_expect(legal > all / 8, "%d of %d", legal, all);
}

Test(side, a_kernel_that_does_not_load_all_may_not) {
  rgc_arena *arena = rgc_arena_create();
  rgc_diagnostics diags;
  rgc_graph *graph = graph_of(arena, "join.out", &diags);
  rgc_kernel *last = graph->ops[graph->op_count - 1].kernel;
  cr_assert(rgc_kernel_has_side_stores(last));
  last->geometry.stride = 2;
  cr_expect_not(rgc_graph_verify(graph, &diags));
  rgc_text text = {0};
  rgc_diag_render(&diags, false, &text);
  cr_expect(strstr(rgc_text_chars(&text), "%join2 is a side store of a kernel whose tiles do not load all of A"), "%s", rgc_text_chars(&text));
  rgc_text_free(&text);
  rgc_arena_destroy(arena);
}
