/* cuda_product.c: see cuda_product.h. */
#include "runtime/device/cuda_product.h"

enum { MOST_ALIGNMENT = 256 };

int64_t rgc_cuda_products_bytes(rgc_cuda_card *card, const rgc_cuda_code *code, rgc_diagnostics *diags) {
  return code->call_count && rgc_cuda_card_cublas(card, diags) ? CUDA_CUBLAS_WORKSPACE_BYTES + code->rounded_bytes : 0;
}

/* ---- what a product is ---- */

static int data_type(const rgc_value *value) { return value->dtype == RGC_BF16 ? CUDA_R_16BF : CUDA_R_32F; }

/* Where an operand lies: its value's place, or where it is rounded to. */
static CUdeviceptr place_operand(const rgc_cuda_program *p, rgc_cuda_product *product, int side, int value) {
  const rgc_cuda_call *call = product->call;
  if (!call->round[side].blocks) return p->data[value];
  CUdeviceptr to = p->workspace + CUDA_CUBLAS_WORKSPACE_BYTES + (CUdeviceptr)call->rounded_offset_bytes[side];
  product->round[side] = (kernel_args){.operands = {(const float *)p->data[value]}, .outputs = {(float *)to}, .step = (const kernel_step *)p->step};
  return to;
}

static uint32_t alignment_of(CUdeviceptr at) {
  uint32_t bytes = MOST_ALIGNMENT;
  while (at % bytes) bytes /= 2;
  return bytes;
}

static const char *print_key(const rgc_cuda_program *p, const rgc_cuda_product *product) {
  const rgc_matmul *m = &product->call->product;
  return rgc_arena_printf(p->arena, "%s %c%c %lldx%lldx%lld %s%s%s%s align %u %u %u %u", rgc_precision_word(p->graph->precision), m->right_transposed ? 'T' : 'N',
                          m->left_transposed ? 'T' : 'N', (long long)m->cols, (long long)m->rows, (long long)m->depth,
                          p->graph->values[m->output].dtype == RGC_BF16 ? "bf16" : "f32", m->relu ? " relu" : "", m->bias >= 0 ? " bias" : "",
                          m->addend >= 0 ? " add" : "", alignment_of(product->a), alignment_of(product->b), alignment_of(product->c), alignment_of(product->d));
}

/* ---- descriptors ---- */

/* A diagnostic's severity, and what a call was for. */
typedef struct checker {
  const rgc_cublas *cublas;
  rgc_severity severity;
  const char *of;
  rgc_diagnostics *diags;
} checker;

static bool check(const checker *c, int status, const char *call) { return rgc_cublas_check(c->cublas, status, c->severity, call, c->of, c->diags); }
#define CUBLAS(c, name, ...) check(c, (c)->cublas->name(__VA_ARGS__), #name)

static bool set(const checker *c, cublasLtMatmulDesc_t desc, int attribute, const void *from, size_t size_bytes) {
  return CUBLAS(c, cublasLtMatmulDescSetAttribute, desc, attribute, from, size_bytes);
}

static bool describe_epilogue(const checker *c, const rgc_cuda_program *p, const rgc_cuda_product *product) {
  const rgc_matmul *m = &product->call->product;
  uint32_t epilogue = (m->relu ? CUBLASLT_EPILOGUE_RELU : 0) | (m->bias >= 0 ? CUBLASLT_EPILOGUE_BIAS : 0);
  if (!epilogue) epilogue = CUBLASLT_EPILOGUE_DEFAULT;
  if (!set(c, product->desc, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue, sizeof epilogue)) return false;
  if (m->bias < 0) return true;
  const void *bias = (const void *)p->data[m->bias];
  int32_t type = data_type(&p->graph->values[m->bias]);
  return set(c, product->desc, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias, sizeof bias) &&
         set(c, product->desc, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, &type, sizeof type);
}

static bool make_layout(const checker *c, cublasLtMatrixLayout_t *made, int type, int64_t rows, int64_t cols) {
  return CUBLAS(c, cublasLtMatrixLayoutCreate, made, type, (uint64_t)rows, (uint64_t)cols, rows);
}

static bool describe(const checker *c, const rgc_cuda_program *p, rgc_cuda_product *product) {
  const rgc_matmul *m = &product->call->product;
  rgc_precision precision = p->graph->precision;
  int32_t transpose_a = m->right_transposed ? CUBLAS_OP_T : CUBLAS_OP_N, transpose_b = m->left_transposed ? CUBLAS_OP_T : CUBLAS_OP_N;
  int compute = precision == RGC_PRECISION_TF32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F, type = precision == RGC_PRECISION_BF16 ? CUDA_R_16BF : CUDA_R_32F;
  return CUBLAS(c, cublasLtMatmulDescCreate, &product->desc, compute, CUDA_R_32F) &&
         set(c, product->desc, CUBLASLT_MATMUL_DESC_TRANSA, &transpose_a, sizeof transpose_a) &&
         set(c, product->desc, CUBLASLT_MATMUL_DESC_TRANSB, &transpose_b, sizeof transpose_b) && describe_epilogue(c, p, product) &&
         make_layout(c, &product->a_layout, type, m->right_transposed ? m->depth : m->cols, m->right_transposed ? m->cols : m->depth) &&
         make_layout(c, &product->b_layout, type, m->left_transposed ? m->rows : m->depth, m->left_transposed ? m->depth : m->rows) &&
         make_layout(c, &product->d_layout, data_type(&p->graph->values[m->output]), m->cols, m->rows);
}

static void forget(const rgc_cublas *cublas, const rgc_cuda_product *product) {
  if (product->desc) cublas->cublasLtMatmulDescDestroy(product->desc);
  if (product->a_layout) cublas->cublasLtMatrixLayoutDestroy(product->a_layout);
  if (product->b_layout) cublas->cublasLtMatrixLayoutDestroy(product->b_layout);
  if (product->d_layout) cublas->cublasLtMatrixLayoutDestroy(product->d_layout);
}

/* ---- algorithms ---- */

/* Whether sums are added in one order and in float32: of split sums only those that a kernel of its own adds up. */
static bool repeats(const rgc_cublas *cublas, const cublasLtMatmulAlgo_t *algo) {
  int parts = rgc_cublas_algorithm_fact(cublas, algo, CUBLASLT_ALGO_CONFIG_SPLITK_NUM);
  int scheme = rgc_cublas_algorithm_fact(cublas, algo, CUBLASLT_ALGO_CONFIG_REDUCTION_SCHEME);
  return scheme == CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE || (scheme == CUBLASLT_REDUCTION_SCHEME_NONE && parts <= 1);
}

static bool prefer(const checker *c, cublasLtMatmulPreference_t preference, const rgc_cuda_product *product) {
  const CUdeviceptr at[] = {product->a, product->b, product->c, product->d};
  uint64_t workspace_bytes = CUDA_CUBLAS_WORKSPACE_BYTES;
  uint32_t schemes = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
  bool good = CUBLAS(c, cublasLtMatmulPreferenceSetAttribute, preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace_bytes, sizeof workspace_bytes) &&
              CUBLAS(c, cublasLtMatmulPreferenceSetAttribute, preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &schemes, sizeof schemes);
  for (int i = 0; i < 4 && good; i++) {
    uint32_t bytes = alignment_of(at[i]);
    good = CUBLAS(c, cublasLtMatmulPreferenceSetAttribute, preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES + i, &bytes, sizeof bytes);
  }
  return good;
}

/* False where cuBLAS was asked wrongly; that it has no algorithm is no mistake. */
static bool ask(const checker *c, const rgc_cuda_product *product, cublasLtMatmulHeuristicResult_t *results, int *count) {
  cublasLtMatmulPreference_t preference = NULL;
  *count = 0;
  bool good = CUBLAS(c, cublasLtMatmulPreferenceCreate, &preference) && prefer(c, preference, product);
  if (good) {
    int status = c->cublas->cublasLtMatmulAlgoGetHeuristic(c->cublas->handle, product->desc, product->a_layout, product->b_layout, product->d_layout,
                                                           product->d_layout, preference, CUDA_CUBLAS_MOST_ALGORITHMS, results, count);
    if (status == CUBLAS_STATUS_NOT_SUPPORTED) *count = 0;
    else good = check(c, status, "cublasLtMatmulAlgoGetHeuristic");
  }
  if (preference) c->cublas->cublasLtMatmulPreferenceDestroy(preference);
  return good;
}

/* A refusal is a warning: the op has a kernel of rgc's own. */
static checker warn(const rgc_cuda_program *p, const rgc_cuda_product *product, rgc_diagnostics *diags) {
  return (checker){&p->card->cublas, RGC_WARNING, product->of, diags};
}

int rgc_cuda_product_candidates(const rgc_cuda_program *p, const rgc_cuda_product *product, rgc_cublas_choice found[CUDA_CUBLAS_MOST_ALGORITHMS],
                                rgc_diagnostics *diags) {
  cublasLtMatmulHeuristicResult_t results[CUDA_CUBLAS_MOST_ALGORITHMS];
  checker c = warn(p, product, diags);
  int asked = 0, count = 0;
  if (!ask(&c, product, results, &asked)) return -1;
  for (int i = 0; i < asked; i++)
    if (results[i].state == CUBLAS_STATUS_SUCCESS && results[i].workspaceSize <= CUDA_CUBLAS_WORKSPACE_BYTES && repeats(&p->card->cublas, &results[i].algo))
      found[count++] = (rgc_cublas_choice){.algo = results[i].algo, .workspace_bytes = results[i].workspaceSize};
  return count;
}

/* Whether cuBLAS still takes what was recorded. */
static bool is_valid(const rgc_cuda_program *p, const rgc_cuda_product *product, const rgc_cublas_choice *choice) {
  const rgc_cublas *cublas = &p->card->cublas;
  cublasLtMatmulHeuristicResult_t result;
  return choice->own || (!cublas->cublasLtMatmulAlgoCheck(cublas->handle, product->desc, product->a_layout, product->b_layout, product->d_layout,
                                                          product->d_layout, &choice->algo, &result) &&
                         result.workspaceSize <= choice->workspace_bytes && choice->workspace_bytes <= CUDA_CUBLAS_WORKSPACE_BYTES && repeats(cublas, &choice->algo));
}

static void choose(const rgc_cuda_program *p, rgc_cuda_product *product, bool preferred, rgc_cublas_record *record, rgc_diagnostics *diags) {
  rgc_cublas_choice found[CUDA_CUBLAS_MOST_ALGORITHMS];
  if (rgc_cublas_record_find(record, product->key, &product->choice)) {
    if (is_valid(p, product, &product->choice)) return;
    rgc_diag_add(diags, RGC_WARNING, RGC_CODE_DEVICE, (rgc_location){0}, "cuBLAS does not take the algorithm that is recorded for %s", product->of)->help =
        "another is chosen, and results may differ in their last bits from those before";
  }
  product->choice = (rgc_cublas_choice){.own = true};
  if (!preferred) return;
  int count = rgc_cuda_product_candidates(p, product, found, diags);
  if (count > 0) product->choice = found[0];
  if (count >= 0) rgc_cublas_record_set(record, product->key, &product->choice, &p->card->cublas);
}

/* ---- a program's ---- */

static rgc_cuda_product *make_product(rgc_cuda_program *p, int op) {
  const rgc_cuda_call *call = p->code->calls[op];
  const rgc_matmul *m = &call->product;
  rgc_cuda_product *product = RGC_NEW(p->arena, rgc_cuda_product);
  *product = (rgc_cuda_product){.call = call, .of = rgc_arena_printf(p->arena, "the product of %s", rgc_cuda_name_op(p, op, p->arena)), .choice = {.own = true}};
  product->b = place_operand(p, product, 0, m->left);
  product->a = place_operand(p, product, 1, m->right);
  product->d = p->data[m->output];
  product->c = m->addend >= 0 ? p->data[m->addend] : product->d;
  product->key = print_key(p, product);
  return product;
}

bool rgc_cuda_products_open(rgc_cuda_program *p, rgc_diagnostics *diags) {
  bool preferred = p->target->facts.library_precisions >> p->graph->precision & 1;
  if (!p->code->call_count || !rgc_cuda_card_cublas(p->card, diags)) return true;
  rgc_cublas_record *record = rgc_cuda_card_record(p->card, diags);
  if (!record) return false;
  p->products = RGC_NEW_ARRAY(p->arena, rgc_cuda_product *, p->graph->op_count + 1);
  for (int i = 0; i < p->graph->op_count; i++) {
    if (!p->code->calls[i]) continue;
    rgc_cuda_product *product = p->products[i] = make_product(p, i);
    checker c = warn(p, product, diags);
    if (describe(&c, p, product)) choose(p, product, preferred, record, diags);
  }
  return rgc_cublas_record_write(record, diags);
}

void rgc_cuda_products_close(rgc_cuda_program *p) {
  for (int i = 0; p->products && i < p->graph->op_count; i++)
    if (p->products[i]) forget(&p->card->cublas, p->products[i]);
}

/* Rows of samples that do not count are computed, and nobody reads them; but in a sum over samples they would count. */
const rgc_cuda_product *rgc_cuda_product_of(const rgc_cuda_program *p, int op, bool full) {
  const rgc_cuda_product *product = p->products ? p->products[op] : NULL;
  return product && !product->choice.own && (full || !product->call->product.sums_samples) ? product : NULL;
}

bool rgc_cuda_product_launch(rgc_cuda_program *p, const rgc_cuda_product *product, const rgc_cublas_choice *choice, rgc_diagnostics *diags) {
  const float one = 1, beta = product->call->product.addend >= 0 ? 1 : 0;
  checker c = {&p->card->cublas, RGC_ERROR, product->of, diags};
  for (int side = 0; side < 2; side++)
    if (product->call->round[side].blocks && !rgc_cuda_program_launch(p, &product->call->round[side], (void *)&product->round[side], diags)) return false;
  p->card->asked++;
  return CUBLAS(&c, cublasLtMatmul, c.cublas->handle, product->desc, &one, (const void *)product->a, product->a_layout, (const void *)product->b, product->b_layout,
                &beta, (const void *)product->c, product->d_layout, (void *)product->d, product->d_layout, &choice->algo, (void *)p->workspace,
                choice->workspace_bytes, p->card->compute) &&
         rgc_cuda_program_wait_each(p, product->of, diags);
}
