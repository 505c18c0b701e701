/* standalone_print.c: see standalone_print.h. Members that are 0 are left out. */
#include "codegen/standalone/standalone_print.h"

#include <inttypes.h>

#include "codegen/cpu/templates/contract_args.h"

/* Numbers of the two kinds of arguments, by their names. */
#define LOOP_NUMBERS(X)                                                                                                \
  X(out_n) X(out_h) X(out_w) X(out_c) X(a_n) X(a_h) X(a_w) X(a_c) X(samples) X(tile_rows) X(tile_images) X(tile_c)
#define CONTRACT_NUMBERS(X)                                                                                            \
  X(a_h) X(a_w) X(a_c) X(out_h) X(out_w) X(out_c) X(groups) X(kernel_h) X(kernel_w) X(stride) X(pad) X(dilation)       \
  X(transposed) X(row_taps) X(row_width) X(row_pad) X(row_step) X(row_floats) X(direct) X(direct_operand) X(tile_rows) \
  X(tile_images) X(tile_panels) X(panels_together) X(tile_out_blocks)                                                  \
  X(tile_in_panels) X(group_a) X(group_out) X(out_step) X(a_step) X(slab_step) X(origin_h) X(origin_w) X(slab_rows)    \
  X(slab_cols) X(residue_count) X(stream_count) X(b_stream_count)

/* A number that is not in its list would be 0 in the program that is exported. Of weight gradients alone: parts, and shared. */
#define X(field) +1
_Static_assert(sizeof(kernel_args) == sizeof(common_args) + sizeof(int64_t) * (0 LOOP_NUMBERS(X)), "LOOP_NUMBERS are all numbers of kernel_args");
_Static_assert(sizeof(contract_args) == sizeof(common_args) + sizeof(int64_t) * (1 CONTRACT_NUMBERS(X) + 2 * CONTRACT_MAX_STREAMS) +
                                            CONTRACT_MAX_RESIDUES * sizeof(contract_residue) + CONTRACT_MAX_TAPS * sizeof(contract_tap) + 2 * sizeof(float *),
               "CONTRACT_NUMBERS are all numbers of contract_args");
#undef X

static int64_t weight_offset(rgc_standalone_printing *p, int value, int64_t size_bytes) {
  rgc_standalone *made = p->made;
  if (!p->weight_numbers[value]) {
    *RGC_PUSH(p->arena, made->weights, made->weight_count, made->weight_capacity) = (rgc_standalone_weight){value, made->weight_bytes, size_bytes};
    made->weight_bytes += size_bytes;
    p->weight_numbers[value] = made->weight_count;
  }
  return made->weights[p->weight_numbers[value] - 1].offset_bytes;
}

const char *rgc_standalone_place(rgc_standalone_printing *p, int value) {
  const rgc_place *place = &p->source->memory->places[value];
  if (place->region == RGC_REGION_ACT) return rgc_arena_printf(p->arena, "workspace + %" PRId64, place->offset_bytes / 4);
  return rgc_arena_printf(p->arena, "%s_weights + %" PRId64, p->made->name, weight_offset(p, value, place->size_bytes) / 4);
}

static const char *bound(rgc_standalone_printing *p, const void *at) { return rgc_standalone_place(p, (int)((const char *)at - p->marks)); }

/* `  .operands = {workspace + 16, net_weights + 0},` */
static void print_places(rgc_standalone_printing *p, const char *name, const float *const *list, int count, rgc_text *out) {
  for (int i = 0; i < count; i++) {
    if (i) rgc_text_add(out, ", ");
    else rgc_text_printf(out, "  .%s = {", name);
    rgc_text_add(out, bound(p, list[i]));
  }
  if (count) rgc_text_add(out, "},\n");
}

static void print_number(const char *name, int64_t number, rgc_text *out) {
  if (number) rgc_text_printf(out, " .%s = %" PRId64 ",", name, number);
}

static void print_list(const char *name, const int64_t *numbers, int64_t count, rgc_text *out) {
  for (int64_t i = 0; i < count; i++) {
    if (i) rgc_text_add(out, ", ");
    else rgc_text_printf(out, "  .%s = {", name);
    rgc_text_printf(out, "%" PRId64, numbers[i]);
  }
  if (count > 0) rgc_text_add(out, "},\n");
}

static void print_contract(rgc_standalone_printing *p, const contract_args *args, rgc_text *out) {
  rgc_text_add(out, " ");
#define X(field) print_number(#field, args->field, out);
  CONTRACT_NUMBERS(X)
#undef X
  rgc_text_add(out, "\n  .residues = {");
  int64_t taps = 0;
  for (int64_t i = 0; i < args->residue_count; i++) {
    const contract_residue *r = &args->residues[i];
    rgc_text_printf(out, "%s{%" PRId64 ", %" PRId64 ", %" PRId64 ", %" PRId64 "}", i ? ", " : "", r->first_tap, r->tap_count, r->first_h, r->first_w);
    taps += r->tap_count;
  }
  rgc_text_add(out, "},\n  .taps = {");
  for (int64_t i = 0; i < taps; i++)
    rgc_text_printf(out, "%s{%" PRId64 ", %" PRId64 ", %" PRId64 "}", i ? ", " : "", args->taps[i].row, args->taps[i].a, args->taps[i].weight);
  rgc_text_add(out, "},\n");
  print_list("streams", args->streams, args->stream_count, out);
  print_list("b_streams", args->b_streams, args->b_stream_count, out);
  if (args->weight) rgc_text_printf(out, "  .weight = %s,\n", bound(p, args->weight));
}

static void print_loop(const kernel_args *args, rgc_text *out) {
  rgc_text_add(out, " ");
#define X(field) print_number(#field, args->field, out);
  LOOP_NUMBERS(X)
#undef X
  rgc_text_add(out, "\n");
}

static int count_partials(const rgc_kernel *kernel) {
  int count = 0;
  for (int i = 0; i < kernel->store_count; i++) count += rgc_store_is_partial(kernel->stores[i].kind);
  return count;
}

void rgc_standalone_print_args(rgc_standalone_printing *p, int number, rgc_text *out) {
  const rgc_op *op = &p->source->graph->ops[number];
  const rgc_cpu_launch *launch = &p->code->launches[number];
  const common_args *args = launch->args;
  int64_t valid = launch->valid_per_sample ? p->source->graph->batch * launch->valid_per_sample : args->valid;
  rgc_text_printf(out, "static const %s args_%d = {\n  .valid = %" PRId64 ", .scalars = scalars,\n", launch->contract ? "contract_args" : "kernel_args",
                  number, valid);
  print_places(p, "operands", args->operands, op->input_count, out);
  print_places(p, "outputs", (const float *const *)args->outputs, op->output_count, out);
  print_places(p, "partials", (const float *const *)args->partials, count_partials(op->kernel), out);
  if (launch->contract) print_contract(p, launch->args, out);
  else print_loop(launch->args, out);
  rgc_text_add(out, "};\n");
}
