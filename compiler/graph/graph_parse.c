/* graph_parse.c: the text of graph_print.c back to a graph.
 *
 * One line is one statement. The first error of a line is reported with its place and the rest of that line is skipped; the
 * next line is read as if nothing had happened, so one run reports every bad line. A body's lines fill the body as they
 * stand, without sharing or folding: what was printed comes back node for node. Blank lines and lines that begin with '#'
 * are skipped. The result is NULL if anything was reported; it is not verified (rgc_graph_verify). */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/graph/graph.h"
#include "compiler/graph/graph_text.h"

enum { MAX_NAMES = 4096 }; /* inputs or outputs of one op */

typedef struct later {
  int value;        /* whose `updates` is not resolved yet */
  const char *name; /* of the old value */
  rgc_location at;
} later;

typedef struct parser {
  rgc_arena *arena, *scratch;
  rgc_diagnostics *diags;
  const char *file;
  const char *line, *at; /* begin of this line, next character */
  int line_number;
  bool line_ok; /* false once something was reported in this line */
  int errors_before;
  rgc_graph *graph;
  later *updates;
  int update_count, update_capacity;
} parser;

typedef struct names {
  int ids[MAX_NAMES];
  int count;
} names;

/* Errors. */

static rgc_location place(const parser *p) {
  return (rgc_location){.file = p->file, .line = p->line_number, .column = (int)(p->at - p->line) + 1};
}

static size_t line_length(const char *line) { return strcspn(line, "\n"); }

static bool fail(parser *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool fail(parser *p, const char *format, ...) {
  if (!p->line_ok) return false;
  p->line_ok = false;
  va_list args;
  va_start(args, format);
  const char *message = rgc_arena_vprintf(p->scratch, format, args);
  va_end(args);
  rgc_diagnostic *entry = rgc_diag_add(p->diags, RGC_ERROR, RGC_CODE_IR_SYNTAX, place(p), "%s", message);
  entry->source_line = rgc_arena_strndup(p->diags->arena, p->line, line_length(p->line));
  return false;
}

/* Lines and tokens. Nothing here reads past the end of the line. */

static void skip_blanks(parser *p) { p->at += strspn(p->at, " \t\r"); }

static bool at_line_end(parser *p) {
  skip_blanks(p);
  return !*p->at || *p->at == '\n';
}

static void begin_line(parser *p, const char *line) {
  p->line = p->at = line;
  p->line_number++;
  p->line_ok = true;
}

/* False at the end of the text. */
static bool next_line(parser *p) {
  const char *end = p->line + line_length(p->line);
  if (!*end) return false;
  begin_line(p, end + 1);
  return true;
}

static bool accept(parser *p, const char *token) {
  skip_blanks(p);
  size_t length = strlen(token);
  if (strncmp(p->at, token, length)) return false;
  p->at += length;
  return true;
}

static bool expect(parser *p, const char *token) { return accept(p, token) || fail(p, "'%s' is missing here", token); }

static bool is_word_char(char c) { return isalnum((unsigned char)c) || c == '.' || c == '_' || c == '-'; }

/* [A-Za-z0-9._-]+, or NULL. */
static const char *word(parser *p) {
  skip_blanks(p);
  size_t length = 0;
  while (is_word_char(p->at[length])) length++;
  if (!length) {
    fail(p, "a word is missing here");
    return NULL;
  }
  const char *chars = rgc_arena_strndup(p->scratch, p->at, length);
  p->at += length;
  return chars;
}

/* The rest of the line must be used up. */
static bool end_line(parser *p) { return p->line_ok && (at_line_end(p) || fail(p, "more than expected in this line")); }

static bool number(parser *p, double *result) {
  if (at_line_end(p)) return fail(p, "a number is missing here");
  char *end;
  *result = strtod(p->at, &end);
  if (end == p->at) return fail(p, "a number is missing here");
  p->at = end;
  return true;
}

static bool integer(parser *p, int64_t min, int64_t max, int64_t *result) {
  if (at_line_end(p)) return fail(p, "an integer is missing here");
  char *end;
  errno = 0;
  long long got = strtoll(p->at, &end, 10);
  if (end == p->at) return fail(p, "an integer is missing here");
  if (errno || got < min || got > max)
    return fail(p, "an integer from %lld to %lld is wanted", (long long)min, (long long)max);
  p->at = end;
  *result = got;
  return true;
}

static bool small(parser *p, int max, int *result) {
  int64_t wide = 0;
  bool ok = integer(p, 0, max, &wide);
  *result = (int)wide;
  return ok;
}

/* "..." with \" \\ \n. */
static const char *string(parser *p) {
  if (!expect(p, "\"")) return NULL;
  rgc_text text = {0};
  while (*p->at && *p->at != '\n' && *p->at != '"') {
    char c = *p->at++;
    if (c == '\\' && (*p->at == '"' || *p->at == '\\' || *p->at == 'n')) c = *p->at++ == 'n' ? '\n' : p->at[-1];
    rgc_text_add_bytes(&text, &c, 1);
  }
  const char *chars = rgc_text_take(&text, p->arena);
  return expect(p, "\"") ? chars : NULL;
}

/* One of the words of a table, as its position. */
static bool table_word(parser *p, const char *what, const char *const *table, int count, int *result) {
  skip_blanks(p);
  const char *start = p->at, *got = word(p);
  if (!got) return false;
  for (int i = 0; i < count; i++)
    if (!strcmp(table[i], got)) {
      *result = i;
      return true;
    }
  p->at = start;
  return fail(p, "'%s' is no %s", got, what);
}

/* %name of a value that stands already. */
static bool value_name(parser *p, int *id) {
  if (!expect(p, "%")) return false;
  const char *start = p->at, *name = word(p);
  if (!name) return false;
  *id = rgc_graph_find(p->graph, name);
  if (*id >= 0) return true;
  p->at = start;
  return fail(p, "there is no value %%%s", name);
}

static bool name_list(parser *p, names *list) {
  list->count = 0;
  do {
    if (list->count == MAX_NAMES) return fail(p, "more than %d values in one list", MAX_NAMES);
    if (!value_name(p, &list->ids[list->count])) return false;
    list->count++;
  } while (accept(p, ","));
  return true;
}

/* value %x f32 input [1,2,3,4] ... */

static bool shape(parser *p, int64_t dims[RGC_AXES]) {
  for (int j = 0; j < RGC_AXES; j++)
    if (!expect(p, j ? "," : "[") || !integer(p, INT64_MIN, INT64_MAX, &dims[j])) return false;
  return expect(p, "]");
}

static bool value_layout(parser *p, rgc_layout *layout) {
  layout->kind = accept(p, "panel_t") ? RGC_LAYOUT_PANEL_T : RGC_LAYOUT_PANEL;
  return (layout->kind == RGC_LAYOUT_PANEL_T || expect(p, "panel")) && expect(p, "(") && small(p, INT_MAX, &layout->groups) && expect(p, ",") &&
         small(p, INT_MAX, &layout->lanes) && expect(p, ",") && small(p, INT_MAX, &layout->block) && expect(p, ")");
}

static bool value_init(parser *p, rgc_init *init) {
  if (accept(p, "zero")) return true;
  int kind = 0;
  bool ok = table_word(p, "initial value", rgc_init_words, RGC_INIT_KINDS, &kind) && expect(p, "(") &&
            number(p, &init->number) && expect(p, ")");
  init->kind = (rgc_init_kind)kind;
  return ok;
}

/* The old value may stand further down. */
static bool value_updates(parser *p, int value) {
  if (!expect(p, "%")) return false;
  rgc_location at = place(p);
  const char *name = word(p);
  if (!name) return false;
  *RGC_PUSH(p->scratch, p->updates, p->update_count, p->update_capacity) =
      (later){.value = value, .name = name, .at = at};
  return true;
}

static bool value_key(parser *p, rgc_value *value) {
  if (accept(p, "layout=")) return value_layout(p, &value->layout);
  if (accept(p, "torch_rank=")) return small(p, RGC_AXES, &value->torch_rank);
  if (accept(p, "init=")) return value_init(p, &value->init);
  if (accept(p, "updates=")) return value_updates(p, value->id);
  return fail(p, "no key of a value; there are layout, torch_rank, init, updates");
}

static bool parse_value(parser *p) {
  if (!expect(p, "%")) return false;
  const char *start = p->at, *name = word(p);
  if (!name) return false;
  if (rgc_graph_find(p->graph, name) >= 0) {
    p->at = start;
    return fail(p, "there is a value %%%s already", name);
  }
  int dtype = 0, role = 0;
  int64_t dims[RGC_AXES] = {0};
  bool ok = table_word(p, "type", rgc_dtype_words, RGC_DTYPE_COUNT, &dtype) &&
            table_word(p, "role", rgc_role_words, RGC_ROLE_COUNT, &role) && shape(p, dims);
  /* made also if the line is bad, so that its uses are no errors */
  int id = rgc_graph_value(p->graph, name, (rgc_dtype)dtype, (rgc_role)role, dims);
  while (ok && !at_line_end(p)) ok = value_key(p, &p->graph->values[id]);
  return ok;
}

/* Bodies. */

static bool view_axis(parser *p, rgc_axis_view *axis) {
  skip_blanks(p);
  const char *letter = *p->at && *p->at != '\n' ? memchr(rgc_axis_letters, *p->at, RGC_AXES) : NULL;
  if (!letter) return fail(p, "an axis is missing here: n, h, w or c");
  p->at++;
  *axis = (rgc_axis_view){.from = (int)(letter - rgc_axis_letters), .mul = 1, .add = 0, .div = 1};
  if (accept(p, "*") && !integer(p, INT64_MIN, INT64_MAX, &axis->mul)) return false;
  skip_blanks(p);
  if ((*p->at == '+' || *p->at == '-') && !integer(p, INT64_MIN, INT64_MAX, &axis->add)) return false;
  if (!accept(p, "/")) return true;
  axis->whole = accept(p, "/");
  return integer(p, 1, INT64_MAX, &axis->div);
}

static bool view_axes(parser *p, rgc_view *view) {
  if (!accept(p, "[")) return true;
  for (int j = 0; j < RGC_AXES; j++)
    if ((j && !expect(p, ",")) || !view_axis(p, &view->axis[j])) return false;
  return expect(p, "]");
}

static bool parse_operand(parser *p, rgc_body *body) {
  rgc_operand operand = {.value = 0, .view = rgc_view_identity()};
  bool ok = value_name(p, &operand.value) && view_axes(p, &operand.view) &&
            (!accept(p, "fill=") || number(p, &operand.view.fill));
  *RGC_PUSH(body->arena, body->operands, body->operand_count, body->operand_capacity) = operand;
  return ok && end_line(p);
}

static bool node_ref(parser *p, int limit, int *node) {
  if (!expect(p, "n")) return false;
  return limit > 0 ? small(p, limit - 1, node) : fail(p, "there is no node before this one");
}

static bool scalar_word(parser *p, int *index) {
  const char *table[RGC_SCALAR_COUNT];
  for (int i = 0; i < RGC_SCALAR_COUNT; i++) table[i] = rgc_scalar_word((rgc_scalar)i);
  return table_word(p, "scalar", table, RGC_SCALAR_COUNT, index);
}

static bool node_axes(parser *p, unsigned *axes) {
  int mask = 0;
  bool ok = expect(p, "axes=") && small(p, (1 << RGC_AXES) - 1, &mask);
  *axes = (unsigned)mask;
  return ok;
}

static bool node_payload(parser *p, rgc_node *node) {
  if (node->kind == RGC_EXPR_CONST) return number(p, &node->number);
  if (node->kind == RGC_EXPR_SCALAR) return scalar_word(p, &node->index);
  if (rgc_expr_has_index(node->kind) && !small(p, INT_MAX, &node->index)) return false;
  return node->kind != RGC_EXPR_RANDOM || node_axes(p, &node->axes);
}

static bool node_kind(parser *p, rgc_expr_kind *kind) {
  const char *got = word(p);
  if (!got) return false;
  *kind = rgc_expr_kind_of(got);
  if (*kind != RGC_EXPR_KIND_COUNT) return true;
  *kind = RGC_EXPR_CONST;
  return fail(p, "'%s' is no kind of node", got);
}

/* nK = kind arguments. A bad line leaves a node too, so that the numbers of the next lines are right. */
static bool parse_node(parser *p, rgc_body *body) {
  rgc_node node = {.kind = RGC_EXPR_CONST, .arg = {-1, -1, -1}};
  int self = body->node_count, got = -1;
  bool ok = expect(p, "n") && small(p, INT_MAX, &got) && (got == self || fail(p, "the next node is n%d", self)) &&
            expect(p, "=") && node_kind(p, &node.kind);
  for (int i = 0; ok && i < rgc_expr_arity(node.kind); i++) ok = node_ref(p, self, &node.arg[i]);
  ok = ok && node_payload(p, &node);
  if (!ok) node = (rgc_node){.kind = RGC_EXPR_CONST, .arg = {-1, -1, -1}};
  *RGC_PUSH(body->arena, body->nodes, body->node_count, body->node_capacity) = node;
  return ok && end_line(p);
}

/* The lines after '{' up to '}'. */
static bool parse_body(parser *p, rgc_body *body, int *root) {
  bool ok = end_line(p);
  *root = -1;
  while (next_line(p)) {
    if (at_line_end(p) || *p->at == '#') continue;
    if (accept(p, "}")) return ok && (*root >= 0 || fail(p, "the map returns nothing"));
    if (accept(p, "operand"))
      ok = parse_operand(p, body) && ok;
    else if (accept(p, "return"))
      ok = node_ref(p, body->node_count, root) && end_line(p) && ok;
    else
      ok = parse_node(p, body) && ok;
  }
  return fail(p, "the map has no end: '}' is missing");
}

/* Kernels: the lines between braces, each a field; see graph_print.c. */

typedef struct kernel_parse {
  rgc_kernel *kernel;
  rgc_body *stage; /* that operand and node lines go to, NULL before the first */
  int store_capacity;
} kernel_parse;

static bool numbers(parser *p, int64_t *const *slots, int count) {
  for (int i = 0; i < count; i++)
    if ((i && !expect(p, ",")) || !integer(p, 0, INT64_MAX, slots[i])) return false;
  return true;
}

static bool kernel_geometry(parser *p, rgc_geometry *g) {
  int64_t transposed = 0;
  int64_t *const slots[] = {&g->kernel_h, &g->kernel_w, &g->stride, &g->pad, &g->dilation, &g->groups, &transposed};
  bool ok = numbers(p, slots, 7);
  g->transposed = transposed != 0;
  g->stride_w = g->stride;
  g->pad_w = g->pad;
  return ok;
}

static bool kernel_core(parser *p, rgc_kernel *kernel) {
  int kind = 0, form = 0;
  bool ok = table_word(p, "line of a kernel", rgc_kernel_words, RGC_KERNEL_KINDS, &kind) &&
            table_word(p, "form", rgc_form_words, RGC_CONTRACT_FORMS, &form);
  kernel->kind = (rgc_kernel_kind)kind;
  kernel->form = (rgc_contract_form)form;
  return ok;
}

static rgc_body **stage_of(rgc_kernel *kernel, const char *name) {
  if (!strcmp(name, "a")) return &kernel->a;
  if (!strcmp(name, "b")) return &kernel->b;
  if (!strcmp(name, "tap")) return &kernel->tap;
  return strcmp(name, "epi") ? NULL : &kernel->epi;
}

static bool kernel_stage(parser *p, kernel_parse *k) {
  const char *name = word(p);
  rgc_body **stage = name ? stage_of(k->kernel, name) : NULL;
  if (!stage || *stage) return fail(p, stage ? "this stage stands already" : "stages are a, b, tap and epi");
  k->stage = *stage = rgc_body_create(p->arena);
  return true;
}

/* Whether the node is there is for the verifier to see. */
static bool root_ref(parser *p, int *node) { return expect(p, "n") && small(p, INT_MAX, node); }

static bool kernel_root(parser *p, rgc_kernel *kernel) {
  if (accept(p, "b")) return root_ref(p, &kernel->b_root);
  if (!expect(p, "a")) return false;
  if (kernel->a_root_count == RGC_MAX_ROOTS) return fail(p, "more than %d roots", RGC_MAX_ROOTS);
  int i = kernel->a_root_count++;
  return root_ref(p, &kernel->a_roots[i]) && expect(p, "fill=") && number(p, &kernel->a_fill[i]);
}

static bool kernel_acc(parser *p, rgc_kernel *kernel) {
  if (kernel->acc_count == RGC_MAX_ROOTS) return fail(p, "more than %d accumulators", RGC_MAX_ROOTS);
  int i = kernel->acc_count++, combine = 0;
  bool ok = table_word(p, "way to combine", rgc_combine_words, RGC_COMBINES, &combine);
  kernel->combine[i] = (rgc_combine)combine;
  return ok && (at_line_end(p) || root_ref(p, &kernel->tap_roots[i]));
}

static bool kernel_store(parser *p, kernel_parse *k) {
  rgc_store store = {0};
  int kind = 0;
  bool ok = table_word(p, "store", rgc_store_words, RGC_STORE_KINDS, &kind) && value_name(p, &store.value) &&
            root_ref(p, &store.node);
  store.kind = (rgc_store_kind)kind;
  *RGC_PUSH(p->arena, k->kernel->stores, k->kernel->store_count, k->store_capacity) = store;
  return ok;
}

static bool kernel_mask(parser *p, unsigned *mask) {
  int bits = 0;
  bool ok = small(p, INT_MAX, &bits);
  *mask = (unsigned)bits;
  return ok;
}

static bool kernel_line(parser *p, kernel_parse *k) {
  rgc_kernel *kernel = k->kernel;
  int64_t *const tiles[] = {&kernel->tile_rows, &kernel->tile_images}, *const columns[] = {&kernel->geometry.stride_w, &kernel->geometry.pad_w};
  if (accept(p, "extent")) return shape(p, kernel->extent);
  if (accept(p, "a_extent")) return shape(p, kernel->a_extent);
  if (accept(p, "b_extent")) return shape(p, kernel->b_extent);
  if (accept(p, "geometry")) return kernel_geometry(p, &kernel->geometry);
  if (accept(p, "columns")) return numbers(p, columns, 2);
  if (accept(p, "reduce_axes")) return kernel_mask(p, &kernel->reduce_axes);
  if (accept(p, "tap_operand")) return kernel_mask(p, &kernel->tap_operand);
  if (accept(p, "tiles")) return numbers(p, tiles, 2);
  if (accept(p, "weight")) return value_name(p, &kernel->weight);
  if (accept(p, "stage")) return kernel_stage(p, k);
  if (accept(p, "root")) return kernel_root(p, kernel);
  if (accept(p, "acc")) return kernel_acc(p, kernel);
  if (accept(p, "store")) return kernel_store(p, k);
  bool operand = k->stage && accept(p, "operand");
  if (operand) return parse_operand(p, k->stage);
  return k->stage && *p->at == 'n' ? parse_node(p, k->stage) : kernel_core(p, kernel);
}

static bool parse_kernel(parser *p, rgc_kernel *kernel) {
  kernel_parse k = {.kernel = kernel};
  kernel->weight = -1;
  bool ok = end_line(p);
  while (next_line(p)) {
    if (at_line_end(p) || *p->at == '#') continue;
    if (accept(p, "}")) return ok;
    ok = kernel_line(p, &k) && end_line(p) && ok;
  }
  return fail(p, "the kernel has no end: '}' is missing");
}

/* %y = conv(%x, %w) ... */

typedef struct origin {
  const char *layer, *word;
  int line;
  bool backward, recomputed;
} origin;

static bool op_attribute(parser *p, double attr[RGC_ATTR_COUNT]) {
  const char *table[RGC_ATTR_COUNT];
  for (int i = 0; i < RGC_ATTR_COUNT; i++) table[i] = rgc_attribute_word((rgc_attribute)i);
  int attribute = 0;
  return table_word(p, "attribute", table, RGC_ATTR_COUNT, &attribute) && expect(p, "=") &&
         number(p, &attr[attribute]);
}

static bool op_key(parser *p, double attr[RGC_ATTR_COUNT], origin *from) {
  if (accept(p, "layer=")) return (from->layer = string(p)) != NULL;
  if (accept(p, "word=")) return (from->word = string(p)) != NULL;
  if (accept(p, "line=")) return small(p, INT_MAX, &from->line);
  if (accept(p, "backward")) return from->backward = true;
  if (accept(p, "recomputed")) return from->backward = from->recomputed = true;
  return op_attribute(p, attr);
}

static bool op_kind(parser *p, rgc_op_kind *kind) {
  const char *table[RGC_OP_COUNT];
  for (int i = 0; i < RGC_OP_COUNT; i++) table[i] = rgc_op_info_of((rgc_op_kind)i)->word;
  int position = 0;
  bool ok = table_word(p, "op", table, RGC_OP_COUNT, &position);
  *kind = (rgc_op_kind)position;
  return ok;
}

static bool op_inputs(parser *p, names *inputs) {
  inputs->count = 0;
  if (!expect(p, "(")) return false;
  return accept(p, ")") || (name_list(p, inputs) && expect(p, ")"));
}

static void add_op(parser *p, rgc_op_kind kind, const names *inputs, const names *outputs, rgc_body *body, int root,
                   const double attr[RGC_ATTR_COUNT], const origin *from) {
  rgc_op *op = kind == RGC_OP_MAP
                   ? rgc_graph_map(p->graph, body, root, outputs->ids[0])
                   : rgc_graph_op(p->graph, kind, inputs->ids, inputs->count, outputs->ids, outputs->count);
  memcpy(op->attr, attr, sizeof op->attr);
  if (from->layer) op->layer = from->layer;
  if (from->word) op->word = from->word;
  op->line = from->line;
  op->backward = from->backward;
  op->recomputed = from->recomputed;
}

static bool parse_op(parser *p, names *inputs, names *outputs) {
  double attr[RGC_ATTR_COUNT];
  memcpy(attr, rgc_attribute_defaults, sizeof rgc_attribute_defaults);
  origin from = {0};
  rgc_op_kind kind = RGC_OP_MAP;
  int root = -1;
  bool ok = name_list(p, outputs) && expect(p, "=") && op_kind(p, &kind) &&
            (kind == RGC_OP_MAP || op_inputs(p, inputs));
  while (ok && !at_line_end(p) && *p->at != '{') ok = op_key(p, attr, &from);
  rgc_body *body = rgc_body_create(p->arena);
  rgc_kernel *kernel = kind == RGC_OP_KERNEL ? RGC_NEW(p->arena, rgc_kernel) : NULL;
  bool has_body = p->line[line_length(p->line) - 1] == '{'; /* read it also after an error */
  if (ok && has_body != (kind == RGC_OP_MAP || kernel))
    ok = has_body ? fail(p, "only maps and kernels have a body")
                  : fail(p, "a %s needs a body", rgc_op_info_of(kind)->word);
  if (ok && kind == RGC_OP_MAP && outputs->count != 1) ok = fail(p, "a map has one output");
  if (ok && has_body) ok = expect(p, "{");
  if (has_body) {
    if (!ok) p->at = p->line + line_length(p->line);
    ok = (kernel ? parse_kernel(p, kernel) : parse_body(p, body, &root)) && ok;
  }
  if (!ok) return false;
  add_op(p, kind, inputs, outputs, body, root, attr, &from);
  p->graph->ops[p->graph->op_count - 1].kernel = kernel;
  return true;
}

/* The whole. */

static bool parse_header(parser *p) {
  while (at_line_end(p) || *p->at == '#')
    if (!next_line(p)) return fail(p, "the text is empty: 'graph \"name\" batch N' is missing");
  const char *name = expect(p, "graph") ? string(p) : NULL;
  int64_t batch = 0;
  int precision = RGC_PRECISION_FP32;
  bool ok = name && expect(p, "batch") && integer(p, 0, INT64_MAX, &batch);
  if (ok && accept(p, "precision")) ok = table_word(p, "precision", rgc_precision_words, RGC_PRECISION_COUNT, &precision);
  ok = ok && end_line(p);
  p->graph = rgc_graph_create(p->arena, name ? name : "", batch);
  p->graph->precision = (rgc_precision)precision;
  return ok;
}

static void parse_statement(parser *p, names *inputs, names *outputs) {
  if (at_line_end(p) || *p->at == '#') return;
  bool ok;
  if (*p->at == '%')
    ok = parse_op(p, inputs, outputs);
  else if (accept(p, "value"))
    ok = parse_value(p);
  else
    ok = fail(p, "a line begins with 'value' or with the outputs of an op");
  if (ok) end_line(p);
}

static void resolve_updates(parser *p) {
  for (int i = 0; i < p->update_count; i++) {
    const later *update = &p->updates[i];
    int old = rgc_graph_find(p->graph, update->name);
    if (old < 0)
      rgc_diag_add(p->diags, RGC_ERROR, RGC_CODE_IR_SYNTAX, update->at, "there is no value %%%s", update->name);
    p->graph->values[update->value].updates = old;
  }
}

rgc_graph *rgc_graph_parse(rgc_arena *arena, const char *text, const char *file, rgc_diagnostics *diags) {
  parser p = {.arena = arena, .scratch = rgc_arena_create(), .diags = diags, .file = file};
  p.errors_before = diags->error_count;
  names *inputs = RGC_NEW(p.scratch, names), *outputs = RGC_NEW(p.scratch, names);
  begin_line(&p, text);
  if (parse_header(&p)) {
    while (next_line(&p)) parse_statement(&p, inputs, outputs);
    resolve_updates(&p);
  }
  rgc_arena_destroy(p.scratch);
  return diags->error_count == p.errors_before ? p.graph : NULL;
}
