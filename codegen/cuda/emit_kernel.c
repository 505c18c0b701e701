/* emit_kernel.c: see emit_kernel.h. */
#include "codegen/cuda/emit_kernel.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "codegen/cuda/contract_maps.h"

rgc_print_space rgc_cuda_space(const int64_t extent[RGC_AXES], const char *prefix, rgc_arena *arena) {
  static const char axes[RGC_AXES] = {'N', 'H', 'W', 'C'};
  rgc_print_space space = {.extent = extent, .coord = {"n", "h", "w", "c"}, .lane_axis = RGC_NO_LANES};
  for (int j = 0; j < RGC_AXES; j++) space.extent_name[j] = rgc_arena_printf(arena, "%s_%c", prefix, axes[j]);
  return space;
}

rgc_print_space rgc_cuda_rows(rgc_print_space space, int row) {
  space.row = row;
  if (row > 1) space.coord[RGC_C] = "(c + i)";
  return space;
}

/* Whether the op changes a value that outlives the step. */
static bool updates(const rgc_cuda_text *k) {
  for (int i = 0; i < k->op->output_count; i++)
    if (k->graph->values[k->op->outputs[i]].updates >= 0) return true;
  return false;
}

void rgc_cuda_define(rgc_cuda_text *k, const char *name, int64_t number) {
  rgc_text_printf(&k->text, "#define %s %" PRId64 "\n", name, number);
}

void rgc_cuda_emit_head(rgc_cuda_text *k) {
  rgc_text_add(&k->text, "#include \"codegen/cuda/templates/expression.cuh\"\n#include \"codegen/cuda/templates/partial.cuh\"\n"
                         "#include \"codegen/cuda/templates/combine.cuh\"\n#include \"codegen/cuda/templates/contract.cuh\"\n\n#define KERNEL_NAME @\n");
  rgc_cuda_define(k, "KERNEL_UPDATES", updates(k));
}

void rgc_cuda_define_space(rgc_cuda_text *k, const char *prefix, const int64_t extent[RGC_AXES], bool samples) {
  rgc_print_space names = rgc_cuda_space(extent, prefix, k->arena);
  for (int j = 0; j < RGC_AXES; j++) rgc_cuda_define(k, names.extent_name[j], extent[j]);
  rgc_text_printf(&k->text, "#define %s_SAMPLES %d\n", prefix, samples);
}

void rgc_cuda_define_geometry(rgc_cuda_text *k) {
  const rgc_geometry *g = &k->op->kernel->geometry;
  rgc_cuda_define(k, "KERNEL_H", g->kernel_h);
  rgc_cuda_define(k, "KERNEL_W", g->kernel_w);
  rgc_cuda_define(k, "STRIDE", g->stride);
  rgc_cuda_define(k, "PAD", g->pad);
  rgc_cuda_define(k, "STRIDE_W", g->stride_w);
  rgc_cuda_define(k, "PAD_W", g->pad_w);
  rgc_cuda_define(k, "DILATION", g->dilation);
  rgc_cuda_define(k, "GROUPS", g->groups);
  rgc_cuda_define(k, "TRANSPOSED", g->transposed);
  rgc_cuda_define(k, "TAP_STEP", rgc_cuda_tap_step(g));
}

void rgc_cuda_define_tiles(rgc_cuda_text *k, int64_t rows, int64_t images) {
  rgc_cuda_define(k, "TILE_ROWS", rows);
  rgc_cuda_define(k, "TILE_IMAGES", rows ? 0 : images);
}

/* How a number becomes an element of a type. */
typedef struct element_words {
  const char *array;         /* format of the number of an output */
  const char *before, *after; /* around the number */
  const char *row;           /* of rows; NULL: element by element */
} element_words;

static const element_words words_of_type[RGC_DTYPE_COUNT] = {
    [RGC_F32] = {"args->outputs[%d]", "", "", "row_store_f32"},
    [RGC_BF16] = {"((u16 *)args->outputs[%d])", "bf_round(", ")", "row_store_bf16"},
    [RGC_I32] = {"((int *)args->outputs[%d])", "(int)", "", NULL},
    [RGC_U8] = {"((unsigned char *)args->outputs[%d])", "(unsigned char)", "", "row_store_u8"},
};

/* The node that is computed for a store: a store of bf16 rounds by itself. */
static int stored_node(const rgc_cuda_text *k, const rgc_body *body, const rgc_store *store) {
  bool rounds = !rgc_store_is_partial(store->kind) && k->graph->values[store->value].dtype == RGC_BF16 && body->nodes[store->node].kind == RGC_EXPR_BF16;
  return rounds ? body->nodes[store->node].arg[0] : store->node;
}

static void print_store(rgc_cuda_text *k, const rgc_print_space *space, const rgc_store *store, int node) {
  const element_words *words = &words_of_type[k->graph->values[store->value].dtype];
  rgc_text array = {0}, point = {0};
  rgc_text_printf(&array, words->array, rgc_output_number(k->op, store->value));
  rgc_print_point(space, &point);
  if (space->row > 1 && words->row) rgc_text_printf(&k->text, "  %s(%s + %s, x%d, %d);\n", words->row, array.chars, point.chars, node, space->row);
  else if (space->row > 1) rgc_text_printf(&k->text, "  EACH(%d) %s[%s + i] = %sx%d[i]%s;\n", space->row, array.chars, point.chars, words->before, node, words->after);
  else rgc_text_printf(&k->text, "  %s[%s] = %sx%d%s;\n", array.chars, point.chars, words->before, node, words->after);
  rgc_text_free(&array), rgc_text_free(&point);
}

void rgc_cuda_give(rgc_cuda_text *k, const char *array, int number, int node, int row) {
  if (row > 1) rgc_text_printf(&k->text, "  EACH(%d) %s[%d + i] = x%d[i];\n", row, array, number * row, node);
  else rgc_text_printf(&k->text, "  %s[%d] = x%d;\n", array, number, node);
}

/* A body and the stores of its nodes: those of stage a (side), or of the epilogue. */
static void print_body(rgc_cuda_text *k, const rgc_print_space *space, bool side, bool acc) {
  const rgc_kernel *kernel = k->op->kernel;
  rgc_body_text body = {.graph = k->graph, .op = k->op, .body = side ? kernel->a : kernel->epi, .space = *space, .acc = acc ? "acc" : NULL};
  int *roots = RGC_NEW_ARRAY(k->arena, int, kernel->store_count + 1), count = 0, partial = 0;
  for (int i = 0; i < kernel->store_count; i++)
    if ((kernel->stores[i].kind == RGC_SIDE_STORE) == side) roots[count++] = stored_node(k, body.body, &kernel->stores[i]);
  rgc_text_printf(&k->text, "#define KERNEL_BODY @_body\nDEV void @_body(const kernel_args *args, int n, int h, int w, int c, %sfloat *partial) {\n",
                  acc ? "const float *acc, " : "");
  rgc_print_nodes(&body, roots, count, &k->text);
  for (int i = 0; i < kernel->store_count; i++) {
    if ((kernel->stores[i].kind == RGC_SIDE_STORE) != side) continue;
    if (rgc_store_is_partial(kernel->stores[i].kind)) rgc_cuda_give(k, "partial", partial++, kernel->stores[i].node, space->row);
    else print_store(k, space, &kernel->stores[i], stored_node(k, body.body, &kernel->stores[i]));
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
    rgc_text_printf(&outputs, "%s%d", count++ ? ", " : "", rgc_output_number(k->op, store->value));
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

void rgc_cuda_emit_roots(rgc_cuda_text *k, const char *name, int row) {
  const rgc_kernel *kernel = k->op->kernel;
  rgc_body_text body = {.graph = k->graph, .op = k->op, .body = kernel->a, .space = rgc_cuda_rows(rgc_cuda_space(kernel->a_extent, "A", k->arena), row)};
  rgc_text_printf(&k->text, "DEV void @_%s(const kernel_args *args, int n, int h, int w, int c, float *root) {\n", name);
  if (kernel->a) rgc_print_nodes(&body, kernel->a_roots, kernel->a_root_count, &k->text);
  for (int i = 0; i < kernel->a_root_count; i++) rgc_cuda_give(k, "root", i, kernel->a_roots[i], row);
  rgc_text_add(&k->text, "}\n");
}

static void print_root_rows(rgc_cuda_text *k, const char *name, const rgc_body *body, int root, const int *streams, const rgc_print_space *space) {
  rgc_body_text text = {.graph = k->graph, .op = k->op, .body = body, .space = *space, .streams = streams};
  if (body->nodes[root].kind == RGC_EXPR_BF16) root = body->nodes[root].arg[0]; /* whoever calls it packs, and packing rounds */
  rgc_text_printf(&k->text, "DEV void @_%s(const kernel_args *args, int n, int h, int w, int c, %sfloat *row) {\n", name, streams ? "const float *raw, " : "");
  rgc_print_nodes(&text, &root, 1, &k->text);
  rgc_cuda_give(k, "row", 0, root, space->row);
  rgc_text_add(&k->text, "}\n");
}

void rgc_cuda_emit_root_rows(rgc_cuda_text *k, const char *name, const rgc_body *body, int root, const rgc_print_space *space) {
  print_root_rows(k, name, body, root, NULL, space);
}

void rgc_cuda_emit_root_streams(rgc_cuda_text *k, const char *name, const rgc_body *body, int root, const int *streams, const rgc_print_space *space) {
  print_root_rows(k, name, body, root, streams, space);
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
