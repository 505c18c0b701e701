/* emit_kernel.c: see emit_kernel.h. */
#include "codegen/cpu/emit_kernel.h"

rgc_print_space rgc_cpu_emit_space(const int64_t extent[RGC_AXES], bool out) {
  rgc_print_space space = {.extent = extent, .coord = {"n", "h", "w", "c"}, .lane_axis = RGC_C};
  static const char *const a[RGC_AXES] = {"args->a_n", "args->a_h", "args->a_w", "args->a_c"};
  static const char *const y[RGC_AXES] = {"args->out_n", "args->out_h", "args->out_w", "args->out_c"};
  for (int j = 0; j < RGC_AXES; j++) space.extent_name[j] = out ? y[j] : a[j];
  return space;
}

void rgc_cpu_emit_head(rgc_kernel_text *k, int lanes) {
  rgc_text_printf(&k->text, "#define CONTRACT_LANES %d\n", lanes);
  rgc_text_add(&k->text, "#include \"codegen/cpu/templates/vector.h\"\n"
                         "#include \"codegen/cpu/templates/contract_slab.h\"\n"
                         "#include \"codegen/cpu/templates/expression.h\"\n"
                         "#include \"codegen/cpu/templates/partial.h\"\n"
                         "#include \"codegen/cpu/templates/loop.h\"\n\n");
}

static void print_store(rgc_kernel_text *k, const rgc_print_space *space, const rgc_store *store) {
  static const char *const words[RGC_DTYPE_COUNT] = {[RGC_F32] = "vec_store_part(", [RGC_I32] = "vec_store_i32((__INT32_TYPE__ *)",
                                                     [RGC_U8] = "vec_store_u8((__UINT8_TYPE__ *)"};
  int number = rgc_output_number(k->op, store->value);
  rgc_text_printf(&k->text, "  %sargs->outputs[%d] + ", words[k->graph->values[store->value].dtype], number);
  rgc_print_point(space, &k->text);
  rgc_text_printf(&k->text, ", x%d, count);\n", store->node);
}

void rgc_cpu_emit_stores(rgc_kernel_text *k, const rgc_print_space *space) {
  const rgc_kernel *kernel = k->op->kernel;
  int partial = 0;
  for (int i = 0; i < kernel->store_count; i++) {
    const rgc_store *store = &kernel->stores[i];
    if (rgc_store_is_partial(store->kind)) rgc_text_printf(&k->text, "  partial[%d] = x%d;\n", partial++, store->node);
    else if (store->kind == RGC_STORE) print_store(k, space, store);
  }
}

void rgc_cpu_emit_side_stores(rgc_kernel_text *k, const rgc_print_space *space) {
  const rgc_kernel *kernel = k->op->kernel;
  for (int i = 0; i < kernel->store_count; i++)
    if (kernel->stores[i].kind == RGC_SIDE_STORE) print_store(k, space, &kernel->stores[i]);
}

/* Nodes of the stores that are side stores, or of those that are not. */
static int collect_nodes(const rgc_kernel *kernel, bool side, int *nodes) {
  int count = 0;
  for (int i = 0; i < kernel->store_count; i++)
    if ((kernel->stores[i].kind == RGC_SIDE_STORE) == side) nodes[count++] = kernel->stores[i].node;
  return count;
}

void rgc_cpu_emit_epilogue_nodes(rgc_kernel_text *k, const rgc_print_space *space, const char *acc) {
  const rgc_kernel *kernel = k->op->kernel;
  rgc_body_text body = {.graph = k->graph, .op = k->op, .body = kernel->epi, .space = *space, .acc = acc};
  int *roots = RGC_NEW_ARRAY(k->arena, int, kernel->store_count + 1);
  rgc_print_nodes(&body, roots, collect_nodes(kernel, false, roots), &k->text);
}

void rgc_cpu_emit_side_nodes(rgc_kernel_text *k, const rgc_print_space *space) {
  const rgc_kernel *kernel = k->op->kernel;
  rgc_body_text body = {.graph = k->graph, .op = k->op, .body = kernel->a, .space = *space};
  int *roots = RGC_NEW_ARRAY(k->arena, int, kernel->store_count + 1), count = collect_nodes(kernel, true, roots);
  roots[count++] = kernel->a_roots[0];
  rgc_print_nodes(&body, roots, count, &k->text);
}

int rgc_cpu_emit_partials(rgc_kernel_text *k, const char *prefix) {
  static const char *const words[] = {[RGC_PARTIAL_SUM] = "CONTRACT_SUM", [RGC_PARTIAL_MAX] = "CONTRACT_MAX",
                                      [RGC_PARTIAL_MOMENTS] = "CONTRACT_MOMENTS"};
  const rgc_kernel *kernel = k->op->kernel;
  int count = 0;
  rgc_text kinds = {0};
  for (int i = 0; i < kernel->store_count; i++) {
    rgc_store_kind kind = kernel->stores[i].kind;
    if (rgc_store_is_partial(kind)) rgc_text_printf(&kinds, "%s%s", count++ ? ", " : "", words[kind]);
  }
  rgc_text_printf(&k->text, "#define %s_PARTIALS %d\n#define %s_PARTIAL_KINDS {%s}\n", prefix, count, prefix,
                  count ? kinds.chars : "0");
  rgc_text_free(&kinds);
  return count;
}
