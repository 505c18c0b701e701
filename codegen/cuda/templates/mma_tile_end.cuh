/* mma_tile_end.cuh: see mma_tile.cuh. */
#undef WARP_M
#undef WARP_N
#undef WARPS_N
#undef TILES_M
#undef TILES_N
#undef MMA_PRODUCTS
