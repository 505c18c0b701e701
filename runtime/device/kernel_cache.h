/* kernel_cache.h: from kernel texts to functions in this process, through the machine's C compiler and a cache on disk.
 *
 * The cache is $RGC_CACHE, $XDG_CACHE_HOME/rgc or ~/.cache/rgc: mode 0700 and owned by this user, or it is refused. A function is the
 * file NAME-KEY.so, where NAME is the hash of its text and KEY that of the templates, the flags and the compiler's own version; so
 * what is found can be used. Functions that are missing are compiled in groups, side by side, into one library a group, which
 * then is linked under the name of each function in it: rename and link are atomic, and two processes may do it at once. The cache
 * is kept below a size by removing what was used longest ago. */
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
