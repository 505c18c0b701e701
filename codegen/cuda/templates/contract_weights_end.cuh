/* contract_weights_end.cuh: undefines what contract_weights_place.cuh defined, and the output gradient's space. */
#undef GROUP_OUT
#undef ALL_J
#undef TAP_COLUMNS
#undef BLOCKS_J
#undef BLOCKS_O
#undef PART_PIXELS
#undef B_N
#undef B_H
#undef B_W
#undef B_C
#undef B_SAMPLES
