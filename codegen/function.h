/* function.h: the kernels that a graph needs as texts, each once, whatever the target.
 *
 * A text writes its own name as @. Its name is the hash of the text, so equal texts are one function. */
#ifndef RGC_CODEGEN_FUNCTION_H
#define RGC_CODEGEN_FUNCTION_H
#include "compiler/base/text.h"
#include "compiler/graph/graph.h"

typedef struct rgc_function {
  const char *name; /* "k" and 16 hexadecimal digits of the text's hash */
  const char *text; /* without the comment; needs the templates on the include path */
  const char *comment; /* which layers and lines it serves: "layer1.0.conv1 conv (line 5), ..." */
  const char *arguments; /* CUDA: what operands and outputs are in the first op it serves, a line each; NULL: not told */
  const char *template_name; /* CUDA: of the file that has the kernel, "contract_mma" */
  bool heavy;       /* a contract: costs the compiler several times as much as others */
  rgc_text serves;  /* internal: the comment as it grows */
  int serve_count;
} rgc_function;

/* The number of the function with this text, new or not; `op` is named in its comment. */
int rgc_function_intern(rgc_function **functions, int *count, int *capacity, const rgc_text *text, const rgc_op *op, bool heavy, rgc_arena *arena);
/* Completes the comments, when all are there. */
void rgc_functions_finish(rgc_function *functions, int count, rgc_arena *arena);
/* One function as a file to compile: the comment, then the text. */
void rgc_function_print(const rgc_function *function, rgc_text *out);
#endif
