/* standalone.h: an inference program as C sources that need nothing of rgc.
 *
 * In: a program of kind infer, for a CPU. Out: files (a header, the list of steps, a kernel a file, the templates that they include, a main, a
 * Makefile), and which values the weights file holds, in what order. Every name in the files is the network's, made an identifier; those of
 * kernels begin with it, so several networks fit one program. Pointers in the steps' arguments are constants: workspace + N, or
 * NAME_weights + N. Nothing of a graph file gets into the texts but identifiers, and layers' names in comments ([A-Za-z0-9._-]). */
#ifndef RGC_CODEGEN_STANDALONE_H
#define RGC_CODEGEN_STANDALONE_H
#include "codegen/cpu/emit.h"
#include "compiler/passes/memory.h"

typedef struct rgc_standalone_output {
  const char *name; /* of the graph file; "" where there is only one */
  int value;
} rgc_standalone_output;

typedef struct rgc_standalone_source {
  const rgc_graph *graph; /* of program infer */
  const rgc_memory_plan *memory; /* its */
  const rgc_cpu_target *target;
  int input; /* value ids */
  const rgc_standalone_output *outputs;
  int output_count;
  const float *scalars;   /* [RGC_SCALAR_COUNT] of the step */
  const char *input_note; /* for the header: what the input's numbers are; a line or more, without comment signs */
} rgc_standalone_source;

typedef struct rgc_standalone_file {
  const char *path, *text; /* below the folder: "kernels/k0123456789abcdef.c" */
} rgc_standalone_file;

/* A value that program fold leaves or a parameter, as it lies in memory. */
typedef struct rgc_standalone_weight {
  int value;
  int64_t offset_bytes, size_bytes; /* in the weights file; multiples of RGC_ALIGN_BYTES */
} rgc_standalone_weight;

typedef struct rgc_standalone {
  const char *name; /* [A-Za-z_][A-Za-z0-9_]* */
  rgc_standalone_file *files;
  int file_count, file_capacity;
  rgc_standalone_weight *weights;
  int weight_count, weight_capacity;
  int64_t weight_bytes;    /* of the file, RGC_SPARE_BYTES included */
  int64_t workspace_bytes; /* static memory of a thread's run */
  int kernel_count;        /* functions */
} rgc_standalone;

/* The weights file's name is NAME_weights.bin. NULL with a diagnostic; everything lives in `arena`. */
rgc_standalone *rgc_standalone_emit(const rgc_standalone_source *source, rgc_arena *arena, rgc_diagnostics *diags);
#endif
