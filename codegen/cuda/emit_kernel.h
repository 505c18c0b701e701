/* emit_kernel.h: what the files of codegen/cuda share: one kernel being printed.
 *
 * In the text the kernel's own name is written @, and becomes its name when the text is complete (codegen/function.c). */
#ifndef RGC_CODEGEN_CUDA_EMIT_KERNEL_H
#define RGC_CODEGEN_CUDA_EMIT_KERNEL_H
#include "codegen/cuda/emit.h"
#include "codegen/cuda/templates/kernel_args.cuh"
#include "codegen/expr.h"

enum { CUDA_BLOCK_THREADS = 256 };

typedef struct rgc_cuda_text {
  const rgc_graph *graph;
  const rgc_op *op;
  const rgc_cuda_target *target;
  const bool *samples; /* by value: axis N counts samples (compiler/passes/decompose_samples.h) */
  rgc_arena *arena;
  rgc_cuda_code *code;
  rgc_text text;       /* of the launch that is being printed */
} rgc_cuda_text;

/* Each prints the launches of an op; false where the templates cannot do it. */
bool rgc_cuda_emit_map(rgc_cuda_text *k);
bool rgc_cuda_emit_side(rgc_cuda_text *k); /* what a kernel stores of stage a */
bool rgc_cuda_emit_reduce(rgc_cuda_text *k);
bool rgc_cuda_emit_window(rgc_cuda_text *k);
bool rgc_cuda_emit_pixels(rgc_cuda_text *k);
bool rgc_cuda_emit_weights(rgc_cuda_text *k);

/* How a library can run the op; NULL: not at all. */
const rgc_cuda_call *rgc_cuda_emit_call(rgc_cuda_text *k);
/* A step's own, which become functions of the code. */
rgc_cuda_launch rgc_cuda_emit_guard(rgc_cuda_code *code, rgc_arena *arena);
rgc_cuda_launch rgc_cuda_emit_step_pixels(rgc_cuda_code *code, const rgc_value *input, rgc_arena *arena);

/* The space with points n, h, w, c and extents PREFIX_N .. PREFIX_C. prefix: "OUT", "A" or "B". */
rgc_print_space rgc_cuda_space(const int64_t extent[RGC_AXES], const char *prefix, rgc_arena *arena);
/* The same for rows of `row` channels from c on (codegen/expr.h). */
rgc_print_space rgc_cuda_rows(rgc_print_space space, int row);
/* The include every kernel begins with. */
void rgc_cuda_emit_head(rgc_cuda_text *k);
/* `#define NAME number`. */
void rgc_cuda_define(rgc_cuda_text *k, const char *name, int64_t number);
/* OUT_N .. OUT_C and OUT_SAMPLES, or those of A. */
void rgc_cuda_define_space(rgc_cuda_text *k, const char *prefix, const int64_t extent[RGC_AXES], bool samples);
/* The geometry's constants. */
void rgc_cuda_define_geometry(rgc_cuda_text *k);
/* TILE_ROWS and TILE_IMAGES: the kernel's, or one tile of all where it has none. */
void rgc_cuda_define_tiles(rgc_cuda_text *k, int64_t rows, int64_t images);
/* The epilogue as a function @_body of a point; acc: it reads accumulators. And `#define KERNEL_NAME`, `KERNEL_BODY`. */
void rgc_cuda_emit_body(rgc_cuda_text *k, const rgc_print_space *space, bool acc);
/* The side stores of stage a as such a function. */
void rgc_cuda_emit_side_body(rgc_cuda_text *k, const rgc_print_space *space);
/* KERNEL_PARTIALS and what goes with it. Returns how many, or -1: too many. */
int rgc_cuda_emit_partials(rgc_cuda_text *k);
/* {COMBINE_SUM, ..} of all accumulators. */
void rgc_cuda_emit_combines(rgc_cuda_text *k);
/* A's roots as a function @_NAME of `row` channels that fills an array, `row` numbers a root. */
void rgc_cuda_emit_roots(rgc_cuda_text *k, const char *name, int row);
/* Numbers [number * row, ..) of `array` are the node's. */
void rgc_cuda_give(rgc_cuda_text *k, const char *array, int number, int node, int row);
/* One root of a body as a function @_NAME of a point that returns it. */
void rgc_cuda_emit_root(rgc_cuda_text *k, const char *name, const rgc_body *body, int root, const rgc_print_space *space);
/* The same of a row of space->row channels, which it fills; without the last rounding to bf16. */
void rgc_cuda_emit_root_rows(rgc_cuda_text *k, const char *name, const rgc_body *body, int root, const rgc_print_space *space);
/* The same of rows, of one channel or more, of which some are given: stream s of the operands (rgc_body_text) from raw[s * space->row] on. */
void rgc_cuda_emit_root_streams(rgc_cuda_text *k, const char *name, const rgc_body *body, int root, const int *streams, const rgc_print_space *space);
/* Includes the template, and makes the text a launch. */
void rgc_cuda_launch_template(rgc_cuda_text *k, const char *name, int64_t blocks, int threads, int64_t shared_bytes);
/* The smallest power of two that is at least `number`, at most `most`. */
int rgc_cuda_power_of_two(int64_t number, int most);
#endif
