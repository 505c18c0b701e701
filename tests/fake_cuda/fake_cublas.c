/* fake_cublas.c: a cublasLt for tests. See fake.h.
 *
 * It is stricter than the real one where that tells a mistake: descriptors, leading dimensions, types, memory, alignment and workspace are checked at
 * every call; an algorithm works for the product that it was found for alone; the first call of one may not be captured. Its heuristics name, as the best, algorithms
 * that must not be chosen: one whose bits differ from call to call, and one that needs more workspace than was allowed. Products are summed in double
 * (or in parts, of which each is rounded to float), of operands rounded as the real one rounds them. What was not given back when the handle goes is told on stderr. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/device/cublas.h"
#include "tests/fake_cuda/fake.h"

#define CUBLAS_API __attribute__((visibility("default")))
enum { MAGIC = 0x5247, BIAS_ALIGN = 16, PARTS = 4 };

/* Algorithms; the number is in their bytes. */
enum { UNORDERED, HUNGRY, SPLIT, PLAIN, ALGORITHMS };

struct cublasLtContext {
  bool loaded[ALGORITHMS];
};
struct cublas_matmul_desc {
  int compute, scale, transpose[2], bias_type;
  uint32_t epilogue;
  const void *bias;
};
struct cublas_matrix_layout {
  int type;
  uint64_t rows, cols;
  int64_t ld;
};
struct cublas_preference {
  uint64_t workspace_bytes;
  uint32_t schemes, align[4];
};

static int alive; /* descriptors */

/* A product, with all that running it needs. */
typedef struct product {
  struct cublas_matmul_desc desc;
  struct cublas_matrix_layout a, b, d;
  int64_t m, n, k;
  const void *at_a, *at_b, *at_c;
  void *at_d, *workspace;
  uint64_t workspace_bytes;
  float beta;
  int algorithm;
} product;

/* ---- the library ---- */

static int enter(const char *call) {
  unsigned int error = fake_enter(call, true);
  return error == INVALID_CONTEXT ? CUBLAS_STATUS_NOT_INITIALIZED : error == ILLEGAL_ADDRESS ? CUBLAS_STATUS_EXECUTION_FAILED : (int)error;
}
#define ENTER_CUBLAS(call)              \
  do {                                  \
    int status_of_call = enter(#call);  \
    if (status_of_call) return status_of_call; \
  } while (0)

CUBLAS_API size_t cublasLtGetVersion(void) { return (size_t)fake_number("RGC_FAKE_CUBLAS_VERSION", 130100); }

CUBLAS_API const char *cublasLtGetStatusName(int status) {
  switch (status) {
    case CUBLAS_STATUS_NOT_INITIALIZED: return "CUBLAS_STATUS_NOT_INITIALIZED";
    case CUBLAS_STATUS_INVALID_VALUE: return "CUBLAS_STATUS_INVALID_VALUE";
    case CUBLAS_STATUS_EXECUTION_FAILED: return "CUBLAS_STATUS_EXECUTION_FAILED";
    case CUBLAS_STATUS_NOT_SUPPORTED: return "CUBLAS_STATUS_NOT_SUPPORTED";
    default: return "an unknown status";
  }
}

CUBLAS_API const char *cublasLtGetStatusString(int status) { return status == CUBLAS_STATUS_EXECUTION_FAILED ? "the function failed to launch on the GPU" : "no words"; }

CUBLAS_API int cublasLtCreate(cublasLtHandle_t *made) {
  ENTER_CUBLAS(cublasLtCreate);
  *made = calloc(1, sizeof **made);
  return 0;
}

CUBLAS_API int cublasLtDestroy(cublasLtHandle_t handle) {
  fake_trace("cublasLtDestroy");
  if (alive) fprintf(stderr, "fake cuBLAS: %d descriptors were not given back\n", alive);
  alive = 0;
  free(handle);
  return 0;
}

/* ---- descriptors ---- */

static void *make(size_t size_bytes) {
  alive++;
  return calloc(1, size_bytes);
}

static int drop(void *descriptor) {
  alive--;
  free(descriptor);
  return 0;
}

/* A field that an attribute sets, if the size is right. */
static int set_field(void *field, size_t field_bytes, const void *from, size_t size_bytes) {
  if (!field || !from || size_bytes != field_bytes) return CUBLAS_STATUS_INVALID_VALUE;
  memcpy(field, from, size_bytes);
  return 0;
}

CUBLAS_API int cublasLtMatmulDescCreate(cublasLtMatmulDesc_t *made, int compute, int scale) {
  ENTER_CUBLAS(cublasLtMatmulDescCreate);
  *made = make(sizeof **made);
  **made = (struct cublas_matmul_desc){.compute = compute, .scale = scale, .bias_type = -1, .epilogue = CUBLASLT_EPILOGUE_DEFAULT};
  return 0;
}

CUBLAS_API int cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t desc) { return drop(desc); }

CUBLAS_API int cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t d, int attribute, const void *from, size_t size_bytes) {
  ENTER_CUBLAS(cublasLtMatmulDescSetAttribute);
  switch (attribute) {
    case CUBLASLT_MATMUL_DESC_TRANSA: return set_field(&d->transpose[0], sizeof d->transpose[0], from, size_bytes);
    case CUBLASLT_MATMUL_DESC_TRANSB: return set_field(&d->transpose[1], sizeof d->transpose[1], from, size_bytes);
    case CUBLASLT_MATMUL_DESC_EPILOGUE: return set_field(&d->epilogue, sizeof d->epilogue, from, size_bytes);
    case CUBLASLT_MATMUL_DESC_BIAS_POINTER: return set_field(&d->bias, sizeof d->bias, from, size_bytes);
    case CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE: return set_field(&d->bias_type, sizeof d->bias_type, from, size_bytes);
    default: return CUBLAS_STATUS_INVALID_VALUE;
  }
}

CUBLAS_API int cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t *made, int type, uint64_t rows, uint64_t cols, int64_t ld) {
  ENTER_CUBLAS(cublasLtMatrixLayoutCreate);
  *made = make(sizeof **made);
  **made = (struct cublas_matrix_layout){type, rows, cols, ld};
  return 0;
}

CUBLAS_API int cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout) { return drop(layout); }

CUBLAS_API int cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t *made) {
  ENTER_CUBLAS(cublasLtMatmulPreferenceCreate);
  *made = make(sizeof **made);
  **made = (struct cublas_preference){.schemes = 7, .align = {256, 256, 256, 256}};
  return 0;
}

CUBLAS_API int cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference) { return drop(preference); }

CUBLAS_API int cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t p, int attribute, const void *from, size_t size_bytes) {
  ENTER_CUBLAS(cublasLtMatmulPreferenceSetAttribute);
  int side = attribute - CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES;
  if (side >= 0 && side < 4) return set_field(&p->align[side], sizeof p->align[side], from, size_bytes);
  if (attribute == CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK) return set_field(&p->schemes, sizeof p->schemes, from, size_bytes);
  return attribute == CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES ? set_field(&p->workspace_bytes, sizeof p->workspace_bytes, from, size_bytes) : CUBLAS_STATUS_INVALID_VALUE;
}

/* ---- products ---- */

static size_t element_bytes(int type) { return type == CUDA_R_16BF ? 2 : 4; }
static size_t layout_bytes(const struct cublas_matrix_layout *l) { return element_bytes(l->type) * ((size_t)l->ld * (l->cols - 1) + l->rows); }

/* Whether layouts and types belong together. */
static int describe(product *p, cublasLtMatmulDesc_t desc, cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d) {
  const struct cublas_matrix_layout *all[] = {a, b, d};
  if (!desc || !a || !b || !c || !d || memcmp(c, d, sizeof *c)) return CUBLAS_STATUS_INVALID_VALUE;
  *p = (product){.desc = *desc, .a = *a, .b = *b, .d = *d, .m = (int64_t)d->rows, .n = (int64_t)d->cols, .k = (int64_t)(desc->transpose[0] ? a->rows : a->cols)};
  for (int i = 0; i < 3; i++)
    if (!all[i]->rows || !all[i]->cols || all[i]->ld < (int64_t)all[i]->rows) return CUBLAS_STATUS_INVALID_VALUE;
  bool fits = (int64_t)(desc->transpose[0] ? a->cols : a->rows) == p->m && (int64_t)(desc->transpose[1] ? b->cols : b->rows) == p->k &&
              (int64_t)(desc->transpose[1] ? b->rows : b->cols) == p->n;
  bool types = a->type == b->type && desc->scale == CUDA_R_32F && (a->type == CUDA_R_16BF || d->type == CUDA_R_32F) &&
               (desc->compute == CUBLAS_COMPUTE_32F || (desc->compute == CUBLAS_COMPUTE_32F_FAST_TF32 && a->type == CUDA_R_32F));
  bool bias = !(desc->epilogue & CUBLASLT_EPILOGUE_BIAS) || (desc->bias && (desc->bias_type == -1 || desc->bias_type == d->type));
  bool epilogue = desc->epilogue == CUBLASLT_EPILOGUE_DEFAULT || (desc->epilogue && !(desc->epilogue & ~(uint32_t)CUBLASLT_EPILOGUE_RELU_BIAS));
  if (!fits || !types || !bias || !epilogue) return CUBLAS_STATUS_INVALID_VALUE;
  if (a->type == CUDA_R_16BF && (a->ld % 2 || b->ld % 2)) return CUBLAS_STATUS_NOT_SUPPORTED; /* its tensor cores load pairs */
  return 0;
}

static uint64_t hash_of(const product *p) {
  const uint64_t facts[] = {(uint64_t)p->m, (uint64_t)p->n, (uint64_t)p->k, (uint64_t)p->desc.transpose[0], (uint64_t)p->desc.transpose[1], (uint64_t)p->a.type,
                            (uint64_t)p->d.type, (uint64_t)p->desc.compute, p->desc.epilogue, cublasLtGetVersion()};
  uint64_t hash = MAGIC;
  for (size_t i = 0; i < sizeof facts / sizeof *facts; i++) hash = (hash ^ facts[i]) * 1099511628211u;
  return hash;
}

static uint64_t needs(int algorithm, const product *p) {
  uint64_t least = (uint64_t)fake_number("RGC_FAKE_CUBLAS_NEEDS", 0), parts = 4u * PARTS * (uint64_t)(p->m * p->n);
  return algorithm == SPLIT && parts > least ? parts : least;
}

static bool only_unordered(void) {
  const char *only = getenv("RGC_FAKE_CUBLAS_ONLY");
  return only && !strcmp(only, "unordered");
}

/* What was kept of an algorithm: a magic number, which one, the product's hash, the alignment that it needs. */
CUBLAS_API int cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t handle, cublasLtMatmulDesc_t desc, cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                              cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d, cublasLtMatmulPreference_t preference, int room,
                                              cublasLtMatmulHeuristicResult_t *results, int *count) {
  product p;
  ENTER_CUBLAS(cublasLtMatmulAlgoGetHeuristic);
  int status = !handle || !preference || room < 1 ? CUBLAS_STATUS_INVALID_VALUE : describe(&p, desc, a, b, c, d);
  *count = 0;
  if (status) return status;
  for (int i = 0; i < ALGORITHMS && *count < room; i++) {
    uint64_t bytes = i == HUNGRY ? preference->workspace_bytes + 1 : needs(i, &p);
    if (i != HUNGRY && bytes > preference->workspace_bytes) continue;
    if (i != UNORDERED && (only_unordered() || (i == SPLIT && !(preference->schemes & CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE)))) continue;
    uint64_t align = 256;
    for (int side = 0; side < 4; side++)
      if (preference->align[side] < align) align = preference->align[side];
    results[(*count)++] = (cublasLtMatmulHeuristicResult_t){.algo = {{MAGIC, (uint64_t)i, hash_of(&p), align}}, .workspaceSize = bytes};
  }
  return *count ? 0 : CUBLAS_STATUS_NOT_SUPPORTED;
}

static bool is_algorithm(const cublasLtMatmulAlgo_t *algo, const product *p) {
  return algo && algo->data[0] == MAGIC && algo->data[1] < ALGORITHMS && algo->data[2] == hash_of(p) && algo->data[3];
}

CUBLAS_API int cublasLtMatmulAlgoCheck(cublasLtHandle_t handle, cublasLtMatmulDesc_t desc, cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c,
                                       cublasLtMatrixLayout_t d, const cublasLtMatmulAlgo_t *algo, cublasLtMatmulHeuristicResult_t *result) {
  product p;
  (void)handle;
  ENTER_CUBLAS(cublasLtMatmulAlgoCheck);
  int status = describe(&p, desc, a, b, c, d);
  if (status || !is_algorithm(algo, &p)) return status ? status : CUBLAS_STATUS_INVALID_VALUE;
  result->workspaceSize = needs((int)algo->data[1], &p);
  return 0;
}

CUBLAS_API int cublasLtMatmulAlgoConfigGetAttribute(const cublasLtMatmulAlgo_t *algo, int attribute, void *to, size_t size_bytes, size_t *written) {
  int which = (int)algo->data[1], value;
  switch (attribute) {
    case CUBLASLT_ALGO_CONFIG_SPLITK_NUM: value = which == PLAIN ? 1 : PARTS; break;
    case CUBLASLT_ALGO_CONFIG_REDUCTION_SCHEME:
      value = which == UNORDERED ? CUBLASLT_REDUCTION_SCHEME_INPLACE : which == PLAIN ? CUBLASLT_REDUCTION_SCHEME_NONE : CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
      break;
    case CUBLASLT_ALGO_CONFIG_ID: value = 60 + which; break;
    case CUBLASLT_ALGO_CONFIG_TILE_ID: value = 20; break;
    default: return CUBLAS_STATUS_INVALID_VALUE;
  }
  if (size_bytes != sizeof value) return CUBLAS_STATUS_INVALID_VALUE;
  memcpy(to, &value, sizeof value);
  *written = sizeof value;
  return 0;
}

static bool overlaps(const void *a, size_t a_bytes, const void *b, size_t b_bytes) {
  return (const char *)a < (const char *)b + b_bytes && (const char *)b < (const char *)a + a_bytes;
}

/* Whether everything lies where the card can reach it, aligned, and the output over nothing that is still read. */
static bool has_memory(const product *p, uint64_t align) {
  const void *at[] = {p->at_a, p->at_b, p->at_c, p->at_d};
  const struct cublas_matrix_layout *layouts[] = {&p->a, &p->b, &p->d, &p->d};
  for (int i = 0; i < 4; i++)
    if (!fake_is_device(at[i], layout_bytes(layouts[i])) || (uintptr_t)at[i] % align) return false;
  for (int i = 0; i < 3; i++)
    if (at[i] != p->at_d ? overlaps(at[i], layout_bytes(layouts[i]), p->at_d, layout_bytes(&p->d)) : i < 2) return false;
  const void *bias = p->desc.epilogue & CUBLASLT_EPILOGUE_BIAS ? p->desc.bias : NULL;
  if (bias && (!fake_is_device(bias, element_bytes(p->d.type) * (size_t)p->m) || (uintptr_t)bias % BIAS_ALIGN)) return false;
  return !p->workspace_bytes || (fake_is_device(p->workspace, p->workspace_bytes) && (uintptr_t)p->workspace % 16 == 0);
}

CUBLAS_API int cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t desc, const void *alpha, const void *a, cublasLtMatrixLayout_t a_layout, const void *b,
                              cublasLtMatrixLayout_t b_layout, const void *beta, const void *c, cublasLtMatrixLayout_t c_layout, void *d,
                              cublasLtMatrixLayout_t d_layout, const cublasLtMatmulAlgo_t *algo, void *workspace, size_t workspace_bytes, CUstream stream) {
  product p;
  ENTER_CUBLAS(cublasLtMatmul);
  int status = describe(&p, desc, a_layout, b_layout, c_layout, d_layout);
  if (status || !is_algorithm(algo, &p) || *(const float *)alpha != 1) return status ? status : CUBLAS_STATUS_INVALID_VALUE;
  p.at_a = a, p.at_b = b, p.at_c = c, p.at_d = d, p.workspace = workspace, p.workspace_bytes = workspace_bytes;
  p.beta = *(const float *)beta;
  p.algorithm = (int)algo->data[1];
  if (workspace_bytes < needs(p.algorithm, &p) || !has_memory(&p, algo->data[3])) return CUBLAS_STATUS_INVALID_VALUE;
  if (stream->capture && !handle->loaded[p.algorithm]) return stream->capture->invalid = true, CUBLAS_STATUS_EXECUTION_FAILED;
  handle->loaded[p.algorithm] = true;
  fake_trace("  a product of %lld x %lld x %lld by algorithm %d%s%s", (long long)p.m, (long long)p.n, (long long)p.k, p.algorithm, p.beta != 0 ? ", added" : "",
             p.desc.epilogue & CUBLASLT_EPILOGUE_BIAS ? ", with a bias" : "");
  fake_operation o = {.kind = FAKE_PRODUCT, .size_bytes = sizeof p, .owned = memcpy(malloc(sizeof p), &p, sizeof p)};
  return fake_ask(stream, o) ? CUBLAS_STATUS_EXECUTION_FAILED : 0;
}

/* ---- running ---- */

static float float_of(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static uint32_t bits_of(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

static float load(const void *data, int type, int64_t element) {
  return type == CUDA_R_16BF ? float_of((uint32_t)((const uint16_t *)data)[element] << 16) : ((const float *)data)[element];
}

static void store(void *data, int type, int64_t element, float value) {
  uint32_t bits = bits_of(value);
  if (type == CUDA_R_16BF) ((uint16_t *)data)[element] = value != value ? 0x7fff : (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
  else ((float *)data)[element] = value;
}

/* Element (row, column) of op(matrix), rounded as the product wants it: tf32 has 10 bits of mantissa, ties go away from zero. */
static double operand(const product *p, const void *data, const struct cublas_matrix_layout *l, int transposed, int64_t row, int64_t col) {
  float value = load(data, l->type, transposed ? row * l->ld + col : col * l->ld + row);
  return p->desc.compute == CUBLAS_COMPUTE_32F_FAST_TF32 ? (double)float_of((bits_of(value) + 0x1000) & ~0x1fffu) : (double)value;
}

static float part_sum(const product *p, int64_t row, int64_t col, int64_t from, int64_t to) {
  double sum = 0;
  for (int64_t k = from; k < to; k++)
    sum += operand(p, p->at_a, &p->a, p->desc.transpose[0], row, k) * operand(p, p->at_b, &p->b, p->desc.transpose[1], k, col);
  return (float)sum;
}

/* The unordered one gives other bits each time. */
static float sum_of(const product *p, int64_t row, int64_t col, uint64_t calls) {
  if (p->algorithm == PLAIN) return part_sum(p, row, col, 0, p->k);
  float sum = 0;
  for (int64_t i = 0; i < PARTS; i++) sum += part_sum(p, row, col, p->k * i / PARTS, p->k * (i + 1) / PARTS);
  return p->algorithm == UNORDERED ? sum * (1 + 1e-6f * (float)(calls % 16)) : sum;
}

void fake_run_product(const void *what) {
  static uint64_t calls;
  const product *p = what;
  calls++;
  if (p->workspace_bytes) memset(p->workspace, 0xff, p->workspace_bytes);
  for (int64_t col = 0; col < p->n; col++)
    for (int64_t row = 0; row < p->m; row++) {
      float value = sum_of(p, row, col, calls);
      if (p->beta != 0) value += p->beta * load(p->at_c, p->d.type, col * p->d.ld + row);
      if (p->desc.epilogue & CUBLASLT_EPILOGUE_BIAS) value += load(p->desc.bias, p->d.type, row);
      if (p->desc.epilogue & CUBLASLT_EPILOGUE_RELU && !(value > 0)) value = 0;
      store(p->at_d, p->d.type, col * p->d.ld + row, value);
    }
}
