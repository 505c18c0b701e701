/* contract_names_end.cuh: see contract_names.cuh. */
#undef GROUP_A
#undef OUT_STEP
#undef A_STEP
#undef A_TAP_STEP
#undef THREADS
#undef TAP_STEP
#include "codegen/cuda/templates/names_end.cuh"
