/* kernel_cache.h: from kernel texts to functions in this process, through the machine's C compiler and the cache on disk (cache.h).
 *
 * A function is the entry NAME-KEY.so; KEY is of the templates, the flags and the compiler's own version. Functions that are missing are
 * compiled in groups (function_group.h), side by side, into one library a group, which then is linked under the name of each function. */
#ifndef RGC_DEVICE_KERNEL_CACHE_H
#define RGC_DEVICE_KERNEL_CACHE_H
#include "codegen/cpu/emit.h"

typedef void (*rgc_cpu_kernel)(const void *args, int64_t tile, void *slab);

typedef struct rgc_kernel_build {
  rgc_cpu_kernel *kernels; /* one a function of the code */
  void **libraries;        /* internal: handles, one a function */
  int count;
  int compiled;            /* how many functions were not in the cache */
  double seconds;          /* that compiling took */
} rgc_kernel_build;

/* Everything lives in `arena` but the libraries, which rgc_kernel_build_close lets go. NULL with a diagnostic: no compiler, a
 * kernel that it refuses, a cache that cannot be used. */
rgc_kernel_build *rgc_kernel_build_open(const rgc_cpu_code *code, const rgc_cpu_target *target, rgc_arena *arena,
                                        rgc_diagnostics *diags);
void rgc_kernel_build_close(rgc_kernel_build *build);
#endif
