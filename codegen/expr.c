/* codegen/expr.c: see expr.h. A node is one line. Loads are printed by their view: a row of lanes where lanes are neighbours in
 * memory, one number for all lanes where the view does not move with them, else lane by lane. Without lanes every load is one number. */
#include "codegen/expr.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* The words of the two kinds of texts. */
typedef struct dialect {
  const char *type, *set, *set_end;   /* of a node; around a number that becomes one */
  const char *infinity, *nan;
  const char *scalars;                /* where the step's numbers are */
  const char *max, *min;
  const char *const *forms;           /* by rgc_expr_kind, see print_form */
} dialect;

static const dialect vector_dialect, scalar_dialect;

static bool has_rows(const rgc_body_text *t) { return t->space.row > 1; }

static const dialect *words_of(const rgc_body_text *t) { return t->space.lane_axis == RGC_NO_LANES ? &scalar_dialect : &vector_dialect; }

/* One operand's address in parts. */
typedef struct load_text {
  rgc_text element;  /* number of the element, of lane 0 */
  rgc_text guard;    /* condition to be inside, "" if always */
  bool nowhere;      /* never inside */
  int lane_axes;     /* how many axes move with the lanes */
  bool lane_last;    /* the moving axis is innermost, by 1, unguarded: neighbours in memory */
  bool ranged;       /* innermost and by 1, but may leave the value: then first and row */
  rgc_text first, row;
  int64_t row_extent;
} load_text;

static const char *coordinate(const rgc_body_text *t, int operand, int axis, const char *lane_coord) {
  bool tapped = t->space.tap[0] && (t->space.tap_operand >> operand & 1);
  if (tapped && axis == RGC_H) return t->space.tap[0];
  if (tapped && axis == RGC_W) return t->space.tap[1];
  return axis == t->space.lane_axis ? lane_coord : t->space.coord[axis];
}

static bool is_plain(const rgc_axis_view *v) { return v->mul == 1 && v->add == 0 && v->div == 1; }

/* Smallest and largest numerator over the space. Tap coordinates are in range by construction (verified with the kernel). */
static void numerator_range(const rgc_axis_view *v, int64_t extent, int64_t *low, int64_t *high) {
  int64_t a = v->add, b = (extent - 1) * v->mul + v->add;
  *low = a < b ? a : b;
  *high = a < b ? b : a;
}

/* `divides`: the numerator must be a multiple of it. */
static void add_guard(load_text *load, const char *numerator, int64_t limit, int64_t divides, bool bounds) {
  const char *also = load->guard.length ? " && " : "";
  if (bounds) rgc_text_printf(&load->guard, "%s%s >= 0 && %s < %" PRId64, also, numerator, numerator, limit);
  if (divides != 1) rgc_text_printf(&load->guard, "%s%s %% %" PRId64 " == 0", load->guard.length ? " && " : "", numerator, divides);
}

/* element = element * extent + index */
static void append_axis(load_text *load, const char *extent, const char *index) {
  if (!load->element.length) {
    rgc_text_add(&load->element, index);
    return;
  }
  char *so_far = load->element.chars;
  load->element = (rgc_text){0};
  rgc_text_printf(&load->element, "(%s) * %s + %s", so_far, extent, index);
  rgc_text fixed = {.chars = so_far};
  rgc_text_free(&fixed);
}

static bool last_axis(const rgc_value *value, int j) {
  for (int k = j + 1; k < RGC_AXES; k++)
    if (value->shape[k] != 1) return false;
  return true;
}

/* Axis j of the value at lane 0 (or, in a lane loop, at the lane). */
static void read_axis(const rgc_body_text *t, int operand, int j, const char *lane_coord, load_text *load) {
  const rgc_operand *from = &t->body->operands[operand];
  const rgc_value *value = &t->graph->values[from->value];
  const rgc_axis_view *v = &from->view.axis[j];
  int64_t shape = value->shape[j], extent = t->space.extent[v->from], low, high;
  bool tapped = t->space.tap[0] && (t->space.tap_operand >> operand & 1) && (v->from == RGC_H || v->from == RGC_W);
  bool moves = v->mul != 0 && v->from == t->space.lane_axis && !tapped;
  numerator_range(v, tapped ? shape : extent, &low, &high);
  if (v->mul == 0 && (v->add < 0 || (v->add % v->div && !v->whole) || v->add / v->div >= shape)) load->nowhere = true;
  bool inside = low >= 0 && high < shape * v->div;
  if (shape == 1 && inside && v->div == 1) return; /* always element 0 */
  rgc_text numerator = {0}, index = {0}, count = {0};
  const char *at = coordinate(t, operand, v->from, lane_coord);
  if (v->mul == 0) rgc_text_printf(&numerator, "%" PRId64, v->add);
  else if (v->mul == 1 && v->add == 0) rgc_text_add(&numerator, at);
  else rgc_text_printf(&numerator, "(%s * %" PRId64 " + %" PRId64 ")", at, v->mul, v->add);
  if (v->div == 1) rgc_text_add(&index, rgc_text_chars(&numerator));
  else rgc_text_printf(&index, "%s / %" PRId64, rgc_text_chars(&numerator), v->div);
  bool named = is_plain(v) && shape == extent && !tapped;
  if (named) rgc_text_add(&count, t->space.extent_name[v->from]);
  else rgc_text_printf(&count, "%" PRId64, shape);
  bool neighbours = moves && last_axis(value, j) && v->mul == 1 && v->div == 1;
  if (moves) load->lane_axes++;
  if (neighbours && !inside) {
    load->ranged = true;
    load->row_extent = shape;
    rgc_text_add(&load->first, rgc_text_chars(&numerator));
    rgc_text_add(&load->row, load->element.length ? load->element.chars : "0");
  } else if (v->mul != 0 && (!inside || (v->div != 1 && !v->whole))) {
    add_guard(load, rgc_text_chars(&numerator), shape * v->div, v->whole ? 1 : v->div, !inside);
  }
  load->lane_last = load->lane_last || (neighbours && inside);
  append_axis(load, rgc_text_chars(&count), rgc_text_chars(&index));
  rgc_text_free(&numerator), rgc_text_free(&index), rgc_text_free(&count);
}

static load_text read_operand(const rgc_body_text *t, int operand, const char *lane_coord) {
  load_text load = {0};
  for (int j = 0; j < RGC_AXES; j++) read_axis(t, operand, j, lane_coord, &load);
  if (!load.element.length) rgc_text_add(&load.element, "0");
  return load;
}

static void free_load(load_text *load) {
  rgc_text_free(&load->element), rgc_text_free(&load->guard), rgc_text_free(&load->first), rgc_text_free(&load->row);
}

int rgc_input_number(const rgc_op *op, int value) {
  for (int i = 0; i < op->input_count; i++)
    if (op->inputs[i] == value) return i;
  rgc_internal_error("codegen", "value %d is no input of op %d", value, op->id);
}

int rgc_output_number(const rgc_op *op, int value) {
  for (int i = 0; i < op->output_count; i++)
    if (op->outputs[i] == value) return i;
  rgc_internal_error("codegen", "value %d is no output of op %d", value, op->id);
}

static void print_number(const rgc_body_text *t, double number, rgc_text *out) {
  const dialect *words = words_of(t);
  if (isnan(number)) rgc_text_add(out, words->nan);
  else if (isinf(number)) rgc_text_printf(out, "%s%s", number < 0 ? "-" : "", words->infinity);
  else if (words == &scalar_dialect && fabs(number) < 1e6 && number == floor(number)) rgc_text_printf(out, "%.1ff", number);
  else rgc_text_printf(out, words == &scalar_dialect ? "%.8ef" : "%af", (double)(float)number);
}

static const char *const data_cast[RGC_DTYPE_COUNT] = {[RGC_F32] = "", [RGC_I32] = "(const_i32)", [RGC_U8] = "(const_u8)", [RGC_BF16] = "(const_u16)"};

/* Lane by lane, each with its own guard. */
static void print_lane_loop(const rgc_body_text *t, int node, int operand, const char *data, rgc_text *out) {
  const rgc_view *view = &t->body->operands[operand].view;
  rgc_text lane = {0};
  rgc_text_printf(&lane, "(%s + lane)", t->space.coord[t->space.lane_axis]);
  load_text load = read_operand(t, operand, rgc_text_chars(&lane));
  if (load.ranged) add_guard(&load, rgc_text_chars(&load.first), load.row_extent, 1, true);
  rgc_text_printf(out, "  vec x%d = vec_set(", node);
  print_number(t, view->fill, out);
  rgc_text_add(out, ");\n  for (int64_t lane = 0; lane < count; lane++)\n    ");
  if (load.guard.length) rgc_text_printf(out, "if (%s) ", load.guard.chars);
  rgc_text_printf(out, "x%d[lane] = (float)(%s)[%s];\n", node, data, load.element.chars);
  free_load(&load);
  rgc_text_free(&lane);
}

static void print_row_load(const rgc_body_text *t, const load_text *load, rgc_dtype dtype, const char *data, double fill, rgc_text *out) {
  static const char *const words[RGC_DTYPE_COUNT] = {[RGC_F32] = "vec_load_part", [RGC_I32] = "vec_load_i32", [RGC_U8] = "vec_load_u8"};
  if (t->space.lane_axis == RGC_NO_LANES) {
    rgc_text_printf(out, dtype == RGC_F32 ? "%s[%s]" : dtype == RGC_BF16 ? "bf_float((%s)[%s])" : "(float)(%s)[%s]", data, load->element.chars);
  } else if (!load->lane_axes) {
    rgc_text_printf(out, "vec_set((float)(%s)[%s])", data, load->element.chars);
  } else if (load->ranged) {
    rgc_text_printf(out, "vec_load_range(%s + (%s) * %" PRId64 ", %s, %" PRId64 ", ", data, load->row.chars, load->row_extent,
                    load->first.chars, load->row_extent);
    print_number(t, fill, out);
    rgc_text_add(out, ", count)");
  } else {
    rgc_text_printf(out, "%s(%s + %s, count)", words[dtype], data, load->element.chars);
  }
}

/* The beginning of a node's definition, up to what it is; its end is ";\n". */
static void begin_node(const rgc_body_text *t, int node, rgc_text *out) {
  if (has_rows(t)) rgc_text_printf(out, "  float x%d[%d];\n  EACH(%d) x%d[i] = ", node, t->space.row, t->space.row, node);
  else rgc_text_printf(out, "  %s x%d = ", words_of(t)->type, node);
}

static void print_row(const rgc_body_text *t, int node, rgc_dtype dtype, const char *data, const char *element, rgc_text *out) {
  static const char *const words[RGC_DTYPE_COUNT] = {[RGC_F32] = "f32", [RGC_BF16] = "bf16", [RGC_U8] = "u8"};
  rgc_text_printf(out, "  float x%d[%d];\n  row_load_%s(x%d, %s + %s, %d);\n", node, t->space.row, words[dtype], node, data, element, t->space.row);
}

/* Whether rows of it can be loaded as a whole. */
static bool has_row_load(const rgc_value *value) { return rgc_is_real(value) || value->dtype == RGC_U8; }

/* A whole tensor of the space: always by the names of all extents, so that the space may be renumbered. */
static bool print_whole(const rgc_body_text *t, int node, const rgc_operand *from, rgc_text *out) {
  const rgc_value *value = &t->graph->values[from->value];
  bool lanes = t->space.lane_axis != RGC_NO_LANES;
  if (t->space.tap[0] || (lanes && t->space.lane_axis != RGC_C) || !(has_rows(t) ? has_row_load(value) : rgc_is_real(value)) || !rgc_operand_is_whole(t->graph, from, t->space.extent)) return false;
  rgc_text data = {0}, point = {0};
  rgc_text_printf(&data, "%sargs->operands[%d]", data_cast[value->dtype], rgc_input_number(t->op, from->value));
  rgc_print_point(&t->space, &point);
  if (lanes) rgc_text_printf(out, "  vec x%d = vec_load_part(%s + %s, count);\n", node, data.chars, point.chars);
  else if (has_rows(t)) print_row(t, node, value->dtype, data.chars, point.chars, out);
  else rgc_text_printf(out, value->dtype == RGC_BF16 ? "  float x%d = bf_float((%s)[%s]);\n" : "  float x%d = %s[%s];\n", node, data.chars, point.chars);
  rgc_text_free(&data), rgc_text_free(&point);
  return true;
}

/* Whether the row of an operand's elements begins at a multiple of its length, and lies in order. */
static bool lies_in_rows(const rgc_body_text *t, const rgc_operand *from) {
  const rgc_value *value = &t->graph->values[from->value];
  const rgc_axis_view *c = &from->view.axis[RGC_C];
  int64_t last = c->add + t->space.extent[RGC_C] - 1;
  for (int j = 0; j < RGC_C; j++)
    if (from->view.axis[j].from == RGC_C && from->view.axis[j].mul) return false;
  return has_row_load(value) && c->from == RGC_C && c->mul == 1 && c->div == 1 && c->add >= 0 && last < value->shape[RGC_C] &&
         c->add % t->space.row == 0 && value->shape[RGC_C] % t->space.row == 0;
}

/* A row that lies in order, where it is inside of the value for sure. */
static bool print_aligned(const rgc_body_text *t, int node, int operand, const char *data, rgc_text *out) {
  const rgc_operand *from = &t->body->operands[operand];
  rgc_body_text first = *t;
  if (!has_rows(t) || t->space.tap[0] || !lies_in_rows(t, from)) return false;
  first.space.coord[RGC_C] = "c";
  load_text load = read_operand(&first, operand, NULL);
  bool inside = !load.guard.length && !load.nowhere;
  if (inside) print_row(t, node, t->graph->values[from->value].dtype, data, load.element.chars, out);
  free_load(&load);
  return inside;
}

static void print_load(const rgc_body_text *t, int node, rgc_text *out) {
  int operand = t->body->nodes[node].index;
  const rgc_operand *from = &t->body->operands[operand];
  rgc_dtype dtype = t->graph->values[from->value].dtype;
  if (t->streams && t->streams[operand] >= 0) {
    begin_node(t, node, out);
    if (t->space.row > 1) rgc_text_printf(out, "raw[%d + i];\n", t->streams[operand] * t->space.row);
    else rgc_text_printf(out, "raw[%d];\n", t->streams[operand]);
    return;
  }
  if (print_whole(t, node, from, out)) return;
  load_text load = read_operand(t, operand, words_of(t) == &scalar_dialect ? NULL : t->space.coord[t->space.lane_axis]);
  rgc_text data = {0};
  rgc_text_printf(&data, "%sargs->operands[%d]", data_cast[dtype], rgc_input_number(t->op, from->value));
  bool by_row = load.lane_axes == 0 || (load.lane_axes == 1 && (load.lane_last || (load.ranged && dtype == RGC_F32)));
  if (load.nowhere) {
    begin_node(t, node, out);
    rgc_text_add(out, words_of(t)->set);
    print_number(t, from->view.fill, out);
    rgc_text_printf(out, "%s;\n", words_of(t)->set_end);
  } else if (!by_row) {
    print_lane_loop(t, node, operand, rgc_text_chars(&data), out);
  } else if (!print_aligned(t, node, operand, rgc_text_chars(&data), out)) {
    begin_node(t, node, out);
    if (load.guard.length) {
      rgc_text_printf(out, "!(%s) ? %s", load.guard.chars, words_of(t)->set);
      print_number(t, from->view.fill, out);
      rgc_text_printf(out, "%s : ", words_of(t)->set_end);
    }
    print_row_load(t, &load, dtype, rgc_text_chars(&data), from->view.fill, out);
    rgc_text_add(out, ";\n");
  }
  free_load(&load);
  rgc_text_free(&data);
}

static void print_random(const rgc_body_text *t, const rgc_node *node, rgc_text *out) {
  rgc_text element = {0};
  for (int j = 0; j < RGC_AXES; j++) {
    if (!(node->axes >> j & 1)) continue;
    rgc_text next = {0};
    if (element.length) rgc_text_printf(&next, "(%s) * %s + %s", element.chars, t->space.extent_name[j], t->space.coord[j]);
    else rgc_text_add(&next, t->space.coord[j]);
    rgc_text_free(&element);
    element = next;
  }
  const char *number = element.length ? element.chars : "0";
  if (t->space.lane_axis == RGC_NO_LANES) rgc_text_printf(out, "number_random(args->step, %d, %s)", node->index, number);
  else rgc_text_printf(out, "vec_random(args->seed, %d, args->step, %s, %s, count)", node->index, number, node->axes >> t->space.lane_axis & 1 ? "1" : "0");
  rgc_text_free(&element);
}

static void print_coordinate(const rgc_body_text *t, int axis, bool tapped, rgc_text *out) {
  const char *from = tapped && axis == RGC_H ? t->space.met[0] : tapped && axis == RGC_W ? t->space.met[1] : t->space.coord[axis];
  if (axis == t->space.lane_axis) rgc_text_printf(out, "vec_count_from(%s)", from);
  else rgc_text_printf(out, "%s(float)%s%s", words_of(t)->set, from, words_of(t)->set_end);
}

static void print_leaf(const rgc_body_text *t, const rgc_node *node, rgc_text *out) {
  switch (node->kind) {
    case RGC_EXPR_CONST:
      rgc_text_add(out, words_of(t)->set);
      print_number(t, node->number, out);
      rgc_text_add(out, words_of(t)->set_end);
      break;
    case RGC_EXPR_ACC: rgc_text_printf(out, has_rows(t) ? "%s[%d + i]" : "%s[%d]", t->acc, node->index * (has_rows(t) ? t->space.row : 1)); break;
    case RGC_EXPR_GATHER: rgc_text_printf(out, has_rows(t) ? "gather[%d + i]" : "gather[%d]", node->index * (has_rows(t) ? t->space.row : 1)); break;
    case RGC_EXPR_TAP:
      rgc_text_printf(out, "%s(float)(%s * %" PRId64 " + %s)%s", words_of(t)->set, t->space.tap[0], t->space.tap_columns, t->space.tap[1],
                      words_of(t)->set_end);
      break;
    case RGC_EXPR_COORD: print_coordinate(t, node->index, false, out); break;
    case RGC_EXPR_TAP_COORD: print_coordinate(t, node->index, true, out); break;
    case RGC_EXPR_SCALAR: rgc_text_printf(out, "%s%s[%d]%s", words_of(t)->set, words_of(t)->scalars, node->index, words_of(t)->set_end); break;
    case RGC_EXPR_RANDOM: print_random(t, node, out); break;
    default: rgc_internal_error("codegen", "no leaf: %s", rgc_expr_word(node->kind));
  }
}

/* How a node of arguments is written; $0 $1 $2 are x variables, # the mask of argument 0. */
static const char *const vector_forms[RGC_EXPR_KIND_COUNT] = {
    [RGC_EXPR_ADD] = "$0 + $1",          [RGC_EXPR_SUB] = "$0 - $1",
    [RGC_EXPR_MUL] = "$0 * $1",          [RGC_EXPR_DIV] = "$0 / $1",
    [RGC_EXPR_POW] = "vec_pow($0, $1)",  [RGC_EXPR_FMA] = "vec_fma($0, $1, $2)",
    [RGC_EXPR_NEG] = "-$0",              [RGC_EXPR_ABS] = "vec_abs($0)",
    [RGC_EXPR_SQRT] = "vec_sqrt($0)",    [RGC_EXPR_RECIP] = "1 / $0",
    [RGC_EXPR_EXP] = "vec_exp($0)",      [RGC_EXPR_LOG] = "vec_log($0)",
    [RGC_EXPR_TANH] = "vec_tanh($0)",    [RGC_EXPR_ERF] = "vec_erf($0)",
    [RGC_EXPR_BF16] = "vec_bf16($0)",
    [RGC_EXPR_SIGMOID] = "vec_sigmoid($0)", [RGC_EXPR_FLOOR] = "vec_floor($0)",
    [RGC_EXPR_LT] = "vec_keep(vec_set(1), #)", [RGC_EXPR_LE] = "vec_keep(vec_set(1), #)",
    [RGC_EXPR_EQ] = "vec_keep(vec_set(1), #)", [RGC_EXPR_SELECT] = "vec_choose(#, $1, $2)",
    /* no number stays no number, whichever argument it is */
    [RGC_EXPR_MAX] = "vec_choose($0 != $0, $0, vec_max($0, $1))", [RGC_EXPR_MIN] = "vec_choose($0 != $0, $0, vec_min($0, $1))",
};

static const char *const scalar_forms[RGC_EXPR_KIND_COUNT] = {
    [RGC_EXPR_ADD] = "$0 + $1",          [RGC_EXPR_SUB] = "$0 - $1",
    [RGC_EXPR_MUL] = "$0 * $1",          [RGC_EXPR_DIV] = "$0 / $1",
    [RGC_EXPR_POW] = "powf($0, $1)",     [RGC_EXPR_FMA] = "fmaf($0, $1, $2)",
    [RGC_EXPR_NEG] = "-$0",              [RGC_EXPR_ABS] = "fabsf($0)",
    [RGC_EXPR_SQRT] = "sqrtf($0)",       [RGC_EXPR_RECIP] = "1.0f / $0",
    [RGC_EXPR_EXP] = "number_exp($0)",   [RGC_EXPR_LOG] = "logf($0)",
    [RGC_EXPR_TANH] = "tanhf($0)",       [RGC_EXPR_ERF] = "erff($0)",
    [RGC_EXPR_SIGMOID] = "number_sigmoid($0)", [RGC_EXPR_BF16] = "bf_nearest($0)", [RGC_EXPR_FLOOR] = "floorf($0)",
    [RGC_EXPR_LT] = "# ? 1.0f : 0.0f",   [RGC_EXPR_LE] = "# ? 1.0f : 0.0f",
    [RGC_EXPR_EQ] = "# ? 1.0f : 0.0f",   [RGC_EXPR_SELECT] = "# ? $1 : $2",
    [RGC_EXPR_MAX] = "$0 != $0 ? $0 : number_max($0, $1)", [RGC_EXPR_MIN] = "$0 != $0 ? $0 : number_min($0, $1)",
};

static const dialect vector_dialect = {.type = "vec", .set = "vec_set(", .set_end = ")", .infinity = "__builtin_inff()", .nan = "__builtin_nanf(\"\")",
                                       .scalars = "args->scalars", .max = "vec_max", .min = "vec_min", .forms = vector_forms};
static const dialect scalar_dialect = {.type = "float", .set = "", .set_end = "", .infinity = "number_infinity()", .nan = "number_nan()",
                                       .scalars = "args->step->scalars", .max = "number_max", .min = "number_min", .forms = scalar_forms};

static const char *at_point(const rgc_body_text *t) { return has_rows(t) ? "[i]" : ""; }

static void print_mask(const rgc_body_text *t, int node, rgc_text *out) {
  const rgc_node *n = &t->body->nodes[node];
  const char *sign = n->kind == RGC_EXPR_LT ? "<" : n->kind == RGC_EXPR_LE ? "<=" : n->kind == RGC_EXPR_EQ ? "==" : NULL;
  if (sign) rgc_text_printf(out, "(x%d%s %s x%d%s)", n->arg[0], at_point(t), sign, n->arg[1], at_point(t));
  else rgc_text_printf(out, "(x%d%s != 0)", node, at_point(t));
}

static void print_form(const rgc_body_text *t, int node, const char *form, rgc_text *out) {
  const rgc_node *n = &t->body->nodes[node];
  for (const char *c = form; *c; c++) {
    if (*c == '$') rgc_text_printf(out, "x%d%s", n->arg[*++c - '0'], at_point(t));
    else if (*c == '#') print_mask(t, n->kind == RGC_EXPR_SELECT ? n->arg[0] : node, out);
    else rgc_text_add_bytes(out, c, 1);
  }
}

static bool is_const(const rgc_body *body, int node) { return body->nodes[node].kind == RGC_EXPR_CONST; }

static void print_arithmetic(const rgc_body_text *t, int node, rgc_text *out) {
  const rgc_body *body = t->body;
  const dialect *words = words_of(t);
  const rgc_node *n = &body->nodes[node];
  bool extreme = n->kind == RGC_EXPR_MAX || n->kind == RGC_EXPR_MIN;
  const char *word = n->kind == RGC_EXPR_MAX ? words->max : words->min;
  /* a > b ? a : b gives b if either is no number: the constant goes first */
  if (extreme && is_const(body, n->arg[0])) rgc_text_printf(out, "%s(x%d%s, x%d%s)", word, n->arg[0], at_point(t), n->arg[1], at_point(t));
  else if (extreme && is_const(body, n->arg[1])) rgc_text_printf(out, "%s(x%d%s, x%d%s)", word, n->arg[1], at_point(t), n->arg[0], at_point(t));
  else if (words->forms[n->kind]) print_form(t, node, words->forms[n->kind], out);
  else rgc_internal_error("codegen", "no form for %s", rgc_expr_word(n->kind));
}

static void mark(const rgc_body *body, int node, bool *needed) {
  if (node < 0 || needed[node]) return;
  needed[node] = true;
  for (int i = 0; i < rgc_expr_arity(body->nodes[node].kind); i++) mark(body, body->nodes[node].arg[i], needed);
}

void rgc_print_nodes(const rgc_body_text *t, const int *roots, int root_count, rgc_text *out) {
  rgc_arena *scratch = rgc_arena_create();
  bool *needed = RGC_NEW_ARRAY(scratch, bool, t->body->node_count + 1);
  for (int i = 0; i < root_count; i++) mark(t->body, roots[i], needed);
  for (int i = 0; i < t->body->node_count; i++) {
    const rgc_node *node = &t->body->nodes[i];
    if (!needed[i]) continue;
    if (node->kind == RGC_EXPR_LOAD) {
      print_load(t, i, out);
      continue;
    }
    begin_node(t, i, out);
    if (rgc_expr_arity(node->kind)) print_arithmetic(t, i, out);
    else print_leaf(t, node, out);
    rgc_text_add(out, ";\n");
  }
  rgc_arena_destroy(scratch);
}

void rgc_print_point(const rgc_print_space *space, rgc_text *out) {
  rgc_text_printf(out, "((%s * %s + %s) * %s + %s) * %s + %s", space->coord[0], space->extent_name[1], space->coord[1],
                  space->extent_name[2], space->coord[2], space->extent_name[3], space->row > 1 ? "c" : space->coord[3]);
}

bool rgc_operand_is_whole(const rgc_graph *graph, const rgc_operand *operand, const int64_t extent[RGC_AXES]) {
  return rgc_view_is_same_point(&operand->view, graph->values[operand->value].shape, extent);
}

/* [1,1,1,C] read by channel, or one number. */
static bool is_channel(const rgc_graph *graph, const rgc_operand *operand, const int64_t extent[RGC_AXES], bool *by_channel) {
  const rgc_view *view = &operand->view;
  const int64_t *shape = graph->values[operand->value].shape;
  *by_channel = shape[RGC_C] != 1;
  if (*by_channel) return rgc_view_is_channel(view, shape, extent);
  for (int j = 0; j < RGC_AXES; j++)
    if (shape[j] != 1 || (view->axis[j].mul != 0 && extent[view->axis[j].from] != 1) || view->axis[j].add) return false;
  return true;
}

bool rgc_operand_is_by_channel(const rgc_graph *graph, const rgc_operand *operand, const int64_t extent[RGC_AXES]) {
  bool by_channel;
  return is_channel(graph, operand, extent, &by_channel) && by_channel;
}

static bool is_uniform(const rgc_graph *graph, const rgc_body *body, const int64_t extent[RGC_AXES], bool channels_allowed) {
  for (int i = 0; i < body->node_count; i++) {
    rgc_expr_kind kind = body->nodes[i].kind;
    if (kind == RGC_EXPR_RANDOM || (kind == RGC_EXPR_COORD && (body->nodes[i].index != RGC_C || !channels_allowed))) return false;
  }
  for (int i = 0; i < body->operand_count; i++) {
    bool by_channel = false;
    if (rgc_operand_is_whole(graph, &body->operands[i], extent)) continue;
    if (!is_channel(graph, &body->operands[i], extent, &by_channel) || (by_channel && !channels_allowed)) return false;
  }
  return true;
}

bool rgc_body_is_pointwise(const rgc_graph *graph, const rgc_body *body, const int64_t extent[RGC_AXES]) {
  return is_uniform(graph, body, extent, true);
}

bool rgc_body_is_flat(const rgc_graph *graph, const rgc_body *body, const int64_t extent[RGC_AXES]) {
  return is_uniform(graph, body, extent, false);
}
