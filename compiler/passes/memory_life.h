/* memory_life.h: from which op to which a value needs its place; the facts that planning and checking share.
 *
 * Time is the op's index. An op's operands and outputs are all alive while it runs, since a kernel reads neighbours of the
 * point it writes. The one exception is the take-over: rgc_may_take_over is the only place that knows its rule. */
#ifndef RGC_PASSES_MEMORY_LIFE_H
#define RGC_PASSES_MEMORY_LIFE_H
#include "compiler/passes/memory.h"

typedef struct rgc_lifetime {
  rgc_region region;
  int first, last;    /* ops, both included; first > last: it never lives. Whole program for PARAM and STATE */
  int owner;          /* the value whose place it has: its own id, or the end of the chain of `updates` */
  int64_t size_bytes; /* of the place; -1: does not fit */
} rgc_lifetime;

/* One a value id. An input or label lives from op 0 to its last reader (op 0 if there is none), a TEMP from the op that
 * computes it to its last reader, an OUTPUT to the last op. */
rgc_lifetime *rgc_lifetimes(const rgc_graph *graph, rgc_arena *arena);
/* Whether `output` may have the place of `operand` although both are alive at the op that computes it: a map kernel whose
 * only store of elements it is, reading the operand (a TEMP that dies here) at the very point it writes. A kernel loads all
 * operands of a point before it stores there. */
bool rgc_may_take_over(const rgc_graph *graph, const rgc_lifetime *lives, int output, int operand);
/* Whether the op of `value` may overwrite the value it updates while it runs: it reads that one at the very point it writes, if
 * at all. */
bool rgc_may_update(const rgc_graph *graph, int value);
/* The first operand that `output` may take over, or -1. Whichever it is, the peak is the same: they have one size. */
int rgc_taken_over(const rgc_graph *graph, const rgc_lifetime *lives, int output);
/* The peak over all ops; each output takes over an operand where it may. */
rgc_memory_peak rgc_memory_peak_of(const rgc_graph *graph, const rgc_lifetime *lives);
#endif
