/* plan.h: a compiled network as one file (docs/PLAN_FORMAT.md): its source, its graph, its programs and, once there are any, its weights.
 *
 * The file is a valid safetensors file; everything but the weights is text in its metadata. A plan may come from a stranger: what
 * rgc_plan_parse returns has passed rgc_plan_verify, so every graph, every place and every tensor in it may be trusted to fit
 * together. A plan carries no native code. */
#ifndef RGC_PLAN_PLAN_H
#define RGC_PLAN_PLAN_H
#include "compiler/passes/memory.h"
#include "compiler/plan/safetensors.h"
#include "compiler/program.h"

#define RGC_PLAN_VERSION "1"
enum { RGC_PLAN_MAX_PROGRAMS = 256, RGC_PLAN_MAX_NAME = 64 };

typedef struct rgc_program {
  rgc_program_kind kind;
  const char *target;    /* "cpu-avx512"; [A-Za-z0-9._-]+, at most RGC_PLAN_MAX_NAME */
  const char *precision; /* "fp32"; likewise */
  int64_t batch;         /* samples of a step */
  int64_t parts;         /* TRAIN: micro-batches that a step is taken in, of rgc_micro_batch samples; else 1. The graph is of one */
  rgc_graph *graph;      /* kernels only */
  rgc_memory_plan *memory;
  const char *ledger; /* what fusion decided, lines; "" if none was kept */
} rgc_program;

struct rgc_network; /* lang.h */

typedef struct rgc_plan {
  rgc_arena *arena;
  struct rgc_network *network;   /* what programs it lacks are compiled from; NULL: the source was not read yet */
  const char *path;              /* where it was read, for messages; NULL: it was made */
  const char *source, *line_map; /* rgc_network_source */
  rgc_graph *unfused;            /* composite ops; its parameters and buffers are what tensors may hold */
  rgc_program *programs;
  int program_count, program_capacity;
  rgc_tensor *tensors; /* none, or every parameter and buffer, float32 under torchvision's names, in PyTorch's shapes */
  int tensor_count, tensor_capacity;
} rgc_plan;

/* Reads a plan and verifies it. On any fault errors are added, of which at least one names the file, and NULL is returned. */
rgc_plan *rgc_plan_read(rgc_arena *arena, const char *path, rgc_diagnostics *diags);
/* The same from memory; `bytes` must outlive the plan, whose tensors point into it. `name` is for messages. */
rgc_plan *rgc_plan_parse(rgc_arena *arena, const void *bytes, size_t size_bytes, const char *name, rgc_diagnostics *diags);
/* Verifies the plan and writes it, atomically: if anything fails, a full disk too, nothing half-written is left and an earlier file of
 * that name is untouched. */
bool rgc_plan_write(const rgc_plan *plan, const char *path, rgc_diagnostics *diags);
/* Whether source, graph, programs, memory plans and tensors are right each, and fit together. `name` is for messages. */
bool rgc_plan_verify(const rgc_plan *plan, const char *name, rgc_diagnostics *diags);
/* The program of these four, NULL if there is none: whoever asks may compile it from the source. */
const rgc_program *rgc_plan_program(const rgc_plan *plan, rgc_program_kind kind, const char *target, const char *precision, int64_t batch);
/* Shape in PyTorch's files of a parameter or buffer: [O,I,KH,KW], [O,I,K], [O,I] or [C]. Returns the rank, torch_rank; 0: it has none. */
int rgc_torch_shape(const rgc_value *value, int64_t shape[RGC_TENSOR_MAX_RANK]);
#endif
