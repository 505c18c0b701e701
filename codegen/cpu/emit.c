/* emit.c: see emit.h. Each op is printed by the rule of its kind; a text that was printed before is the same function. */
#include "codegen/cpu/emit.h"

#include <string.h>
#include <xxhash.h>

#include "codegen/cpu/emit_kernel.h"
#include "compiler/passes/decompose_samples.h"

enum { MOST_SERVED = 12 }; /* layers named in a comment */

/* The text with every @ replaced by the name. */
static char *with_name(const char *text, const char *name, rgc_arena *arena) {
  rgc_text out = {0};
  for (const char *at = text; *at;) {
    size_t length = strcspn(at, "@");
    rgc_text_add_bytes(&out, at, length);
    at += length;
    if (*at) rgc_text_add(&out, name), at++;
  }
  return rgc_text_take(&out, arena);
}

static int find_function(const rgc_cpu_code *code, const char *name) {
  for (int i = 0; i < code->function_count; i++)
    if (!strcmp(code->functions[i].name, name)) return i;
  return -1;
}

static void note_layer(rgc_cpu_function *function, const rgc_op *op) {
  if (++function->serve_count > MOST_SERVED) return;
  rgc_text_printf(&function->serves, "%s%s %s%s", function->serve_count > 1 ? ",\n *   " : "", op->layer && *op->layer ? op->layer : "-",
                  op->word ? op->word : "", op->backward ? " backward" : "");
  if (op->line) rgc_text_printf(&function->serves, " (line %d)", op->line);
}

static int intern(rgc_cpu_code *code, const rgc_kernel_text *k) {
  XXH128_hash_t hash = XXH3_128bits(k->text.chars, k->text.length);
  char *name = rgc_arena_printf(k->arena, "k%016llx", (unsigned long long)(hash.low64 ^ hash.high64));
  int found = find_function(code, name);
  if (found < 0) {
    found = code->function_count;
    rgc_cpu_function *made = RGC_PUSH(k->arena, code->functions, code->function_count, code->function_capacity);
    *made = (rgc_cpu_function){.name = name, .text = with_name(k->text.chars, name, k->arena), .heavy = k->launch->contract};
  }
  note_layer(&code->functions[found], k->op);
  return found;
}

static bool packs(const rgc_kernel_text *k) {
  return k->op->output_count == 1 && k->graph->values[k->op->outputs[0]].layout.kind != RGC_LAYOUT_NHWC;
}

/* No template writes what a prologue made. */
static bool has_side_stores(const rgc_kernel *kernel) {
  for (int i = 0; i < kernel->store_count; i++)
    if (kernel->stores[i].kind == RGC_SIDE_STORE) return true;
  return false;
}

static bool print_kernel(rgc_kernel_text *k) {
  const rgc_kernel *kernel = k->op->kernel;
  if (has_side_stores(kernel)) return false;
  switch (kernel->kind) {
    case RGC_MAP: return packs(k) ? rgc_cpu_emit_pack(k) : rgc_cpu_emit_map(k);
    case RGC_REDUCE: return rgc_cpu_emit_reduce(k);
    case RGC_WINDOW: return rgc_cpu_emit_window(k);
    case RGC_CONTRACT: return kernel->form == RGC_PIXELS ? rgc_cpu_emit_pixels(k) : rgc_cpu_emit_weights(k);
  }
  return false;
}

static void finish_comments(rgc_cpu_code *code, rgc_arena *arena) {
  for (int i = 0; i < code->function_count; i++) {
    rgc_cpu_function *f = &code->functions[i];
    if (f->serve_count > MOST_SERVED) rgc_text_printf(&f->serves, ",\n *   and %d more", f->serve_count - MOST_SERVED);
    f->comment = rgc_text_take(&f->serves, arena);
  }
}

rgc_cpu_code *rgc_cpu_emit(const rgc_graph *graph, const rgc_cpu_target *target, rgc_arena *arena, rgc_diagnostics *diags) {
  rgc_cpu_code *code = RGC_NEW(arena, rgc_cpu_code);
  const bool *samples = rgc_sample_values(graph, arena);
  bool good = true;
  code->launches = RGC_NEW_ARRAY(arena, rgc_cpu_launch, graph->op_count + 1);
  for (int i = 0; i < graph->op_count; i++) {
    rgc_kernel_text k = {.graph = graph, .op = &graph->ops[i], .target = target, .samples = samples, .arena = arena,
                         .launch = &code->launches[i]};
    if (print_kernel(&k)) k.launch->function = intern(code, &k);
    else good = rgc_diag_fail(diags, RGC_CODE_IR_INVALID, NULL, NULL, "op %d (%s): the kernel is beyond target %s", i, k.op->layer, target->facts.name);
    if (k.launch->slab_bytes > code->slab_bytes) code->slab_bytes = k.launch->slab_bytes;
    rgc_text_free(&k.text);
  }
  finish_comments(code, arena);
  return good ? code : NULL;
}

void rgc_cpu_print_function(const rgc_cpu_function *function, rgc_text *out) {
  rgc_text_printf(out, "/* Serves: %s */\n%s\n", function->comment, function->text);
}
