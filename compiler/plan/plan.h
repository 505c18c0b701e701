/* plan.h: a compiled network: its source, its graph, its programs and, once there are any, its weights. A plan carries no native code. plan_file.h
 * reads and writes it. */
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

/* Whether source, graph, programs, memory plans and tensors are right each, and fit together. `name` is for messages. */
bool rgc_plan_verify(const rgc_plan *plan, const char *name, rgc_diagnostics *diags);
/* The program of these four, NULL if there is none: whoever asks may compile it from the source. */
const rgc_program *rgc_plan_program(const rgc_plan *plan, rgc_program_kind kind, const char *target, const char *precision, int64_t batch);
/* Shape in PyTorch's files of a parameter or buffer: [O,I,KH,KW], [O,I,K], [O,I] or [C]. Returns the rank, torch_rank; 0: it has none. */
int rgc_torch_shape(const rgc_value *value, int64_t shape[RGC_TENSOR_MAX_RANK]);
#endif
