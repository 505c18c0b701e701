/* emit_files.h: the kernels' C in a folder, to read, or to compile by hand with -I of that folder. */
#ifndef RGC_DEVICE_EMIT_FILES_H
#define RGC_DEVICE_EMIT_FILES_H
#include "codegen/cpu/emit.h"

/* DIR/NAME.c for each function, and DIR/codegen/cpu/templates; folders are made. Errors: FILE_WRITE. */
bool rgc_cpu_write_files(const rgc_cpu_code *code, const char *dir, rgc_diagnostics *diags);
#endif
