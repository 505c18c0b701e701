/* emu_calls.cuh: what the emulator (runtime/device/emu) offers to kernel texts; prelude_emu.cuh calls it, and both are compiled with it.
 *
 * A kernel finds an emu_view under a name of its own, set by the emulator before each launch. `thread` is of the fiber that runs.
 * Every call says from where: a site is one place in a text, so two threads are at the same instruction when their sites are equal. */
#ifndef RGC_CUDA_EMU_CALLS_CUH
#define RGC_CUDA_EMU_CALLS_CUH

typedef struct emu_site {
  const char *primitive; /* as the kernel calls it */
  const char *file;
  int line;
} emu_site;

typedef struct emu_index {
  unsigned int x, y, z;
} emu_index;

enum { EMU_SHARED_WINDOW = 1024 }; /* shared address of the first byte; below it there is none */

/* Where a box of TMA begins. */
typedef struct emu_box {
  int coordinates[4]; /* the innermost first */
  int offsets[2];     /* im2col: w, h */
  int rank;           /* 2 or 3; 4: im2col */
} emu_box;

/* CALL(result, name, parameters after view and site) */
#define EMU_CALLS(CALL)                                                                                                \
  CALL(void, barrier, int id, int threads, int wait)                /* threads 0: all of the block */                 \
  CALL(void, sync_warp, int unused)                                                                                    \
  CALL(unsigned long long, shuffle, unsigned long long bits, int from_lane)                                            \
  CALL(unsigned int, ballot, int predicate)                                                                            \
  CALL(void, ldmatrix, unsigned int *out, unsigned int address, int count, int transposed)                             \
  CALL(void, mma_bf16, float *d, const unsigned int *a, unsigned int b0, unsigned int b1)                              \
  CALL(void, mma_tf32, float *d, const unsigned int *a, unsigned int b0, unsigned int b1)                              \
  CALL(void *, shared_at, unsigned int address, int bytes, int writes) /* checked, for one access */                   \
  CALL(void, watch, const void *address, int bytes, int writes)        /* an ordinary access to shared memory */       \
  CALL(void *, global_at, const void *address, int bytes, int writes)                                                  \
  CALL(void, cp_async, unsigned int to, const void *from, int size, int bytes)                                         \
  CALL(void, cp_commit, int unused)                                                                                    \
  CALL(void, cp_wait, int groups_left)                                                                                 \
  CALL(void, mbar_init, unsigned int bar, unsigned int count)                                                          \
  CALL(void, mbar_arrive, unsigned int bar, unsigned int expected_bytes)                                               \
  CALL(int, mbar_try_wait, unsigned int bar, unsigned int parity)                                                      \
  CALL(void, mbar_arrive_cp, unsigned int bar)                                                                         \
  CALL(void, fence_proxy_async, int unused)                                                                            \
  CALL(void, tma_load, unsigned int to, const void *map, unsigned int bar, emu_box box)                                \
  CALL(void, wgmma_fence, int unused)                                                                                  \
  CALL(void, wgmma, int n, int b_transposed, float *d, const unsigned int *a, unsigned long long a_descriptor,         \
       unsigned long long b_descriptor, int scale_d)                /* a NULL: by descriptor */                        \
  CALL(void, wgmma_commit, int unused)                                                                                 \
  CALL(void, wgmma_wait, int groups_left)

typedef struct emu_view {
  emu_index thread, block, block_size, grid_size;
  unsigned char *shared; /* dynamic shared memory of the block that runs */
#define CALL(result, name, ...) result (*call_##name)(struct emu_view *, const emu_site *, __VA_ARGS__);
  EMU_CALLS(CALL)
#undef CALL
} emu_view;
#endif
