/* emit_files.h: the kernels' texts in a folder, to read, or to compile by hand with -I of that folder. */
#ifndef RGC_DEVICE_EMIT_FILES_H
#define RGC_DEVICE_EMIT_FILES_H
#include "codegen/cpu/emit.h"
#include "codegen/cuda/emit.h"
#include "codegen/template.h"

#define RGC_CPU_TEMPLATE_FOLDER "codegen/cpu/templates/" /* those of the CPU are named without it */

/* DIR/BASE/NAME of each; folders are made. Errors: FILE_WRITE. */
bool rgc_write_templates(const char *dir, const char *base, const rgc_template *templates, int count, rgc_diagnostics *diags);

/* DIR/NAME.c (.cu) for each function, and the templates under the names by which they are included; folders are made. Errors: FILE_WRITE. */
bool rgc_cpu_write_files(const rgc_cpu_code *code, const char *dir, rgc_diagnostics *diags);
bool rgc_cuda_write_files(const rgc_cuda_code *code, const char *dir, rgc_diagnostics *diags);
#endif
