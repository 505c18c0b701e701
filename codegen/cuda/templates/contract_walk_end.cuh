/* contract_walk_end.cuh: see contract_walk.cuh. */
#undef SUMS_ROW
#undef COLUMN_THREADS_OUT
#undef MERGE_ROWS
#undef OWN_COLUMN_OUT
#undef GROUP_OUT
#undef COLUMN_BLOCKS
