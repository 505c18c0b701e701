/* cublas.h: cuBLAS's products of matrices (cublasLt), opened at run time: what of it rgc calls, declared from its documented ABI; no CUDA header is needed.
 *
 * Types, functions and numbers have cublasLt.h's names (tests/cli/cublas.sh compares with it where there is one); an enum of it is an int here.
 * cublasLt knows nothing of rgc's driver: both see the context that is current in the thread, and a stream is the same thing to both. */
#ifndef RGC_DEVICE_CUBLAS_H
#define RGC_DEVICE_CUBLAS_H
#include <stddef.h>
#include <stdint.h>

#include "compiler/base/diag.h"
#include "runtime/device/cuda_driver.h"

typedef struct cublasLtContext *cublasLtHandle_t;
typedef struct cublas_matmul_desc *cublasLtMatmulDesc_t;
typedef struct cublas_matrix_layout *cublasLtMatrixLayout_t;
typedef struct cublas_preference *cublasLtMatmulPreference_t;

/* "Can be trivially serialized and later restored for use with the same version of cuBLAS." */
typedef struct cublasLtMatmulAlgo_t {
  uint64_t data[8];
} cublasLtMatmulAlgo_t;

typedef struct cublasLtMatmulHeuristicResult_t {
  cublasLtMatmulAlgo_t algo;
  size_t workspaceSize;
  int state; /* a status; the other fields count only where it is CUBLAS_STATUS_SUCCESS */
  float wavesCount;
  int reserved[4];
} cublasLtMatmulHeuristicResult_t;

enum { CUBLAS_STATUS_SUCCESS = 0, CUBLAS_STATUS_NOT_INITIALIZED = 1, CUBLAS_STATUS_INVALID_VALUE = 7, CUBLAS_STATUS_EXECUTION_FAILED = 13, CUBLAS_STATUS_NOT_SUPPORTED = 15 };
enum { CUBLAS_OP_N = 0, CUBLAS_OP_T = 1, CUBLAS_COMPUTE_32F = 68, CUBLAS_COMPUTE_32F_FAST_TF32 = 77, CUDA_R_32F = 0, CUDA_R_16BF = 14 };
/* Attributes, with their types. */
enum { CUBLASLT_MATRIX_LAYOUT_TYPE = 0 /* u32 */, CUBLASLT_MATRIX_LAYOUT_ROWS = 2 /* u64 */, CUBLASLT_MATRIX_LAYOUT_COLS = 3 /* u64 */,
       CUBLASLT_MATRIX_LAYOUT_LD = 4 /* i64 */ };
enum { CUBLASLT_MATMUL_DESC_TRANSA = 3 /* i32 */, CUBLASLT_MATMUL_DESC_TRANSB = 4 /* i32 */, CUBLASLT_MATMUL_DESC_EPILOGUE = 7 /* u32 */,
       CUBLASLT_MATMUL_DESC_BIAS_POINTER = 8 /* pointer */, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE = 26 /* i32 */ };
enum { CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES = 1 /* u64 */, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK = 3 /* u32 */,
       CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES = 5 /* u32 */, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES = 6 /* u32 */,
       CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES = 7 /* u32 */, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES = 8 /* u32 */ };
enum { CUBLASLT_ALGO_CONFIG_ID = 0 /* i32 */, CUBLASLT_ALGO_CONFIG_TILE_ID = 1 /* u32 */, CUBLASLT_ALGO_CONFIG_SPLITK_NUM = 2 /* i32 */,
       CUBLASLT_ALGO_CONFIG_REDUCTION_SCHEME = 3 /* u32 */, CUBLASLT_ALGO_CONFIG_STAGES_ID = 6 /* u32 */ };
enum { CUBLASLT_EPILOGUE_DEFAULT = 1, CUBLASLT_EPILOGUE_RELU = 2, CUBLASLT_EPILOGUE_BIAS = 4, CUBLASLT_EPILOGUE_RELU_BIAS = 6 };
/* Of sums over parts of K: one after another into the output; kept in float32 and added by another kernel; kept in the output's type. */
enum { CUBLASLT_REDUCTION_SCHEME_NONE = 0, CUBLASLT_REDUCTION_SCHEME_INPLACE = 1, CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE = 2, CUBLASLT_REDUCTION_SCHEME_OUTPUT_TYPE = 4 };

/* FUNCTION(what it returns, name, parameters); an int is a status. */
#define CUBLAS_FUNCTIONS(FUNCTION)                                                                                                              \
  FUNCTION(size_t, cublasLtGetVersion, (void))                                                                                                  \
  FUNCTION(const char *, cublasLtGetStatusName, (int status))                                                                                   \
  FUNCTION(const char *, cublasLtGetStatusString, (int status))                                                                                 \
  FUNCTION(int, cublasLtCreate, (cublasLtHandle_t * made))                                                                                      \
  FUNCTION(int, cublasLtDestroy, (cublasLtHandle_t handle))                                                                                     \
  FUNCTION(int, cublasLtMatmulDescCreate, (cublasLtMatmulDesc_t * made, int compute_type, int scale_type))                                      \
  FUNCTION(int, cublasLtMatmulDescDestroy, (cublasLtMatmulDesc_t desc))                                                                         \
  FUNCTION(int, cublasLtMatmulDescSetAttribute, (cublasLtMatmulDesc_t desc, int attribute, const void *from, size_t size_bytes))                \
  FUNCTION(int, cublasLtMatrixLayoutCreate, (cublasLtMatrixLayout_t * made, int type, uint64_t rows, uint64_t cols, int64_t ld))                \
  FUNCTION(int, cublasLtMatrixLayoutDestroy, (cublasLtMatrixLayout_t layout))                                                                   \
  FUNCTION(int, cublasLtMatmulPreferenceCreate, (cublasLtMatmulPreference_t * made))                                                            \
  FUNCTION(int, cublasLtMatmulPreferenceDestroy, (cublasLtMatmulPreference_t preference))                                                       \
  FUNCTION(int, cublasLtMatmulPreferenceSetAttribute, (cublasLtMatmulPreference_t preference, int attribute, const void *from, size_t size_bytes)) \
  FUNCTION(int, cublasLtMatmulAlgoGetHeuristic, (cublasLtHandle_t handle, cublasLtMatmulDesc_t desc, cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b, \
                                                 cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d, cublasLtMatmulPreference_t preference, int room, \
                                                 cublasLtMatmulHeuristicResult_t *results, int *count))                                         \
  FUNCTION(int, cublasLtMatmulAlgoCheck, (cublasLtHandle_t handle, cublasLtMatmulDesc_t desc, cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b, \
                                          cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d, const cublasLtMatmulAlgo_t *algo,                 \
                                          cublasLtMatmulHeuristicResult_t *result))                                                             \
  FUNCTION(int, cublasLtMatmulAlgoConfigGetAttribute, (const cublasLtMatmulAlgo_t *algo, int attribute, void *to, size_t size_bytes, size_t *written)) \
  FUNCTION(int, cublasLtMatmul, (cublasLtHandle_t handle, cublasLtMatmulDesc_t desc, const void *alpha, const void *a, cublasLtMatrixLayout_t a_layout, \
                                 const void *b, cublasLtMatrixLayout_t b_layout, const void *beta, const void *c, cublasLtMatrixLayout_t c_layout, void *d, \
                                 cublasLtMatrixLayout_t d_layout, const cublasLtMatmulAlgo_t *algo, void *workspace, size_t workspace_bytes, CUstream stream))

typedef struct rgc_cublas {
  void *library;           /* NULL: it is not open */
  cublasLtHandle_t handle; /* of the context that was current */
  int version;             /* 130100 for 13.1.0 */
#define FUNCTION(type, name, parameters) type(*name) parameters;
  CUBLAS_FUNCTIONS(FUNCTION)
#undef FUNCTION
} rgc_cublas;

/* $RGC_CUBLAS, or libcublasLt.so.13, .12 where the loader or /usr/local/cuda has it; the card's context must be current. False with a note: it is
 * not there, too old, or does not start; RGC_CUBLAS=none asks for none, and none is noted. Nothing is left open then. */
bool rgc_cublas_open(rgc_cublas *cublas, rgc_diagnostics *diags);
void rgc_cublas_close(rgc_cublas *cublas);
/* True where a call's status is success; else adds a diagnostic: the call, the status and its words, and `of`, which tells what it was for. */
bool rgc_cublas_check(const rgc_cublas *cublas, int status, rgc_severity severity, const char *call, const char *of, rgc_diagnostics *diags);
#endif
