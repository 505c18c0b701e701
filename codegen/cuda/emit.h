/* emit.h: the kernels of a graph as CUDA C.
 *
 * In: a graph whose ops are all kernels, every value in NHWC. Out: one function for each kernel that differs from those before it, and the
 * launches of each op, in order: one; one more before it where the kernel stores what its prologue makes, and behind it where the parts of a weight gradient are merged. A text holds its extents as constants, so
 * layers of one shape share it. It is C as well as CUDA (templates/prelude.cuh), so the emulator runs the same text. It holds no name that
 * came from a graph file but in its comment, and those are of [A-Za-z0-9._-]. */
#ifndef RGC_CODEGEN_CUDA_EMIT_H
#define RGC_CODEGEN_CUDA_EMIT_H
#include "codegen/cuda/targets.h"
#include "codegen/cuda/tensor_map.h"
#include "codegen/function.h"
#include "compiler/graph/kernel.h"
#include "compiler/passes/matmul.h"

typedef struct rgc_cuda_launch {
  int op;            /* whose work it is; -1: the step's */
  int function;      /* index into functions */
  int64_t blocks;    /* of the grid, which is one-dimensional; below 2^31 */
  int threads;       /* of a block */
  int64_t shared_bytes; /* dynamic shared memory of a block */
  const rgc_tensor_map *maps; /* [map_count]; NULL where there are none */
  int map_count;
} rgc_cuda_launch;

/* An op that a library can run instead of its launches, as one matrix product. What it multiplies is of one type: operands of a product of bf16 that
 * are float32 in memory are rounded into a workspace first. */
typedef struct rgc_cuda_call {
  rgc_matmul product;
  rgc_cuda_launch round[2];        /* of the product's left and right: operands[0] to outputs[0]. No blocks: it is what it should be */
  int64_t rounded_offset_bytes[2]; /* in that workspace */
} rgc_cuda_call;

/* A launch's one parameter is a kernel_args (templates/kernel_args.cuh): operands[i] and outputs[i] are the data of inputs and outputs i of
 * the launch's op. Where the launch has tensor maps, they stand behind it, from rgc_tensor_maps_offset on. */
typedef struct rgc_cuda_code {
  rgc_function *functions;
  int function_count, function_capacity;
  rgc_cuda_launch *launches; /* in the order of ops */
  int launch_count, launch_capacity;
  int *first_launch;         /* [op_count + 1]: op i has launches [first_launch[i], first_launch[i + 1]) */
  int64_t workspace_bytes;   /* the most any op needs */
  const rgc_cuda_call **calls; /* [op_count]; NULL: no library runs the op */
  int call_count;              /* of them */
  int64_t rounded_bytes;       /* the most that any call's rounded operands take */
  rgc_cuda_launch guard, pixels; /* of no op: a step is halted (step_guard.cuh), u8 images become the input (step_pixels.cuh); without blocks: the
                                  * graph has no value `loss` or `input` */
} rgc_cuda_code;

/* NULL with a diagnostic when a kernel is beyond what the templates can do. Everything lives in `arena`. */
rgc_cuda_code *rgc_cuda_emit(const rgc_graph *graph, const rgc_cuda_target *target, rgc_arena *arena, rgc_diagnostics *diags);
#endif
