/* decompose_samples.h: which values count samples along N.
 *
 * Kernels skip samples past n_valid (kernel.h), but axis N of a weight, a tile or an optimizer update is no sample. What is
 * follows from the data: inputs and labels count samples, and so does what is computed from such a value point by point
 * along N. Code generators and the interpreter take the answer from here, so that they agree. */
#ifndef RGC_PASSES_DECOMPOSE_SAMPLES_H
#define RGC_PASSES_DECOMPOSE_SAMPLES_H
#include "compiler/graph/kernel.h"

/* One flag a value of a decomposed graph: its axis N counts samples. */
bool *rgc_sample_values(const rgc_graph *graph, rgc_arena *arena);
/* The same of a kernel's spaces, given the flags. The B space of form WEIGHTS goes with its A space. */
bool rgc_kernel_samples_in(const rgc_kernel *kernel, const bool *sample_values);  /* A space */
bool rgc_kernel_samples_out(const rgc_kernel *kernel, const bool *sample_values); /* output space */
#endif
