/* emit_step.c: kernels of a step that are of no op (step_guard.cuh, step_pixels.cuh in templates/). */
#include "codegen/cuda/emit_kernel.h"

enum { THREADS = 256, MOST_BLOCKS = 4096, ELEMS_A_THREAD = 4 };

/* The launch of a text with the names that `template_name` asks for, which it is completed by; `what` is for the comment. */
static rgc_cuda_launch make_launch(rgc_cuda_code *code, rgc_text *text, const char *template_name, const char *what, int64_t blocks, int threads,
                                   rgc_arena *arena) {
  rgc_text_printf(text, "#include \"codegen/cuda/templates/%s.cuh\"\n", template_name);
  rgc_op step = {.layer = "step", .word = what};
  rgc_cuda_launch launch = {.op = -1, .blocks = blocks, .threads = threads};
  launch.function = rgc_function_intern(&code->functions, &code->function_count, &code->function_capacity, text, &step, false, arena);
  code->functions[launch.function].template_name = template_name;
  rgc_text_free(text);
  return launch;
}

static const char head[] = "#include \"codegen/cuda/templates/expression.cuh\"\n\n#define KERNEL_NAME @\n";

rgc_cuda_launch rgc_cuda_emit_guard(rgc_cuda_code *code, rgc_arena *arena) {
  rgc_text text = {0};
  rgc_text_add(&text, head);
  return make_launch(code, &text, "step_guard", "guard", 1, 1, arena);
}

rgc_cuda_launch rgc_cuda_emit_step_pixels(rgc_cuda_code *code, const rgc_value *input, rgc_arena *arena) {
  rgc_text text = {0};
  int64_t elems = rgc_shape_elems(input->shape), blocks = (elems + THREADS * ELEMS_A_THREAD - 1) / (THREADS * ELEMS_A_THREAD);
  rgc_text_printf(&text, "%s#define IMAGE_ELEMS %lld\n#define CHANNELS %lld\n", head,
                  (long long)(elems / input->shape[RGC_N]), (long long)input->shape[RGC_C]);
  return make_launch(code, &text, "step_pixels", "pixels", blocks < MOST_BLOCKS ? blocks : MOST_BLOCKS, THREADS, arena);
}
