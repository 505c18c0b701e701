/* compile.h: running the machine's C compiler, several at a time. */
#ifndef RGC_DEVICE_COMPILE_H
#define RGC_DEVICE_COMPILE_H
#include <stdbool.h>

#include "compiler/base/diag.h"

typedef struct rgc_compile_job {
  const char *source, *library; /* paths: C in, shared library out */
  const char *log;              /* path: what the compiler says */
} rgc_compile_job;

/* The compiler: $RGC_CC, or cc. */
const char *rgc_compiler(void);
/* First line of `cc --version`, so that a cache can tell compilers apart. NULL with a diagnostic where there is none. */
const char *rgc_compiler_version(rgc_arena *arena, rgc_diagnostics *diags);
/* Compiles all jobs, as many together as there are processors, with the flags (separated by blanks) and -I include. False with the first failing job's log. */
bool rgc_compile_all(const rgc_compile_job *jobs, int count, const char *flags, const char *include, rgc_diagnostics *diags);
#endif
