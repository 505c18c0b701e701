/* standalone_print.h: what the files of codegen/standalone share: the arguments of a step as a constant of C. */
#ifndef RGC_CODEGEN_STANDALONE_PRINT_H
#define RGC_CODEGEN_STANDALONE_PRINT_H
#include "codegen/standalone/standalone.h"

typedef struct rgc_standalone_printing {
  const rgc_standalone_source *source;
  rgc_standalone *made;
  const rgc_cpu_code *code;
  int *weight_numbers; /* by value: 1 + its place among the weights; 0: not there yet */
  const char *marks;   /* arguments are bound to marks + v in the place of value v's data */
  rgc_arena *arena;
} rgc_standalone_printing;

/* "workspace + 64": where value v lies; a weight that was not met before is added. */
const char *rgc_standalone_place(rgc_standalone_printing *p, int value);
/* `static const kernel_args args_I = {...};` */
void rgc_standalone_print_args(rgc_standalone_printing *p, int op, rgc_text *out);
#endif
