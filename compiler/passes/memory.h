/* memory.h: where every value of a graph of kernels lies, fixed at compile time.
 *
 * In: a graph that passes rgc_graph_verify, whose op order is the schedule. Out: a place for each value, in one of three
 * regions, and the least that any placement could do (the most bytes alive at once), to hold the plan against.
 * Always: the same graph gives the same plan; sizes and offsets are multiples of RGC_ALIGN_BYTES; every region ends with
 * RGC_SPARE_BYTES that belong to no value; two values whose lifetimes meet share no byte, but for
 *   - a value that updates another, which has its place (graph.h), and
 *   - the output of a map that takes over the place of an operand which dies there (memory_life.h says when).
 * The plan is a function of the graph alone, so it can be checked, by rgc_memory_verify, when it comes from a file. */
#ifndef RGC_PASSES_MEMORY_H
#define RGC_PASSES_MEMORY_H
#include "compiler/graph/kernel.h"

enum { RGC_ALIGN_BYTES = 64, RGC_SPARE_BYTES = 64 };

typedef enum rgc_region {
  RGC_REGION_PARAM, /* parameters and buffers, in the order of their names: programs with the same ones agree */
  RGC_REGION_STATE, /* optimizer state and copies of parameters, in the order of names */
  RGC_REGION_FOLDED, /* what program `fold` leaves to program `infer`, in the order of names */
  RGC_REGION_ACT,   /* input, label, temps and outputs of one program */
  RGC_REGION_COUNT
} rgc_region;

typedef struct rgc_place {
  rgc_region region;
  int64_t offset_bytes; /* from the start of the region */
  int64_t size_bytes;   /* rgc_value_storage_bytes, rounded up; 0 (at offset 0) for a TEMP that no op computes */
} rgc_place;

/* What the bytes alive at the peak are, by the first line that holds. Words: input packed partial saved gradient other. */
typedef enum rgc_part {
  RGC_PART_INPUT,    /* input and label */
  RGC_PART_PACKED,   /* weights in panel layout */
  RGC_PART_PARTIAL,  /* a kernel's sums, maxima or moments, one a tile */
  RGC_PART_SAVED,    /* computed by a forward op (or recomputed), read by a backward op */
  RGC_PART_GRADIENT, /* computed by a backward op */
  RGC_PART_OTHER,    /* the rest: what only the forward pass needs, and outputs */
  RGC_PART_COUNT
} rgc_part;

/* The peak of a schedule, whatever the placement. */
typedef struct rgc_memory_peak {
  int op;                            /* the first op with the most ACT bytes alive; -1: there are no ops */
  int64_t bytes;                     /* the sizes of the places alive there; an operand taken over counts once */
  int64_t part_bytes[RGC_PART_COUNT]; /* the same bytes by kind; their sum is `bytes` */
} rgc_memory_peak;

typedef struct rgc_memory_plan {
  rgc_place *places; /* [place_count], by value id */
  int place_count;   /* the graph's value_count */
  int64_t region_bytes[RGC_REGION_COUNT]; /* spare bytes included */
  rgc_memory_peak peak;                   /* peak.bytes is the lower bound of region_bytes[ACT] - RGC_SPARE_BYTES */
} rgc_memory_plan;

/* Bytes that the elements take: 4 an element, 1 for u8; a panel (kernel.h) with its padding. -1: 2^56 or more, or a shape or
 * layout that makes no sense. */
int64_t rgc_value_storage_bytes(const rgc_value *value);
/* Places every value. NULL when the sizes do not fit (rgc_value_storage_bytes -1, or 2^60 together). */
rgc_memory_plan *rgc_plan_memory(const rgc_graph *graph, rgc_arena *arena);
/* Whether `plan` is one for `graph`, which passes rgc_graph_verify: every field is looked at, nothing is trusted. Errors are
 * PLAN_INVALID. */
bool rgc_memory_verify(const rgc_graph *graph, const rgc_memory_plan *plan, rgc_diagnostics *diags);
const char *rgc_part_word(rgc_part part);
#endif
