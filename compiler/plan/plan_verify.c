/* plan_verify.c: rgc_plan_verify (plan.h).
 *
 * The source is the measure: the network it describes is built again, and whatever a program shows to the outside (inputs, labels,
 * outputs, parameters, buffers) must be what that network has, so that whoever runs the program may size its data by the network.
 * Then every graph and memory plan passes its own verifier, and the tensors are those of the unfused graph. */
#include <inttypes.h>
#include <string.h>

#include "compiler/base/parallel.h"
#include "compiler/lang/lang.h"
#include "compiler/memory_keep.h"
#include "compiler/plan/plan.h"
#include "compiler/plan/plan_text.h"

static const int64_t max_batch = (int64_t)1 << 31;

typedef struct checker {
  const rgc_plan *plan;
  const char *name;
  rgc_arena *scratch;
  rgc_network *network; /* in the arena of the diagnostics, which may point into it */
  rgc_diagnostics *diags;
} checker;

static bool fail(const checker *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool fail(const checker *c, const char *format, ...) {
  va_list args;
  va_start(args, format);
  const char *message = rgc_arena_vprintf(c->scratch, format, args);
  va_end(args);
  return rgc_diag_fail(c->diags, RGC_CODE_PLAN_INVALID, c->name, "compile the network again", "%s", message);
}

/* The source. */

static bool check_source(checker *c) {
  if (!c->plan->source || !c->plan->line_map) return fail(c, "the plan has no source");
  c->network = rgc_network_parse(c->diags->arena, c->plan->source, c->plan->line_map, c->diags);
  if (!c->network) return fail(c, "the plan's source is no network");
  rgc_text source = {0}, map = {0};
  rgc_network_source(c->network, &source, &map);
  bool same = !strcmp(rgc_text_chars(&source), c->plan->source) && !strcmp(rgc_text_chars(&map), c->plan->line_map);
  rgc_text_free(&source);
  rgc_text_free(&map);
  return same || fail(c, "the plan's source or its line map is not as rgc prints it");
}

/* What a graph shows to the outside, against the network's own graph. */

static bool is_learnt(const rgc_value *v) { return v->op < 0 && (v->role == RGC_ROLE_PARAM || v->role == RGC_ROLE_BUFFER); }

static bool is_outside(const rgc_value *v) {
  return is_learnt(v) || v->role == RGC_ROLE_INPUT || v->role == RGC_ROLE_LABEL || v->role == RGC_ROLE_OUTPUT;
}

static bool same_outside(const rgc_value *a, const rgc_value *b) {
  return a->role == b->role && a->dtype == b->dtype && a->torch_rank == b->torch_rank && !memcmp(a->shape, b->shape, sizeof a->shape) &&
         a->layout.kind == b->layout.kind;
}

/* Each of `from` that shows outside is in `in`, and the same there. */
static bool check_outside(const checker *c, const char *what, const rgc_graph *from, const rgc_graph *in) {
  for (int i = 0; i < from->value_count; i++) {
    const rgc_value *value = &from->values[i];
    if (!is_outside(value)) continue;
    int found = rgc_graph_find(in, value->name);
    if (found < 0 || !same_outside(value, &in->values[found]))
      return fail(c, "%s: value %%%s is not that of the network", what, value->name);
  }
  return true;
}

/* `whole`: the graph has all that the network shows. */
static bool check_interface(const checker *c, const char *what, const rgc_graph *graph, bool training, bool whole) {
  rgc_graph *wanted = rgc_network_build(c->network, graph->batch, training, c->diags);
  if (!wanted) return fail(c, "%s: the plan's source cannot be built", what);
  return check_outside(c, what, graph, wanted) && (!whole || check_outside(c, what, wanted, graph));
}

/* Graphs. */

static bool check_batch(const checker *c, int64_t batch) {
  return (batch >= 1 && batch <= max_batch) || fail(c, "a batch of %" PRId64, batch);
}

static bool check_unfused(const checker *c) {
  const rgc_graph *graph = c->plan->unfused;
  if (!graph) return fail(c, "the plan has no graph");
  if (!rgc_graph_verify(graph, c->diags)) return fail(c, "the plan's graph breaks the rules above");
  for (int i = 0; i < graph->op_count; i++)
    if (graph->ops[i].kind == RGC_OP_KERNEL) return fail(c, "op %d of the unfused graph is a kernel", i);
  bool training = rgc_graph_find(graph, "label") >= 0;
  return check_batch(c, graph->batch) && check_interface(c, "the unfused graph", graph, training, true);
}

/* Each part has samples, whatever the last one's number. */
static bool check_parts(const checker *c, const rgc_program *p, const char *key) {
  bool ok = p->parts == 1 || (p->kind == RGC_PROGRAM_TRAIN && p->parts > 1 && p->parts <= p->batch);
  ok = ok && (p->parts - 1) * rgc_micro_batch(p->batch, p->parts) < p->batch;
  return ok || fail(c, "%s: a batch of %" PRId64 " in %" PRId64 " parts", key, p->batch, p->parts);
}

static bool check_program(const checker *c, const rgc_program *p) {
  const char *key;
  if (p->kind >= RGC_PROGRAM_KIND_COUNT || !rgc_plan_is_name(p->target) || !rgc_plan_is_name(p->precision) || !p->graph || !p->memory ||
      !p->ledger)
    return fail(c, "a program lacks a part, or is badly named");
  key = rgc_program_key(p, c->scratch);
  if (!check_batch(c, p->batch) || !check_parts(c, p, key)) return false;
  if (p->graph->batch != rgc_micro_batch(p->batch, p->parts)) return fail(c, "%s: its graph is for a batch of %" PRId64, key, p->graph->batch);
  if (strcmp(p->precision, rgc_precision_word(p->graph->precision)))
    return fail(c, "%s: its graph is of precision %s", key, rgc_precision_word(p->graph->precision));
  if (!rgc_graph_verify(p->graph, c->diags)) return fail(c, "%s: the kernels break the rules above", key);
  for (int i = 0; i < p->graph->op_count; i++)
    if (p->graph->ops[i].kind != RGC_OP_KERNEL) return fail(c, "%s: op %d is no kernel", key, i);
  if (!rgc_memory_verify(p->graph, p->memory, c->diags)) return fail(c, "%s: the memory plan breaks the rules above", key);
  return check_interface(c, key, p->graph, p->kind == RGC_PROGRAM_TRAIN, p->kind != RGC_PROGRAM_FOLD);
}

/* What programs share: regions laid out by name. */

static bool same_storage(const rgc_program *p, const rgc_program *q, int v, int w) {
  const rgc_value *a = &p->graph->values[v], *b = &q->graph->values[w];
  const rgc_place *x = &p->memory->places[v], *y = &q->memory->places[w];
  return a->dtype == b->dtype && !memcmp(a->shape, b->shape, sizeof a->shape) && a->layout.kind == b->layout.kind &&
         a->layout.groups == b->layout.groups && a->layout.lanes == b->layout.lanes && a->layout.block == b->layout.block &&
         x->region == y->region && x->offset_bytes == y->offset_bytes;
}

static bool check_shared(const checker *c, const rgc_program *p, const rgc_program *q) {
  if (strcmp(p->target, q->target) || strcmp(p->precision, q->precision)) return true;
  for (int v = 0; v < p->graph->value_count; v++) {
    const rgc_value *value = &p->graph->values[v];
    bool shared = is_learnt(value) || value->role == RGC_ROLE_STATE || value->role == RGC_ROLE_COPY || value->role == RGC_ROLE_FOLDED;
    int w = shared ? rgc_graph_find(q->graph, value->name) : -1;
    if (w >= 0 && q->graph->values[w].role == value->role && !same_storage(p, q, v, w))
      return fail(c, "%s and %s do not agree where %%%s lies", rgc_program_key(p, c->scratch), rgc_program_key(q, c->scratch), value->name);
  }
  return true;
}

static bool check_programs(const checker *c) {
  const rgc_plan *plan = c->plan;
  for (int i = 0; i < plan->program_count; i++) {
    const rgc_program *p = &plan->programs[i];
    if (rgc_plan_program(plan, p->kind, p->target, p->precision, p->batch) != p)
      return fail(c, "%s is there twice", rgc_program_key(p, c->scratch));
    for (int j = 0; j < i; j++)
      if (!check_shared(c, p, &plan->programs[j])) return false;
  }
  return true;
}

/* A graph's checker works beside those of the others, so it has a network and diagnostics of its own. */
typedef struct graph_checker {
  checker c;
  rgc_network network;
  rgc_diagnostics diags;
  const rgc_program *program; /* NULL: the unfused graph */
  bool good;
} graph_checker;

static void open_graph_checker(graph_checker *g, const checker *of, const rgc_program *program) {
  *g = (graph_checker){.c = *of, .network = *of->network, .program = program};
  g->c.scratch = g->network.arena = rgc_arena_create();
  g->c.network = &g->network;
  g->c.diags = &g->diags;
  rgc_diagnostics_init(&g->diags, rgc_arena_create());
}

static void check_graph(void *context, int i) {
  graph_checker *g = &((graph_checker *)context)[i];
  g->good = g->program ? check_program(&g->c, g->program) : check_unfused(&g->c);
}

/* After an error of another one, nothing is told. */
static bool close_graph_checker(graph_checker *g, bool told, rgc_diagnostics *diags) {
  bool points_there = told && g->diags.count; /* from diagnostics into the network's arena */
  if (told) rgc_diagnostics_adopt(diags, &g->diags);
  else rgc_arena_destroy(g->diags.arena);
  if (points_there) rgc_arena_adopt(diags->arena, g->c.scratch);
  else rgc_arena_destroy(g->c.scratch);
  return told && g->good;
}

static bool check_graphs(const checker *c) {
  const rgc_plan *plan = c->plan;
  int count = plan->program_count + 1;
  bool good = true;
  if (count < 1 || count > RGC_PLAN_MAX_PROGRAMS + 1) return fail(c, "%d programs", plan->program_count);
  graph_checker *all = RGC_NEW_ARRAY(c->scratch, graph_checker, count);
  for (int i = 0; i < count; i++) open_graph_checker(&all[i], c, i ? &plan->programs[i - 1] : NULL);
  rgc_parallel(count, check_graph, all);
  for (int i = 0; i < count; i++) good = close_graph_checker(&all[i], good, c->diags);
  return good;
}

/* Tensors. */

static bool check_tensor(const checker *c, const rgc_tensor *t) {
  const rgc_graph *graph = c->plan->unfused;
  int64_t shape[RGC_TENSOR_MAX_RANK] = {0};
  int id = t->name ? rgc_graph_find(graph, t->name) : -1;
  if (id < 0 || !is_learnt(&graph->values[id])) return fail(c, "tensor '%s' is no parameter or buffer", t->name ? t->name : "");
  int rank = rgc_torch_shape(&graph->values[id], shape);
  if (t->dtype != RGC_TENSOR_F32 || t->rank != rank || memcmp(t->shape, shape, sizeof *shape * (size_t)rank) ||
      t->size_bytes != 4 * (uint64_t)rgc_shape_elems(graph->values[id].shape) || !t->data)
    return fail(c, "tensor '%s' does not have the shape or type of its parameter", t->name);
  return true;
}

static bool check_tensors(const checker *c) {
  const rgc_plan *plan = c->plan;
  bool *seen = RGC_NEW_ARRAY(c->scratch, bool, plan->unfused->value_count + 1);
  if (!plan->tensor_count) return true;
  for (int i = 0; i < plan->tensor_count; i++) {
    if (!check_tensor(c, &plan->tensors[i])) return false;
    int id = rgc_graph_find(plan->unfused, plan->tensors[i].name);
    if (seen[id]) return fail(c, "tensor '%s' is there twice", plan->tensors[i].name);
    seen[id] = true;
  }
  for (int v = 0; v < plan->unfused->value_count; v++)
    if (is_learnt(&plan->unfused->values[v]) && !seen[v]) return fail(c, "tensor '%s' is missing", plan->unfused->values[v].name);
  return true;
}

bool rgc_plan_verify(const rgc_plan *plan, const char *name, rgc_diagnostics *diags) {
  checker c = {.plan = plan, .name = name, .scratch = rgc_arena_create(), .diags = diags};
  bool ok = check_source(&c) && check_graphs(&c) && check_programs(&c) && check_tensors(&c);
  rgc_arena_destroy(c.scratch);
  return ok;
}
