/* cubin.h: machine code of a GPU with what ptxas said of it, in memory and as a file.
 *
 * A file is the cubin (an ELF file), the log, and a trailer of fixed length: "\nrgc-cubin LOG_BYTES HASH\n", the hash of all before it. What reads
 * ELF reads such a file as well. */
#ifndef RGC_DEVICE_CUBIN_H
#define RGC_DEVICE_CUBIN_H
#include <stdbool.h>
#include <stddef.h>

#include "compiler/base/diag.h"

/* What one kernel takes on the GPU, as ptxas says, and what its template declares (RGC_KERNEL). */
typedef struct rgc_cubin_kernel {
  const char *name;
  int registers;                               /* a thread */
  int most_registers;                          /* such that as many blocks as are declared fit on one SM; 0: nothing is declared */
  int stack_bytes;                             /* a thread, of local memory; spills and arrays that are indexed at run time */
  int spill_store_bytes, spill_load_bytes;     /* a thread */
  int barriers;
  int shared_bytes;                            /* static, a block */
  const char *loss;                            /* what ptxas says makes it slow (wgmma that waits for each other); NULL: nothing */
} rgc_cubin_kernel;

typedef struct rgc_cubin {
  const void *bytes; /* an ELF file for cuModuleLoadData */
  size_t size_bytes;
  rgc_cubin_kernel *kernels;
  int kernel_count, kernel_capacity;
  const char *log;   /* all that NVRTC and ptxas said */
  double seconds;    /* that compiling took; 0: it was read from a file */
} rgc_cubin;

/* Finds the kernels of a cubin in its log and its symbols; bytes, size_bytes and log are there. */
void rgc_cubin_find_kernels(rgc_cubin *cubin, rgc_arena *arena);
/* The kernel of that name; NULL: there is none. */
const rgc_cubin_kernel *rgc_cubin_kernel_named(const rgc_cubin *cubin, const char *name);
/* False with a FILE_WRITE error. */
bool rgc_cubin_write(const rgc_cubin *cubin, const char *path, rgc_diagnostics *diags);
/* NULL where there is no such file, or it is not whole. */
rgc_cubin *rgc_cubin_read(const char *path, rgc_arena *arena);
#endif
