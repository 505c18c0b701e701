/* emit_kernel.c: see emit_kernel.h. */
#include "codegen/cuda/emit_kernel.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

rgc_print_space rgc_cuda_space(const int64_t extent[RGC_AXES], const char *prefix, rgc_arena *arena) {
  static const char axes[RGC_AXES] = {'N', 'H', 'W', 'C'};
  rgc_print_space space = {.extent = extent, .coord = {"n", "h", "w", "c"}, .lane_axis = RGC_NO_LANES};
  for (int j = 0; j < RGC_AXES; j++) space.extent_name[j] = rgc_arena_printf(arena, "%s_%c", prefix, axes[j]);
  return space;
}

void rgc_cuda_emit_head(rgc_cuda_text *k) {
  rgc_text_add(&k->text, "#include \"codegen/cuda/templates/expression.cuh\"\n#include \"codegen/cuda/templates/partial.cuh\"\n"
                         "#include \"codegen/cuda/templates/combine.cuh\"\n#include \"codegen/cuda/templates/contract.cuh\"\n\n#define KERNEL_NAME @\n");
}

void rgc_cuda_define(rgc_cuda_text *k, const char *name, int64_t number) {
  rgc_text_printf(&k->text, "#define %s %" PRId64 "\n", name, number);
}

void rgc_cuda_define_space(rgc_cuda_text *k, const char *prefix, const int64_t extent[RGC_AXES], bool samples) {
  rgc_print_space names = rgc_cuda_space(extent, prefix, k->arena);
  for (int j = 0; j < RGC_AXES; j++) rgc_cuda_define(k, names.extent_name[j], extent[j]);
  rgc_text_printf(&k->text, "#define %s_SAMPLES %d\n", prefix, samples);
}

static int64_t common_divisor(int64_t a, int64_t b) { return b ? common_divisor(b, a % b) : a; }

void rgc_cuda_define_geometry(rgc_cuda_text *k) {
  const rgc_geometry *g = &k->op->kernel->geometry;
  rgc_cuda_define(k, "KERNEL_H", g->kernel_h);
  rgc_cuda_define(k, "KERNEL_W", g->kernel_w);
  rgc_cuda_define(k, "STRIDE", g->stride);
  rgc_cuda_define(k, "PAD", g->pad);
  rgc_cuda_define(k, "DILATION", g->dilation);
  rgc_cuda_define(k, "GROUPS", g->groups);
  rgc_cuda_define(k, "TRANSPOSED", g->transposed);
  rgc_cuda_define(k, "TAP_STEP", g->transposed ? g->stride / common_divisor(g->stride, g->dilation) : 1);
}

void rgc_cuda_define_tiles(rgc_cuda_text *k, int64_t rows, int64_t images) {
  rgc_cuda_define(k, "TILE_ROWS", rows);
  rgc_cuda_define(k, "TILE_IMAGES", rows ? 0 : images);
}

static int output_number(const rgc_op *op, int value) {
  for (int i = 0; i < op->output_count; i++)
    if (op->outputs[i] == value) return i;
  rgc_internal_error("codegen", "value %d is no output of op %d", value, op->id);
}

static void print_store(rgc_cuda_text *k, const rgc_print_space *space, const rgc_store *store) {
  static const char *const arrays[RGC_DTYPE_COUNT] = {[RGC_F32] = "args->outputs[%d]", [RGC_I32] = "((int *)args->outputs[%d])",
                                                      [RGC_U8] = "((unsigned char *)args->outputs[%d])"};
  static const char *const casts[RGC_DTYPE_COUNT] = {[RGC_F32] = "", [RGC_I32] = "(int)", [RGC_U8] = "(unsigned char)"};
  rgc_dtype dtype = k->graph->values[store->value].dtype;
  rgc_text_add(&k->text, "  ");
  rgc_text_printf(&k->text, arrays[dtype], output_number(k->op, store->value));
  rgc_text_add(&k->text, "[");
  rgc_print_point(space, &k->text);
  rgc_text_printf(&k->text, "] = %sx%d;\n", casts[dtype], store->node);
}

/* A body and the stores of its nodes: those of stage a (side), or of the epilogue. */
static void print_body(rgc_cuda_text *k, const rgc_print_space *space, bool side, bool acc) {
  const rgc_kernel *kernel = k->op->kernel;
  rgc_body_text body = {.graph = k->graph, .op = k->op, .body = side ? kernel->a : kernel->epi, .space = *space, .acc = acc ? "acc" : NULL};
  int *roots = RGC_NEW_ARRAY(k->arena, int, kernel->store_count + 1), count = 0, partial = 0;
  for (int i = 0; i < kernel->store_count; i++)
    if ((kernel->stores[i].kind == RGC_SIDE_STORE) == side) roots[count++] = kernel->stores[i].node;
  rgc_text_printf(&k->text, "#define KERNEL_BODY @_body\nDEV void @_body(const kernel_args *args, int n, int h, int w, int c, %sfloat *partial) {\n",
                  acc ? "const float *acc, " : "");
  rgc_print_nodes(&body, roots, count, &k->text);
  for (int i = 0; i < kernel->store_count; i++) {
    if ((kernel->stores[i].kind == RGC_SIDE_STORE) != side) continue;
    if (rgc_store_is_partial(kernel->stores[i].kind)) rgc_text_printf(&k->text, "  partial[%d] = x%d;\n", partial++, kernel->stores[i].node);
    else print_store(k, space, &kernel->stores[i]);
  }
  rgc_text_add(&k->text, "}\n");
}

void rgc_cuda_emit_body(rgc_cuda_text *k, const rgc_print_space *space, bool acc) { print_body(k, space, false, acc); }
void rgc_cuda_emit_side_body(rgc_cuda_text *k, const rgc_print_space *space) { print_body(k, space, true, false); }

int rgc_cuda_emit_partials(rgc_cuda_text *k) {
  static const char *const words[] = {[RGC_PARTIAL_SUM] = "PARTIAL_SUM", [RGC_PARTIAL_MAX] = "PARTIAL_MAX", [RGC_PARTIAL_MOMENTS] = "PARTIAL_MOMENTS"};
  const rgc_kernel *kernel = k->op->kernel;
  int count = 0;
  rgc_text kinds = {0}, outputs = {0};
  for (int i = 0; i < kernel->store_count; i++) {
    const rgc_store *store = &kernel->stores[i];
    if (!rgc_store_is_partial(store->kind)) continue;
    rgc_text_printf(&kinds, "%s%s", count ? ", " : "", words[store->kind]);
    rgc_text_printf(&outputs, "%s%d", count++ ? ", " : "", output_number(k->op, store->value));
  }
  rgc_cuda_define(k, "KERNEL_PARTIALS", count);
  if (count) rgc_text_printf(&k->text, "#define KERNEL_PARTIAL_KINDS {%s}\n#define KERNEL_PARTIAL_OUTPUTS {%s}\n", kinds.chars, outputs.chars);
  rgc_text_free(&kinds);
  rgc_text_free(&outputs);
  return count <= CUDA_MAX_PARTIALS ? count : -1;
}

void rgc_cuda_emit_combines(rgc_cuda_text *k) {
  static const char *const words[] = {[RGC_COMBINE_SUM] = "COMBINE_SUM", [RGC_COMBINE_MAX] = "COMBINE_MAX",
                                      [RGC_COMBINE_ARGMAX] = "COMBINE_ARGMAX", [RGC_COMBINE_MERGE] = "COMBINE_MERGE"};
  const rgc_kernel *kernel = k->op->kernel;
  rgc_cuda_define(k, "ACCS", kernel->acc_count);
  rgc_text_add(&k->text, "#define COMBINES {");
  for (int i = 0; i < kernel->acc_count; i++) rgc_text_printf(&k->text, "%s%s", i ? ", " : "", words[kernel->combine[i]]);
  rgc_text_add(&k->text, "}\n");
}

void rgc_cuda_emit_roots(rgc_cuda_text *k, const char *name) {
  const rgc_kernel *kernel = k->op->kernel;
  rgc_body_text body = {.graph = k->graph, .op = k->op, .body = kernel->a, .space = rgc_cuda_space(kernel->a_extent, "A", k->arena)};
  rgc_text_printf(&k->text, "DEV void @_%s(const kernel_args *args, int n, int h, int w, int c, float *root) {\n", name);
  if (kernel->a) rgc_print_nodes(&body, kernel->a_roots, kernel->a_root_count, &k->text);
  for (int i = 0; i < kernel->a_root_count; i++) rgc_text_printf(&k->text, "  root[%d] = x%d;\n", i, kernel->a_roots[i]);
  rgc_text_add(&k->text, "}\n");
}

void rgc_cuda_emit_root(rgc_cuda_text *k, const char *name, const rgc_body *body, int root, const rgc_print_space *space) {
  rgc_body_text text = {.graph = k->graph, .op = k->op, .body = body, .space = *space};
  rgc_text_printf(&k->text, "DEV float @_%s(const kernel_args *args, int n, int h, int w, int c) {\n", name);
  rgc_print_nodes(&text, &root, 1, &k->text);
  rgc_text_printf(&k->text, "  return x%d;\n}\n", root);
}

void rgc_cuda_launch_template(rgc_cuda_text *k, const char *name, int64_t blocks, int threads, int64_t shared_bytes) {
  rgc_cuda_code *code = k->code;
  rgc_text_printf(&k->text, "#include \"codegen/cuda/templates/%s.cuh\"\n", name);
  rgc_cuda_launch *launch = RGC_PUSH(k->arena, code->launches, code->launch_count, code->launch_capacity);
  *launch = (rgc_cuda_launch){.op = k->op->id, .blocks = blocks, .threads = threads, .shared_bytes = shared_bytes};
  bool heavy = k->op->kernel->kind == RGC_CONTRACT && strcmp(name, "contract_merge") && strcmp(name, "map");
  launch->function = rgc_function_intern(&code->functions, &code->function_count, &code->function_capacity, &k->text, k->op, heavy, k->arena);
  code->functions[launch->function].template_name = name;
  rgc_text_free(&k->text);
  k->text = (rgc_text){0};
}

int rgc_cuda_power_of_two(int64_t number, int most) {
  int power = 1;
  while (power < number && power < most) power *= 2;
  return power;
}
