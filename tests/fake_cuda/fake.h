/* fake.h: a CUDA driver, an NVRTC and a cuBLAS for tests, one library: RGC_CUDA_DRIVER, RGC_NVRTC and RGC_CUBLAS name it. No GPU: kernels run in the emulator.
 *
 * What makes it a test of the device and not only a stand-in:
 *   - Nothing asked of a stream happens until it must: a wait of the host, or of another stream by an event, runs as much as that needs, and
 *     no more. A missing event shows as stale or poisoned data. RGC_FAKE_CUDA_ORDER: "late" is that; "early-copies" does what is
 *     asked of the second stream as soon as events allow, and the rest late; a number draws for every operation whether its stream runs up to it at once.
 *   - Device memory is filled with NaN, lies between guard pages, and cannot be touched by the process but through the driver.
 *   - Work asked of pageable memory is copied at the call, of pinned memory when it happens, as the real one does.
 *   - While a stream is captured, calls that the real one refuses are refused.
 *   - What was not given back when the context goes is told on stderr.
 *
 * RGC_FAKE_CUDA_SKIP leaves one kind of wait out, as if the device had forgotten it: "host" what the process waits for of an event, "1" and "2"
 * what the first and the second stream wait for; another word the kernels whose text holds it.
 * RGC_FAKE_CUDA_FAIL=CALL:N=ERROR: the N-th call (from 1) of CALL returns ERROR; CALL "kernel": the N-th kernel that runs goes wrong, which
 * a later wait finds. RGC_FAKE_CUDA_MEMORY: bytes of the card. RGC_FAKE_CUDA_SM: its compute capability, 80. RGC_FAKE_CUDA_VERSION: of the
 * driver, 13000. RGC_FAKE_CUDA_TRACE: a file that gets a line a call. RGC_FAKE_CUBLAS_VERSION: 130100. RGC_FAKE_CUBLAS_NEEDS: bytes of workspace
 * without which none of its algorithms works. RGC_FAKE_CUBLAS_ONLY=unordered: it has none whose bits repeat. */
#ifndef RGC_TESTS_FAKE_CUDA_H
#define RGC_TESTS_FAKE_CUDA_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/device/cuda_driver.h"
#include "runtime/device/emu/emu.h"

#define FAKE_API __attribute__((visibility("default"))) unsigned int

enum { INVALID_VALUE = 1, INVALID_CONTEXT = 201, INVALID_HANDLE = 400, NOT_FOUND = 500, ILLEGAL_ADDRESS = 700, CAPTURE_UNSUPPORTED = 900,
       CAPTURE_ISOLATION = 905, FAKE_NVRTC_VERSION = 13000 };

/* What NVRTC made: the text itself, and what it was compiled for. The bytes behind it are the text and a NUL. */
typedef struct fake_image {
  char magic[8];
  int arch;       /* 80; 900 with a letter: 90 and then `own` */
  int own;        /* 1: for this very architecture ("sm_90a") */
  int nvrtc_version;
  char name[64];  /* of the text */
} fake_image;
extern const char fake_image_magic[8];

struct CUmod_st {
  const char *text, *name; /* copies */
  rgc_emu_module *built;   /* NULL: not yet */
  CUmodule next;           /* of all that were loaded */
};

struct CUfunc_st {
  CUmodule module;
  char name[64];
  size_t shared_limit, args_bytes;
  CUfunction next;
};

typedef enum fake_kind { FAKE_COPY, FAKE_SET, FAKE_KERNEL, FAKE_PRODUCT, FAKE_GRAPH, FAKE_RECORD, FAKE_WAIT } fake_kind;

/* Something asked of a stream. */
typedef struct fake_operation {
  fake_kind kind;
  void *to;
  const void *from;
  size_t size_bytes;
  unsigned char value;       /* SET */
  void *owned;               /* a copy of a kernel's args, of pageable memory, or of what a product is; freed with the operation */
  CUfunction function;
  unsigned int grid[3], block[3];
  size_t shared_bytes;
  CUgraphExec graph;
  CUevent event;             /* RECORD */
  CUstream other;            /* WAIT: runs until its first `position` operations are done */
  int position;
} fake_operation;

typedef struct fake_operations {
  fake_operation *items;
  int count, capacity;
} fake_operations;

struct CUstream_st {
  fake_operations asked;
  int done;
  int number;      /* of the streams that there were at its making, from 1 */
  CUgraph capture; /* NULL: it is not captured */
  bool running;
};

struct CUevent_st {
  CUstream stream; /* NULL: never recorded */
  int position;    /* operations of the stream before it, itself among them */
  CUgraph capture; /* recorded in it */
  double seconds;
};

struct CUgraph_st {
  fake_operations nodes; /* in the order of their asking: of one stream that is the only one */
  bool invalid;
};
struct CUgraphExec_st {
  fake_operations nodes;
};

struct CUctx_st {
  rgc_emu *emu;
  int users;
};

/* fake_driver.c */
unsigned int fake_enter(const char *call, bool needs_context); /* counts, traces, fails as asked; 0: go on */
void fake_trace(const char *format, ...) __attribute__((format(printf, 1, 2)));
bool fake_kernel_fails(void);   /* the next one that runs */
void fake_stick(unsigned int error); /* every later call returns it */
rgc_emu *fake_emu(void);
extern CUmodule fake_modules;

long fake_number(const char *variable, long otherwise); /* of the environment */

/* fake_cublas.c */
void fake_run_product(const void *product);

/* fake_memory.c */
unsigned int fake_allocate(rgc_emu *emu, size_t size_bytes, void **made);
bool fake_free(rgc_emu *emu, void *memory);
size_t fake_memory_used(void);
bool fake_is_device(const void *at, size_t size_bytes);
bool fake_is_pinned(const void *at, size_t size_bytes);
void fake_pin(void *at, size_t size_bytes);
bool fake_unpin(void *at);
void fake_open_memory(void);  /* the driver may touch device memory */
void fake_close_memory(void); /* nobody may */
int fake_memory_left(void);   /* allocations, pinned ones too, that were not given back */

/* fake_stream.c */
unsigned int fake_ask(CUstream stream, fake_operation operation); /* or to the graph that captures it */
void fake_run_stream(CUstream stream, int position);
void fake_operations_free(fake_operations *operations);
bool fake_build_modules(void);
#endif
