/* survey_diff.c: two networks against each other; see survey.h.
 *
 * Layers, tensors and kernels are lists of (name, text): entries of one name are paired in order, and a pair differs where the texts
 * do. Layers and tensors are those of the composite graphs; kernels those of compiled programs, a kernel's text being its canonical
 * lines without the graph file's line, so that equal means: emitted as the same code for the same values. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/graph/graph_text.h"
#include "compiler/passes/cost.h"
#include "compiler/pipeline.h"
#include "compiler/plan/plan.h"
#include "compiler/survey.h"

typedef struct entry {
  const char *name, *text;
  int64_t weight; /* of a tensor: elements */
  int mate;       /* its partner in the other list, -1: none */
} entry;

typedef struct entries {
  entry *items;
  int count, capacity;
} entries;

typedef struct side {
  const char *path;
  rgc_network *network;
  rgc_graph *graph; /* composite, batch 1 */
  int64_t params, macs;
} side;

typedef struct differ {
  rgc_arena *arena;
  const rgc_survey *options;
  rgc_text *out;
  rgc_diagnostics *diags;
  side a, b;
} differ;

/* ---- pairing ---- */

static void add(differ *d, entries *list, const char *name, const char *text, int64_t weight) {
  *RGC_PUSH(d->arena, list->items, list->count, list->capacity) = (entry){name, text, weight, -1};
}

typedef struct ranked {
  const char *name;
  int at;
} ranked;

static int compare_ranked(const void *a, const void *b) {
  const ranked *x = a, *y = b;
  int order = strcmp(x->name, y->name);
  return order ? order : x->at - y->at;
}

static ranked *rank(differ *d, const entries *list) {
  ranked *r = RGC_NEW_ARRAY(d->arena, ranked, list->count + 1);
  for (int i = 0; i < list->count; i++) r[i] = (ranked){list->items[i].name, i};
  qsort(r, (size_t)list->count, sizeof *r, compare_ranked);
  return r;
}

/* The k-th entry of a name with the k-th of that name in the other list. */
static void pair(differ *d, entries *a, entries *b) {
  const ranked *x = rank(d, a), *y = rank(d, b);
  for (int i = 0, j = 0; i < a->count && j < b->count;) {
    int order = strcmp(x[i].name, y[j].name);
    if (!order) {
      a->items[x[i].at].mate = y[j].at;
      b->items[y[j].at].mate = x[i].at;
    }
    i += order <= 0;
    j += order >= 0;
  }
}

typedef struct tally {
  int same, changed, only_a, only_b;
} tally;

static bool differs(const entries *b, const entry *e) { return strcmp(e->text, b->items[e->mate].text) != 0; }

static tally count(const entries *a, const entries *b) {
  tally t = {0};
  for (int i = 0; i < a->count; i++) {
    const entry *e = &a->items[i];
    if (e->mate < 0) t.only_a++;
    else if (differs(b, e)) t.changed++;
    else t.same++;
  }
  for (int i = 0; i < b->count; i++) t.only_b += b->items[i].mate < 0;
  return t;
}

static void print_tally(differ *d, const char *what, tally t) {
  rgc_text_printf(d->out, "%s: %d the same, %d changed, %d only in %s, %d only in %s\n", what, t.same, t.changed, t.only_a, d->a.network->name,
                  t.only_b, d->b.network->name);
}

static void print_only_b(differ *d, const entries *b, int *from, int to) {
  for (; *from < to; (*from)++)
    if (b->items[*from].mate < 0) rgc_text_printf(d->out, "  + %-32s %s\n", b->items[*from].name, b->items[*from].text);
}

/* In a's order, what only b has before the next that both have: - only in a, + only in b, ~ changed. */
static void print_entries(differ *d, const entries *a, const entries *b) {
  int next = 0;
  for (int i = 0; i < a->count; i++) {
    const entry *e = &a->items[i];
    if (e->mate >= next) print_only_b(d, b, &next, e->mate);
    if (e->mate < 0) rgc_text_printf(d->out, "  - %-32s %s\n", e->name, e->text);
    else if (differs(b, e)) rgc_text_printf(d->out, "  ~ %-32s %s  =>  %s\n", e->name, e->text, b->items[e->mate].text);
  }
  print_only_b(d, b, &next, b->count);
}

/* ---- layers ---- */

/* "conv 3x3 stride=2 pad=1 [C,H,W], 147456 parameters" */
static const char *layer_text(const rgc_graph *graph, const rgc_op *op, rgc_arena *arena) {
  rgc_text text = {0};
  int64_t params = 0;
  rgc_text_add(&text, op->word && *op->word ? op->word : rgc_op_info_of(op->kind)->word);
  for (int i = 0; i < op->input_count; i++) {
    const rgc_value *v = &graph->values[op->inputs[i]];
    if (v->role == RGC_ROLE_PARAM && v->torch_rank >= 3) rgc_text_printf(&text, " %dx%d", (int)v->shape[1], (int)v->shape[2]);
    if (v->role == RGC_ROLE_PARAM) params += rgc_shape_elems(v->shape);
  }
  for (int i = 0; i < RGC_ATTR_COUNT; i++)
    if (op->attr[i] != rgc_attribute_defaults[i])
      rgc_text_printf(&text, " %s=%.9g", rgc_attribute_word((rgc_attribute)i), op->attr[i]);
  const int64_t *y = graph->values[op->outputs[0]].shape;
  rgc_text_printf(&text, " [%" PRId64 ",%" PRId64 ",%" PRId64 "]", y[RGC_C], y[RGC_H], y[RGC_W]);
  if (params) rgc_text_printf(&text, ", %" PRId64 " parameters", params);
  return rgc_text_take(&text, arena);
}

static entries layers_of(differ *d, const rgc_graph *graph) {
  entries list = {0};
  for (int i = 0; i < graph->op_count; i++)
    add(d, &list, graph->ops[i].layer, layer_text(graph, &graph->ops[i], d->arena), 0);
  return list;
}

static void diff_layers(differ *d) {
  entries a = layers_of(d, d->a.graph), b = layers_of(d, d->b.graph);
  pair(d, &a, &b);
  print_tally(d, "\nlayers", count(&a, &b));
  print_entries(d, &a, &b);
}

/* ---- weights ---- */

static entries tensors_of(differ *d, const rgc_graph *graph) {
  entries list = {0};
  for (int i = 0; i < graph->value_count; i++) {
    const rgc_value *v = &graph->values[i];
    if (v->role != RGC_ROLE_PARAM && v->role != RGC_ROLE_BUFFER) continue;
    int64_t shape[RGC_TENSOR_MAX_RANK];
    int rank_of = rgc_torch_shape(v, shape);
    rgc_text text = {0};
    for (int k = 0; k < rank_of; k++) rgc_text_printf(&text, "%s%" PRId64, k ? "," : "[", shape[k]);
    rgc_text_add(&text, "]");
    add(d, &list, v->name, rgc_text_take(&text, d->arena), rgc_shape_elems(v->shape));
  }
  return list;
}

/* Elements of b's tensors that a has under the same name and in the same shape. */
static void diff_weights(differ *d) {
  entries a = tensors_of(d, d->a.graph), b = tensors_of(d, d->b.graph);
  pair(d, &a, &b);
  int64_t carried = 0, all = 0;
  for (int i = 0; i < b.count; i++) {
    const entry *e = &b.items[i];
    all += e->weight;
    if (e->mate >= 0 && !differs(&a, e)) carried += e->weight;
  }
  tally t = count(&a, &b);
  rgc_text_printf(d->out, "\nweights: of %d tensors that %s has, %d carry over from %s by name and shape (%" PRId64 " of %" PRId64 " elements, %.1f %%)\n",
                  b.count, d->b.network->name, t.same, d->a.network->name, carried, all, all ? 100 * (double)carried / (double)all : 100);
  print_entries(d, &a, &b);
}

/* ---- programs ---- */

static entries kernels_of(differ *d, const rgc_graph *graph) {
  entries list = {0};
  for (int i = 0; i < graph->op_count; i++) {
    rgc_op op = graph->ops[i];
    op.line = 0;
    rgc_text text = {0};
    rgc_op_print(graph, &op, &text);
    const char *name = rgc_arena_printf(d->arena, "%s %s%s", op.layer && *op.layer ? op.layer : "-", rgc_kernel_words[op.kernel->kind],
                                        op.backward ? " backward" : "");
    add(d, &list, name, rgc_text_take(&text, d->arena), 0);
  }
  return list;
}

/* Bytes of all that kernels read and write, each operand once a kernel. */
static int64_t traffic_bytes(const rgc_graph *graph) {
  int64_t total = 0;
  for (int i = 0; i < graph->op_count; i++) total += rgc_op_bytes(graph, &graph->ops[i]);
  return total;
}

static void print_bytes(differ *d, const char *what, int64_t a, int64_t b) {
  rgc_text_printf(d->out, "  %-18s %10.1f MB  =>  %10.1f MB  (%+.1f)\n", what, (double)a * 1e-6, (double)b * 1e-6, (double)(b - a) * 1e-6);
}

static rgc_compilation *compile(differ *d, side *s, rgc_program_kind kind, int64_t batch) {
  rgc_diagnostics diags;
  rgc_diagnostics_init(&diags, d->arena);
  rgc_compile_options o = {.kind = kind, .batch = batch, .target = d->options->target, .memory_bytes = RGC_UNLIMITED};
  rgc_compilation *c = rgc_compile(s->network, &o, d->arena, &diags);
  if (!c) rgc_text_printf(d->out, "\n%s of %s: %s\n", rgc_program_word(kind), s->network->name, diags.count ? diags.items[0].message : "cannot be compiled");
  return c;
}

static void print_kernel_names(differ *d, const entries *a, const entries *b) {
  for (int i = 0; i < a->count; i++) {
    const entry *e = &a->items[i];
    if (e->mate < 0) rgc_text_printf(d->out, "  - %s\n", e->name);
    else if (differs(b, e)) rgc_text_printf(d->out, "  ~ %s\n", e->name);
  }
  for (int i = 0; i < b->count; i++)
    if (b->items[i].mate < 0) rgc_text_printf(d->out, "  + %s\n", b->items[i].name);
}

static void diff_program(differ *d, rgc_program_kind kind, int64_t batch) {
  static const char *const regions[RGC_REGION_COUNT] = {"parameters", "optimizer state", "folded", "activations"};
  const rgc_compilation *a = compile(d, &d->a, kind, batch), *b = a ? compile(d, &d->b, kind, batch) : NULL;
  if (!b) return;
  rgc_text_printf(d->out, "\n%s, batch %" PRId64 ", %s: %d kernels => %d\n", rgc_program_word(kind), batch, d->options->target->name,
                  a->graph->op_count, b->graph->op_count);
  for (int r = 0; r < RGC_REGION_COUNT; r++)
    if (a->memory->region_bytes[r] > RGC_SPARE_BYTES || b->memory->region_bytes[r] > RGC_SPARE_BYTES)
      print_bytes(d, regions[r], a->memory->region_bytes[r], b->memory->region_bytes[r]);
  print_bytes(d, "all of them", rgc_memory_bytes(a->memory), rgc_memory_bytes(b->memory));
  print_bytes(d, "read and written", traffic_bytes(a->graph), traffic_bytes(b->graph));
  entries x = kernels_of(d, a->graph), y = kernels_of(d, b->graph);
  pair(d, &x, &y);
  print_tally(d, "  kernels", count(&x, &y));
  if (d->options->every_kernel) print_kernel_names(d, &x, &y);
}

/* ---- all of it ---- */

static bool load(differ *d, side *s) {
  s->network = rgc_network_load(d->arena, s->path, d->options->overrides, d->options->override_count, d->diags);
  s->graph = s->network ? rgc_network_build(s->network, 1, false, d->diags) : NULL;
  if (!s->graph) return false;
  s->params = s->network->params;
  s->macs = s->network->macs;
  return true;
}

static void print_heads(differ *d) {
  const rgc_network *a = d->a.network, *b = d->b.network;
  rgc_text_printf(d->out, "%s (%s) => %s (%s)\n", a->name, d->a.path, b->name, d->b.path);
  rgc_text_printf(d->out, "  %-18s [%" PRId64 ",%" PRId64 ",%" PRId64 "] => [%" PRId64 ",%" PRId64 ",%" PRId64 "]\n", "input [C,H,W]", a->channels,
                  a->height, a->width, b->channels, b->height, b->width);
  rgc_text_printf(d->out, "  %-18s %" PRId64 " => %" PRId64 "  (%+" PRId64 ")\n", "parameters", d->a.params, d->b.params, d->b.params - d->a.params);
  rgc_text_printf(d->out, "  %-18s %" PRId64 " => %" PRId64 "  (%+" PRId64 ")\n", "MACs a sample", d->a.macs, d->b.macs, d->b.macs - d->a.macs);
}

bool rgc_survey_diff(const char *path_a, const char *path_b, const rgc_survey *options, rgc_text *out, rgc_diagnostics *diags) {
  differ d = {.arena = diags->arena, .options = options, .out = out, .diags = diags, .a = {.path = path_a}, .b = {.path = path_b}};
  bool good = load(&d, &d.a);
  if (!load(&d, &d.b) || !good) return false;
  print_heads(&d);
  diff_layers(&d);
  diff_weights(&d);
  diff_program(&d, RGC_PROGRAM_TRAIN, options->batch);
  diff_program(&d, RGC_PROGRAM_INFER, 1);
  return true;
}
