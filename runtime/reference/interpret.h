/* interpret.h: a decomposed graph run slowly, plainly and in double: what every code generator must agree with. */
#ifndef RGC_REFERENCE_INTERPRET_H
#define RGC_REFERENCE_INTERPRET_H
#include <string.h>

#include "compiler/graph/kernel.h"

typedef struct rgc_interpreter {
  const rgc_graph *graph;
  double **data;          /* one array a value id: its elements, row-major NHWC whatever its layout */
  const bool *samples;    /* one flag a value id: axis N counts samples (decompose_samples.h) */
  double scalars[RGC_SCALAR_COUNT];
  uint64_t seed;          /* of the run, and the step from 0: for random numbers (philox.h) */
  uint32_t step;
  bool exact;             /* nothing is rounded to bf16: neither nodes nor what is stored */
} rgc_interpreter;

/* An interpreter of `graph` with all values zero, in `arena`, and n_valid the whole batch. The caller fills data[] of every
 * value that no op defines. A value that updates another has an array of its own. */
rgc_interpreter *rgc_interpreter_create(const rgc_graph *graph, rgc_arena *arena);
/* Sets the scalars n_valid and inv_n. */
void rgc_interpreter_set_valid(rgc_interpreter *interpreter, int64_t n_valid);
/* A number of bf16 from its bits: the upper half of a float. */
static inline double rgc_bf16_number(uint16_t bits) {
  uint32_t wide = (uint32_t)bits << 16;
  float number;
  memcpy(&number, &wide, sizeof number);
  return (double)number;
}
/* And back: the nearest, ties to even; no number stays none. */
static inline uint16_t rgc_bf16_bits(float number) {
  uint32_t wide;
  memcpy(&wide, &number, sizeof wide);
  if (number != number) return 0x7fff;
  return (uint16_t)((wide + 0x7fff + (wide >> 16 & 1)) >> 16);
}
/* The next point in row-major order; false after the last. */
bool rgc_next_point(int64_t point[RGC_AXES], const int64_t extent[RGC_AXES]);
/* Runs one kernel, or all ops. Samples past n_valid keep what data[] held. Aborts on an op that is no kernel. */
void rgc_interpret_kernel(const rgc_interpreter *interpreter, const rgc_kernel *kernel);
void rgc_interpret(const rgc_interpreter *interpreter);
#endif
