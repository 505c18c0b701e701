/* cuda_driver.h: libcuda, opened at run time: what of the driver API rgc calls, declared from its documented ABI; no CUDA header is needed.
 *
 * Types and functions have the driver's names. An enum of it is an unsigned int here, which is what a C compiler makes of it
 * (tests/cli/cuda_device.sh compares with cuda.h where there is one). */
#ifndef RGC_DEVICE_CUDA_DRIVER_H
#define RGC_DEVICE_CUDA_DRIVER_H
#include <stddef.h>
#include <stdint.h>

#include "compiler/base/diag.h"

typedef int CUdevice;
typedef unsigned long long CUdeviceptr;
typedef struct CUctx_st *CUcontext;
typedef struct CUstream_st *CUstream;
typedef struct CUevent_st *CUevent;
typedef struct CUmod_st *CUmodule;
typedef struct CUfunc_st *CUfunction;
typedef struct CUgraph_st *CUgraph;
typedef struct CUgraphExec_st *CUgraphExec;
typedef struct CUtensorMap_st CUtensorMap; /* 128 bytes, 64-aligned */

enum { CUDA_SUCCESS = 0, CUDA_ERROR_OUT_OF_MEMORY = 2, CUDA_ERROR_NO_DEVICE = 100, CUDA_ERROR_INVALID_IMAGE = 200, CUDA_ERROR_NO_BINARY_FOR_GPU = 209,
       CUDA_ERROR_UNSUPPORTED_PTX_VERSION = 222 };
enum { CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR = 75, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR = 76 };
enum { CU_STREAM_NON_BLOCKING = 1, CU_EVENT_DEFAULT = 0, CU_EVENT_DISABLE_TIMING = 2, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL = 1 };
enum { CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES = 8 };
enum { CU_TENSOR_MAP_DATA_TYPE_BFLOAT16 = 9, CU_TENSOR_MAP_INTERLEAVE_NONE = 0, CU_TENSOR_MAP_SWIZZLE_128B = 3, CU_TENSOR_MAP_L2_PROMOTION_L2_256B = 3,
       CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE = 0 };
enum { CU_JIT_ERROR_LOG_BUFFER = 5, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES = 6 };

/* FUNCTION(name, suffix of its symbol, parameters); each returns 0 or an error. The suffix is that of the version that cuda.h gives the
 * name to (its 64-bit one); cuGraphInstantiateWithFlags is what cuda.h calls cuGraphInstantiate. */
#define CUDA_FUNCTIONS(FUNCTION)                                                                                            \
  FUNCTION(cuInit, , (unsigned int flags))                                                                                  \
  FUNCTION(cuDriverGetVersion, , (int *version))                                                                            \
  FUNCTION(cuGetErrorName, , (unsigned int error, const char **name))                                                       \
  FUNCTION(cuGetErrorString, , (unsigned int error, const char **words))                                                    \
  FUNCTION(cuDeviceGetCount, , (int *count))                                                                                \
  FUNCTION(cuDeviceGet, , (CUdevice * device, int number))                                                                  \
  FUNCTION(cuDeviceGetName, , (char *name, int room, CUdevice device))                                                      \
  FUNCTION(cuDeviceGetAttribute, , (int *value, unsigned int attribute, CUdevice device))                                   \
  FUNCTION(cuDevicePrimaryCtxRetain, , (CUcontext * context, CUdevice device))                                              \
  FUNCTION(cuDevicePrimaryCtxRelease, _v2, (CUdevice device))                                                               \
  FUNCTION(cuCtxSetCurrent, , (CUcontext context))                                                                          \
  FUNCTION(cuMemGetInfo, _v2, (size_t * free_bytes, size_t * total_bytes))                                                  \
  FUNCTION(cuMemAlloc, _v2, (CUdeviceptr * made, size_t size_bytes))                                                        \
  FUNCTION(cuMemFree, _v2, (CUdeviceptr memory))                                                                            \
  FUNCTION(cuMemHostAlloc, , (void **made, size_t size_bytes, unsigned int flags))                                          \
  FUNCTION(cuMemFreeHost, , (void *memory))                                                                                 \
  FUNCTION(cuMemcpyDtoH, _v2, (void *to, CUdeviceptr from, size_t size_bytes))                                              \
  FUNCTION(cuMemcpyHtoDAsync, _v2, (CUdeviceptr to, const void *from, size_t size_bytes, CUstream stream))                  \
  FUNCTION(cuMemcpyDtoDAsync, _v2, (CUdeviceptr to, CUdeviceptr from, size_t size_bytes, CUstream stream))                  \
  FUNCTION(cuMemsetD8Async, , (CUdeviceptr to, unsigned char value, size_t size_bytes, CUstream stream))                    \
  FUNCTION(cuStreamCreate, , (CUstream * made, unsigned int flags))                                                         \
  FUNCTION(cuStreamDestroy, _v2, (CUstream stream))                                                                         \
  FUNCTION(cuStreamSynchronize, , (CUstream stream))                                                                        \
  FUNCTION(cuStreamWaitEvent, , (CUstream stream, CUevent event, unsigned int flags))                                       \
  FUNCTION(cuEventCreate, , (CUevent * made, unsigned int flags))                                                           \
  FUNCTION(cuEventDestroy, _v2, (CUevent event))                                                                            \
  FUNCTION(cuEventRecord, , (CUevent event, CUstream stream))                                                               \
  FUNCTION(cuEventSynchronize, , (CUevent event))                                                                           \
  FUNCTION(cuEventElapsedTime, , (float *milliseconds, CUevent begin, CUevent end))                                         \
  FUNCTION(cuModuleLoadDataEx, , (CUmodule * made, const void *image, unsigned int option_count, unsigned int *options, void **values)) \
  FUNCTION(cuModuleUnload, , (CUmodule module))                                                                             \
  FUNCTION(cuModuleGetFunction, , (CUfunction * found, CUmodule module, const char *name))                                  \
  FUNCTION(cuFuncSetAttribute, , (CUfunction function, unsigned int attribute, int value))                                  \
  FUNCTION(cuLaunchKernel, , (CUfunction function, unsigned int grid_x, unsigned int grid_y, unsigned int grid_z, unsigned int block_x, unsigned int block_y, \
                              unsigned int block_z, unsigned int shared_bytes, CUstream stream, void **params, void **extra)) \
  FUNCTION(cuStreamBeginCapture, _v2, (CUstream stream, unsigned int mode))                                                 \
  FUNCTION(cuStreamEndCapture, , (CUstream stream, CUgraph * made))                                                         \
  FUNCTION(cuGraphInstantiateWithFlags, , (CUgraphExec * made, CUgraph graph, unsigned long long flags))                    \
  FUNCTION(cuGraphLaunch, , (CUgraphExec graph, CUstream stream))                                                           \
  FUNCTION(cuGraphExecDestroy, , (CUgraphExec graph))                                                                       \
  FUNCTION(cuGraphDestroy, , (CUgraph graph))                                                                               \
  FUNCTION(cuTensorMapEncodeTiled, , (CUtensorMap * map, unsigned int type, unsigned int rank, void *base, const uint64_t *sizes, const uint64_t *strides, \
                                      const unsigned int *box, const unsigned int *steps, unsigned int interleave, unsigned int swizzle, \
                                      unsigned int promotion, unsigned int fill))                                           \
  FUNCTION(cuTensorMapEncodeIm2col, , (CUtensorMap * map, unsigned int type, unsigned int rank, void *base, const uint64_t *sizes, const uint64_t *strides, \
                                       const int *lower, const int *upper, unsigned int channels, unsigned int pixels, const unsigned int *steps, \
                                       unsigned int interleave, unsigned int swizzle, unsigned int promotion, unsigned int fill))

typedef struct rgc_cuda_driver {
  void *library;
  int version; /* 13000: it runs what CUDA 13.0 compiles */
#define FUNCTION(name, suffix, parameters) unsigned int(*name) parameters;
  CUDA_FUNCTIONS(FUNCTION)
#undef FUNCTION
} rgc_cuda_driver;

/* $RGC_CUDA_DRIVER, or libcuda.so.1; then cuInit. False with a diagnostic: no driver, one that is too old, or one without a GPU. */
bool rgc_cuda_driver_open(rgc_cuda_driver *driver, rgc_diagnostics *diags);
/* True where a call's result is no error; else a diagnostic: the call, the error's name and words, and `of`, which tells what the call was for
 * (NULL: nothing more). */
bool rgc_cuda_check(const rgc_cuda_driver *driver, unsigned int result, const char *call, const char *of, rgc_diagnostics *diags);
#define RGC_CUDA(driver, name, of, diags, ...) rgc_cuda_check(driver, (driver)->name(__VA_ARGS__), #name, of, diags)
#endif
