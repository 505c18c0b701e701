/* contract_walk_end.cuh: see contract_walk.cuh. */
#undef SUMS_ROW
#undef MERGE_ROWS
#undef GROUP_OUT
#undef COLUMN_BLOCKS
