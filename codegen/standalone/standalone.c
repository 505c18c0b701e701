/* standalone.c: see standalone.h. Most texts are templates (templates/NAME.in), in which @WORD@ stands for one of the words set here. */
#include "codegen/standalone/standalone.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "codegen/cpu/templates.h"
#include "codegen/standalone/standalone_print.h"
#include "codegen/standalone/templates.h"

static const char template_folder[] = "codegen/cpu/templates/";
static const int64_t max_static_bytes = INT64_C(1900) << 20; /* what code of the usual model reaches */

/* ---- texts ---- */

static const char *replace(const char *text, const char *from, const char *to, rgc_arena *arena) {
  rgc_text out = {0};
  for (const char *found; (found = strstr(text, from)); text = found + strlen(from)) {
    rgc_text_add_bytes(&out, text, (size_t)(found - text));
    rgc_text_add(&out, to);
  }
  rgc_text_add(&out, text);
  return rgc_text_take(&out, arena);
}

typedef struct word {
  const char *name, *text;
} word;

typedef struct words {
  word *items;
  int count, capacity;
  rgc_arena *arena;
} words;

static void set_text(words *w, const char *name, const char *text) { *RGC_PUSH(w->arena, w->items, w->count, w->capacity) = (word){name, text}; }

static void set_number(words *w, const char *name, int64_t number) { set_text(w, name, rgc_arena_printf(w->arena, "%" PRId64, number)); }

/* The word at `at`, which begins with @; NULL: it is another @. */
static const word *word_at(const words *w, const char *at, size_t *length) {
  for (int i = 0; i < w->count; i++) {
    *length = strlen(w->items[i].name);
    if (!strncmp(at + 1, w->items[i].name, *length) && at[1 + *length] == '@') return &w->items[i];
  }
  return NULL;
}

static const char *fill(const words *w, const char *template) {
  rgc_text out = {0};
  for (const char *at = template; *at;) {
    size_t plain = strcspn(at, "@"), length = 0;
    rgc_text_add_bytes(&out, at, plain);
    at += plain;
    const word *found = *at ? word_at(w, at, &length) : NULL;
    if (found) rgc_text_add(&out, found->text), at += length + 2;
    else if (*at) rgc_text_add_bytes(&out, at++, 1);
  }
  return rgc_text_take(&out, w->arena);
}

/* ---- names ---- */

/* The name with '_' for what no identifier has; not one that a file beside it has. */
static const char *identifier(const char *name, rgc_arena *arena) {
  const char *prefix = isdigit((unsigned char)*name) || !*name || !strcmp(name, "main") ? "net_" : "";
  char *made = rgc_arena_printf(arena, "%s%s", prefix, name);
  for (char *at = made; *at; at++)
    if (!isalnum((unsigned char)*at)) *at = '_';
  return made;
}

static const char *upper(const char *name, rgc_arena *arena) {
  char *made = rgc_arena_strdup(arena, name);
  for (char *at = made; *at; at++) *at = (char)toupper((unsigned char)*at);
  return made;
}

/* "output", or of several "species_logits", which is no word of C. */
static const char *parameter(const rgc_standalone_source *s, int output, rgc_arena *arena) {
  return s->output_count == 1 ? "output" : rgc_arena_printf(arena, "%s_logits", identifier(s->outputs[output].name, arena));
}

static bool check_names(const rgc_standalone_source *s, rgc_arena *arena, rgc_diagnostics *diags) {
  for (int i = 0; i < s->output_count; i++)
    for (int k = 0; k < i; k++)
      if (!strcmp(parameter(s, i, arena), parameter(s, k, arena)))
        return rgc_diag_fail(diags, RGC_CODE_BAD_VALUE, NULL, "rename one of them", "outputs '%s' and '%s' have the same name in C",
                             s->outputs[k].name, s->outputs[i].name);
  return true;
}

/* ---- files ---- */

static void add_file(rgc_standalone *made, const char *path, const char *text, rgc_arena *arena) {
  *RGC_PUSH(arena, made->files, made->file_count, made->file_capacity) = (rgc_standalone_file){path, text};
}

static bool has_file(const rgc_standalone *made, const char *path) {
  for (int i = 0; i < made->file_count; i++)
    if (!strcmp(made->files[i].path, path)) return true;
  return false;
}

/* In kernels/ the files include each other by their bare names. */
static const char *with_near_includes(const char *text, rgc_arena *arena) {
  return replace(text, rgc_arena_printf(arena, "\"%s", template_folder), "\"", arena);
}

static void add_template(rgc_standalone *made, const char *name, rgc_arena *arena);

/* The templates that a text includes, and those that they do. */
static void add_includes(rgc_standalone *made, const char *text, rgc_arena *arena) {
  const char *before = rgc_arena_printf(arena, "#include \"%s", template_folder);
  for (const char *at = text; (at = strstr(at, before));) {
    at += strlen(before);
    add_template(made, rgc_arena_strndup(arena, at, strcspn(at, "\"")), arena);
  }
}

static void add_template(rgc_standalone *made, const char *name, rgc_arena *arena) {
  const char *path = rgc_arena_printf(arena, "kernels/%s", name);
  if (has_file(made, path)) return;
  for (int i = 0; i < rgc_cpu_template_count; i++) {
    if (strcmp(rgc_cpu_templates[i].name, name)) continue;
    add_file(made, path, with_near_includes(rgc_cpu_templates[i].text, arena), arena);
    add_includes(made, rgc_cpu_templates[i].text, arena);
    return;
  }
  rgc_internal_error("standalone", "there is no template %s", name);
}

static const char *kernel_name(const rgc_standalone_printing *p, int function) {
  return rgc_arena_printf(p->arena, "%s_%s", p->made->name, p->code->functions[function].name);
}

static void add_kernel(rgc_standalone_printing *p, int function) {
  const char *macro = p->source->target->macro, *name = kernel_name(p, function);
  const char *guard = macro ? rgc_arena_printf(p->arena, "#ifndef %s\n#error \"compile with %s, as the Makefile does\"\n#endif\n", macro,
                                               p->source->target->flags) : "";
  rgc_text text = {0};
  rgc_function_print(&p->code->functions[function], &text);
  add_includes(p->made, rgc_text_chars(&text), p->arena);
  const char *near = with_near_includes(replace(rgc_text_chars(&text), p->code->functions[function].name, name, p->arena), p->arena);
  rgc_text_free(&text);
  const char *path = rgc_arena_printf(p->arena, "kernels/%s.c", p->code->functions[function].name);
  add_file(p->made, path, rgc_arena_printf(p->arena, "%s%s", guard, near), p->arena);
}

static void add_filled(rgc_standalone *made, const words *w, const char *template, const char *path) {
  for (int i = 0; i < rgc_standalone_template_count; i++)
    if (!strcmp(rgc_standalone_templates[i].name, template)) add_file(made, path, fill(w, rgc_standalone_templates[i].text), w->arena);
}

/* ---- words ---- */

static void set_shapes(words *w, const rgc_standalone_printing *p) {
  const rgc_standalone_source *s = p->source;
  const rgc_value *input = &s->graph->values[s->input];
  set_text(w, "NAME", p->made->name);
  set_text(w, "UPPER", upper(p->made->name, w->arena));
  set_text(w, "TARGET", s->target->facts.name);
  set_text(w, "FLAGS", rgc_arena_printf(w->arena, RGC_CPU_KERNEL_FLAGS "%s%s", *s->target->flags ? " " : "", s->target->flags));
  set_text(w, "INPUT_NOTE", replace(s->input_note, "\n", "\n * ", w->arena));
  set_number(w, "BATCH", input->shape[RGC_N]);
  set_number(w, "HEIGHT", input->shape[RGC_H]);
  set_number(w, "WIDTH", input->shape[RGC_W]);
  set_number(w, "CHANNELS", input->shape[RGC_C]);
  set_number(w, "INPUT_FLOAT", s->memory->places[s->input].offset_bytes / 4);
  set_number(w, "INPUT_FLOATS", rgc_shape_elems(input->shape));
  set_number(w, "WORKSPACE_FLOATS", s->memory->region_bytes[RGC_REGION_ACT] / 4);
  set_text(w, "WORKSPACE_MB", rgc_arena_printf(w->arena, "%.1f", (double)p->made->workspace_bytes * 1e-6));
  set_number(w, "SLAB_BYTES", (p->code->slab_bytes + 4095) / 4096 * 4096 + 4096);
}

static void set_outputs(words *w, rgc_standalone_printing *p) {
  const rgc_standalone_source *s = p->source;
  rgc_text lines = {0}, parameters = {0}, copies = {0}, table = {0}, arguments = {0};
  for (int i = 0; i < s->output_count; i++) {
    const rgc_value *v = &s->graph->values[s->outputs[i].value];
    const char *name = parameter(s, i, w->arena), *between = i ? ", " : "";
    int64_t floats = rgc_shape_elems(v->shape), image = floats / v->shape[RGC_N];
    rgc_text_printf(&lines, " *   %s  float32 [%" PRId64 "][%" PRId64 "]%s\n", name, v->shape[RGC_N], image, i ? "" : ": image, class");
    rgc_text_printf(&parameters, "%sfloat *%s", between, name);
    rgc_text_printf(&copies, "  memcpy(%s, %s, sizeof(float) * %" PRId64 ");\n", name, rgc_standalone_place(p, v->id), floats);
    rgc_text_printf(&table, "%s{\"%s\", %" PRId64 "}", between, s->output_count > 1 ? identifier(s->outputs[i].name, w->arena) : "logits", image);
    rgc_text_printf(&arguments, "%slogits[%d]", between, i);
  }
  set_text(w, "OUTPUT_LINES", rgc_text_take(&lines, w->arena));
  set_text(w, "PARAMETERS", rgc_text_take(&parameters, w->arena));
  set_text(w, "OUTPUT_COPIES", rgc_text_take(&copies, w->arena));
  set_text(w, "OUTPUT_TABLE", rgc_text_take(&table, w->arena));
  set_text(w, "ARGUMENT_LIST", rgc_text_take(&arguments, w->arena));
  set_text(w, "LINE_NOTE", s->output_count > 1 ? " and output, its name first" : "");
  set_number(w, "OUTPUT_COUNT", s->output_count);
}

static void set_steps(words *w, rgc_standalone_printing *p) {
  const rgc_graph *graph = p->source->graph;
  rgc_text declarations = {0}, arguments = {0}, steps = {0}, scalars = {0};
  for (int i = 0; i < p->code->function_count; i++) rgc_text_printf(&declarations, "extern kernel %s;\n", kernel_name(p, i));
  for (int i = 0; i < graph->op_count; i++) {
    const rgc_op *op = &graph->ops[i];
    rgc_standalone_print_args(p, i, &arguments);
    rgc_text_printf(&steps, "    {%s, &args_%d, %" PRId64 "}, /* %s %s */\n", kernel_name(p, p->code->launches[i].function), i,
                    p->code->launches[i].tile_count, op->layer && *op->layer ? op->layer : "-", op->word ? op->word : "");
  }
  for (int i = 0; i < RGC_SCALAR_COUNT; i++) rgc_text_printf(&scalars, "%s%.9g", i ? ", " : "", (double)p->source->scalars[i]);
  set_text(w, "DECLARATIONS", rgc_text_take(&declarations, w->arena));
  set_text(w, "ARGUMENTS", rgc_text_take(&arguments, w->arena));
  set_text(w, "STEPS", rgc_text_take(&steps, w->arena));
  set_text(w, "SCALARS", rgc_text_take(&scalars, w->arena));
}

static void add_files(rgc_standalone_printing *p) {
  rgc_standalone *made = p->made;
  words w = {.arena = p->arena};
  set_shapes(&w, p);
  set_steps(&w, p);
  set_outputs(&w, p);
  add_filled(made, &w, "Makefile.in", "Makefile");
  add_filled(made, &w, "main.c.in", "main.c");
  add_filled(made, &w, "network.h.in", rgc_arena_printf(p->arena, "%s.h", made->name));
  add_filled(made, &w, "network.c.in", rgc_arena_printf(p->arena, "%s.c", made->name));
  add_filled(made, &w, "weights.c.in", rgc_arena_printf(p->arena, "%s_weights.c", made->name));
  add_template(made, "contract_args.h", p->arena);
  for (int i = 0; i < p->code->function_count; i++) add_kernel(p, i);
}

/* The arguments of each launch point to marks, from which the printer knows the values. */
static void bind_marks(rgc_standalone_printing *p) {
  const rgc_graph *graph = p->source->graph;
  char *marks = RGC_NEW_ARRAY(p->arena, char, graph->value_count + 1);
  void **data = RGC_NEW_ARRAY(p->arena, void *, graph->value_count + 1);
  for (int v = 0; v < graph->value_count; v++) data[v] = marks + v;
  for (int i = 0; i < graph->op_count; i++) rgc_cpu_launch_bind(&p->code->launches[i], &graph->ops[i], data, NULL);
  p->marks = marks;
}

static bool fits(const rgc_standalone *made, int64_t batch, rgc_diagnostics *diags) {
  int64_t bytes = made->workspace_bytes + made->weight_bytes;
  if (bytes <= max_static_bytes) return true;
  return rgc_diag_fail(diags, RGC_CODE_MEMORY, NULL, "give a smaller --batch", "batch %" PRId64 " takes %.1f MB of static memory, of which a C program has %.1f",
                       batch, (double)bytes * 1e-6, (double)max_static_bytes * 1e-6);
}

rgc_standalone *rgc_standalone_emit(const rgc_standalone_source *source, rgc_arena *arena, rgc_diagnostics *diags) {
  const rgc_graph *graph = source->graph;
  rgc_standalone *made = RGC_NEW(arena, rgc_standalone);
  made->name = identifier(graph->name, arena);
  rgc_cpu_code *code = rgc_cpu_emit(graph, source->target, arena, diags);
  if (!code || !check_names(source, arena, diags)) return NULL;
  rgc_standalone_printing p = {.source = source, .made = made, .code = code, .arena = arena,
                               .weight_numbers = RGC_NEW_ARRAY(arena, int, graph->value_count + 1)};
  made->workspace_bytes = source->memory->region_bytes[RGC_REGION_ACT] + code->slab_bytes;
  made->kernel_count = code->function_count;
  bind_marks(&p);
  add_files(&p);
  made->weight_bytes += RGC_SPARE_BYTES;
  return fits(made, graph->batch, diags) ? made : NULL;
}
