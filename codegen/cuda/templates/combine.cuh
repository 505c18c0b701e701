/* combine.cuh: how the accumulators of a reduction or a window take a term. */
#ifndef RGC_CUDA_COMBINE_CUH
#define RGC_CUDA_COMBINE_CUH
enum { COMBINE_SUM, COMBINE_MAX, COMBINE_ARGMAX, COMBINE_MERGE }; /* the order of rgc_combine */
#endif
