/* cuda_program.h: device cuda (device.h): a program's kernels on a GPU, by the driver API.
 *
 * Kernels are cubins of NVRTC, a module each, launched as the emitter says; some ops are products that cuBLAS computes instead (cuda_product.h). A whole run is captured once as a CUDA graph and launched as one
 * from then on: nothing that changes from step to step is an argument, it lies in device memory at `step`. Under RGC_CUDA_GRAPH=0 kernels
 * are launched one by one; under RGC_CUDA_SYNC=1 each is waited for as well, so that an error names its kernel. */
#ifndef RGC_DEVICE_CUDA_PROGRAM_H
#define RGC_DEVICE_CUDA_PROGRAM_H
#include "codegen/cuda/emit.h"
#include "codegen/cuda/templates/kernel_args.cuh"
#include "runtime/device/cuda_card.h"

enum { CUDA_MAX_INPUTS = 16 };

/* An input in a slot. */
typedef struct rgc_cuda_part {
  int value;
  int64_t offset_bytes, size_bytes; /* of its data */
  int64_t table_bytes;              /* offset of mean and stddev, if they are u8; else -1 */
} rgc_cuda_part;

/* A batch on its way: pinned | a kernel_step with `valid` | data | data | ..., and the same on the card. */
typedef struct rgc_cuda_slot {
  char *pinned;
  CUdeviceptr device;
  int64_t room_bytes;
  CUevent copied; /* on `copy`: the card has it, and the pinned memory may change */
  CUevent used;   /* on `compute`: the inputs have it, and the card's copy may change */
  rgc_cuda_part parts[CUDA_MAX_INPUTS];
  int part_count;
} rgc_cuda_slot;

typedef struct rgc_cuda_product rgc_cuda_product;

typedef struct rgc_cuda_program {
  rgc_arena *arena;
  const rgc_cuda_target *target;
  rgc_cuda_card *card;
  const rgc_graph *graph;
  rgc_cuda_code *code;
  int compiled;
  double compile_seconds;
  CUmodule *modules;     /* [function_count]: of the first function of a cubin; else NULL */
  CUfunction *functions; /* [function_count] */
  CUdeviceptr *data;     /* [value_count] */
  kernel_args *args;     /* [op_count] */
  void **launch_args;    /* [launch_count]: cuda_args.h */
  rgc_cuda_product **products; /* [op_count]: cuda_product.h; NULL: there are none */
  CUdeviceptr workspace, step;
  kernel_step *step_pinned[2]; /* taken in turn */
  CUevent step_copied[2];
  int step_turn;
  CUgraphExec graphs[2][2]; /* all ops, by: the guard is behind the loss; all samples count. NULL: not captured yet */
  bool started[2];          /* by whether all samples counted: all ops ran so, one by one. What cuBLAS loads at a first call may not be loaded in a capture */
  bool one_by_one, wait_each;
  rgc_cuda_slot slots[RGC_DEVICE_SLOTS];
} rgc_cuda_program;

void *rgc_cuda_program_create(const rgc_device_memory *memory, const rgc_graph *graph, const rgc_target *target, void *const *data, int threads,
                              rgc_diagnostics *diags);
void rgc_cuda_program_destroy(void *program);
bool rgc_cuda_program_run_ops(void *program, const rgc_cpu_step *step, int first, int count, rgc_diagnostics *diags);
bool rgc_cuda_program_run_step(void *program, const rgc_cpu_step *step, int loss, rgc_diagnostics *diags);
bool rgc_cuda_program_profile(void *program, const rgc_cpu_step *step, double *seconds, rgc_diagnostics *diags);
bool rgc_cuda_program_tell_extra(void *card, const rgc_graph *graph, const rgc_target *target, int64_t *bytes, rgc_diagnostics *diags);
void rgc_cuda_program_tell(const void *program, rgc_device_facts *facts);

const char *rgc_cuda_program_tell_library(const void *program, int op);

/* What a run begins with: the card is entered, and has the step's numbers. */
bool rgc_cuda_program_begin(rgc_cuda_program *program, const rgc_cpu_step *step, rgc_diagnostics *diags);
/* Captured runs are captured anew, for other algorithms were chosen. */
void rgc_cuda_program_forget_graphs(rgc_cuda_program *program);
/* One launch, on `compute`. */
bool rgc_cuda_program_launch(rgc_cuda_program *program, const rgc_cuda_launch *launch, void *args, rgc_diagnostics *diags);
/* Under RGC_CUDA_SYNC=1 waits for what was asked for last; `of` says what it was. */
bool rgc_cuda_program_wait_each(rgc_cuda_program *program, const char *of, rgc_diagnostics *diags);
/* The op's own launches, whatever a library could do. */
bool rgc_cuda_program_launch_own(rgc_cuda_program *program, int op, rgc_diagnostics *diags);
/* "layer1.0.conv1 conv, backward (line 12)". */
const char *rgc_cuda_name_op(const rgc_cuda_program *program, int op, rgc_arena *arena);

/* cuda_batch.c: batches that are copied while kernels run. */
int64_t rgc_cuda_slot_bytes(const rgc_graph *graph); /* the most that a slot takes */
bool rgc_cuda_slot_open(rgc_cuda_program *program, rgc_cuda_slot *slot, rgc_diagnostics *diags);
void rgc_cuda_slot_close(const rgc_cuda_program *program, rgc_cuda_slot *slot);
bool rgc_cuda_program_stage(void *program, int slot, const rgc_device_input *inputs, int count, rgc_diagnostics *diags);
bool rgc_cuda_program_load(void *program, int slot, rgc_diagnostics *diags);

extern const rgc_card_functions rgc_cuda_card_functions;
#endif
