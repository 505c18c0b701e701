/* emit_step.c: kernels that are not an op's own: of a step, and before a library's product (step_guard.cuh, step_pixels.cuh, round_bf16.cuh in templates/). */
#include "codegen/cuda/emit_kernel.h"

enum { THREADS = 256, MOST_BLOCKS = 4096, ELEMS_A_THREAD = 4, ALIGN_BYTES = 256 };

/* The launch of a text with the names that `template_name` asks for, which it is completed by; `of` is for the comment. */
static rgc_cuda_launch make_launch(rgc_cuda_code *code, rgc_text *text, const char *template_name, const rgc_op *of, int64_t blocks, int threads,
                                   rgc_arena *arena) {
  rgc_text_printf(text, "#include \"codegen/cuda/templates/%s.cuh\"\n", template_name);
  rgc_cuda_launch launch = {.op = -1, .blocks = blocks, .threads = threads};
  launch.function = rgc_function_intern(&code->functions, &code->function_count, &code->function_capacity, text, of, false, arena);
  code->functions[launch.function].template_name = template_name;
  rgc_text_free(text);
  return launch;
}

static const char head[] = "#include \"codegen/cuda/templates/expression.cuh\"\n\n#define KERNEL_NAME @\n";

/* Of a kernel whose threads take every n-th of `elems` numbers. */
static int64_t count_blocks(int64_t elems) {
  int64_t blocks = (elems + THREADS * ELEMS_A_THREAD - 1) / (THREADS * ELEMS_A_THREAD);
  return blocks < MOST_BLOCKS ? blocks : MOST_BLOCKS;
}

rgc_cuda_launch rgc_cuda_emit_guard(rgc_cuda_code *code, rgc_arena *arena) {
  rgc_text text = {0};
  rgc_text_add(&text, head);
  return make_launch(code, &text, "step_guard", &(rgc_op){.layer = "step", .word = "guard"}, 1, 1, arena);
}

rgc_cuda_launch rgc_cuda_emit_step_pixels(rgc_cuda_code *code, const rgc_value *input, rgc_arena *arena) {
  rgc_text text = {0};
  int64_t elems = rgc_shape_elems(input->shape);
  rgc_text_printf(&text, "%s#define IMAGE_ELEMS %lld\n#define CHANNELS %lld\n", head,
                  (long long)(elems / input->shape[RGC_N]), (long long)input->shape[RGC_C]);
  return make_launch(code, &text, "step_pixels", &(rgc_op){.layer = "step", .word = "pixels"}, count_blocks(elems), THREADS, arena);
}

/* An operand of a product of bf16 that is float32 in memory is rounded behind what was rounded before. Returns the bytes of all. */
static int64_t round_operand(rgc_cuda_text *k, rgc_cuda_call *call, int side, int value, int64_t at) {
  const rgc_value *v = &k->graph->values[value];
  int64_t elems = rgc_shape_elems(v->shape);
  if (k->graph->precision != RGC_PRECISION_BF16 || v->dtype == RGC_BF16) return at;
  rgc_text text = {0};
  rgc_text_printf(&text, "%s#define ELEMS %lld\n", head, (long long)elems);
  call->round[side] = make_launch(k->code, &text, "round_bf16", k->op, count_blocks(elems), THREADS, k->arena);
  call->rounded_offset_bytes[side] = at;
  return at + (elems * rgc_dtype_bytes(RGC_BF16) + ALIGN_BYTES - 1) / ALIGN_BYTES * ALIGN_BYTES;
}

const rgc_cuda_call *rgc_cuda_emit_call(rgc_cuda_text *k) {
  rgc_matmul product;
  if (!rgc_matmul_find(k->graph, k->op, &k->target->facts, &product)) return NULL;
  rgc_cuda_call *call = RGC_NEW(k->arena, rgc_cuda_call);
  call->product = product;
  int64_t bytes = round_operand(k, call, 1, product.right, round_operand(k, call, 0, product.left, 0));
  if (k->code->rounded_bytes < bytes) k->code->rounded_bytes = bytes;
  k->code->call_count++;
  return call;
}
