/* formula.c: see formula.h. A recursive descent with a depth limit; each parse function returns a node, or NULL once an error
 * has been reported, and leaves `at` behind what it read. */
#include "compiler/lang/formula.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Nodes are limited because a sum of many terms is a deep tree, which is walked recursively. */
enum { MAX_DEPTH = 100, MAX_NODES = 2000, MAX_NAMES = 64 };

typedef struct parser {
  rgc_arena *arena;
  const rgc_yaml *node;
  rgc_diagnostics *diags;
  const char *at;
  int depth, node_count;
} parser;

static rgc_formula *parse_value(parser *p);

static int offset_of(const parser *p) { return (int)(p->at - p->node->text); }

static rgc_formula *fail(parser *p, const char *what) {
  rgc_diagnostic *d = rgc_yaml_error_at(p->diags, p->node, offset_of(p), RGC_CODE_EXPR_SYNTAX, "%s in '%s'", what, p->node->text);
  d->expected = "a number, a name, or an expression such as 'width * 4'";
  return NULL;
}

static void skip_space(parser *p) { while (isspace((unsigned char)*p->at)) p->at++; }

static bool is_name_char(char c) { return isalnum((unsigned char)c) || c == '_' || c == '.'; }

/* Takes `token` if it stands next; a word must end there. */
static bool accept(parser *p, const char *token) {
  skip_space(p);
  size_t n = strlen(token);
  if (strncmp(p->at, token, n) != 0) return false;
  if (isalpha((unsigned char)token[0]) && is_name_char(p->at[n])) return false;
  p->at += n;
  return true;
}

static rgc_formula *make(parser *p, rgc_formula_kind kind, int offset, rgc_formula *a, rgc_formula *b, rgc_formula *c) {
  if (p->node_count++ == MAX_NODES) return fail(p, "too long an expression");
  rgc_formula *f = RGC_NEW(p->arena, rgc_formula);
  *f = (rgc_formula){.kind = kind, .offset = offset, .args = {a, b, c}, .arg_count = (a != NULL) + (b != NULL) + (c != NULL)};
  return f;
}

static rgc_formula *parse_call(parser *p, const char *name, int offset) {
  rgc_formula *call = make(p, RGC_F_CALL, offset, NULL, NULL, NULL);
  if (!call) return NULL;
  call->name = name;
  if (accept(p, ")")) return call;
  do {
    if (call->arg_count == 3) return fail(p, "too many arguments");
    rgc_formula *arg = parse_value(p);
    if (!arg) return NULL;
    call->args[call->arg_count++] = arg;
  } while (accept(p, ","));
  return accept(p, ")") ? call : fail(p, "a missing ')'");
}

static rgc_formula *parse_name(parser *p) {
  const char *begin = p->at;
  int offset = offset_of(p);
  while (is_name_char(*p->at)) p->at++;
  const char *name = rgc_arena_strndup(p->arena, begin, (size_t)(p->at - begin));
  if (accept(p, "(")) return parse_call(p, name, offset);
  bool is_true = strcmp(name, "true") == 0;
  rgc_formula *f = make(p, is_true || strcmp(name, "false") == 0 ? RGC_F_NUMBER : RGC_F_NAME, offset, NULL, NULL, NULL);
  if (!f) return NULL;
  f->name = name;
  f->number = is_true;
  return f;
}

static rgc_formula *parse_number(parser *p) {
  char *end;
  rgc_formula *f = make(p, RGC_F_NUMBER, offset_of(p), NULL, NULL, NULL);
  if (!f) return NULL;
  f->number = strtod(p->at, &end);
  if (end == p->at) return fail(p, "a number that cannot be read");
  p->at = end;
  return is_name_char(*p->at) ? fail(p, "a letter after a number") : f;
}

static rgc_formula *parse_atom(parser *p) {
  skip_space(p);
  if (isdigit((unsigned char)*p->at) || *p->at == '.') return parse_number(p);
  if (isalpha((unsigned char)*p->at) || *p->at == '_') return parse_name(p);
  if (!accept(p, "(")) return fail(p, *p->at ? "an unexpected character" : "a missing operand");
  rgc_formula *inner = parse_value(p);
  if (!inner) return NULL;
  return accept(p, ")") ? inner : fail(p, "a missing ')'");
}

static rgc_formula *parse_unary(parser *p) {
  skip_space(p);
  int offset = offset_of(p);
  if (!accept(p, "-")) return parse_atom(p);
  if (++p->depth > MAX_DEPTH) return fail(p, "too deep nesting");
  rgc_formula *arg = parse_unary(p);
  p->depth--;
  return arg ? make(p, RGC_F_NEG, offset, arg, NULL, NULL) : NULL;
}

typedef struct infix {
  const char *token;
  rgc_formula_kind kind;
  int level; /* the higher, the tighter */
} infix;

/* Longer tokens first, so that // is not taken for /. */
static const infix infixes[] = {
    {"or", RGC_F_OR, 1},  {"and", RGC_F_AND, 2}, {"<=", RGC_F_LE, 3},       {">=", RGC_F_GE, 3},  {"==", RGC_F_EQ, 3},
    {"!=", RGC_F_NE, 3},  {"<", RGC_F_LT, 3},    {">", RGC_F_GT, 3},        {"+", RGC_F_ADD, 4},  {"-", RGC_F_SUB, 4},
    {"//", RGC_F_FLOORDIV, 5}, {"*", RGC_F_MUL, 5}, {"/", RGC_F_DIV, 5}, {"%", RGC_F_MOD, 5}};
enum { INFIX_COUNT = sizeof infixes / sizeof *infixes, NOT_LEVEL = 3, UNARY_LEVEL = 6 };

static const infix *accept_infix(parser *p, int level) {
  for (int i = 0; i < INFIX_COUNT; i++)
    if (infixes[i].level == level && accept(p, infixes[i].token)) return &infixes[i];
  return NULL;
}

static rgc_formula *parse_level(parser *p, int level) {
  if (level == UNARY_LEVEL) return parse_unary(p);
  skip_space(p);
  int offset = offset_of(p);
  if (level == NOT_LEVEL && accept(p, "not")) {
    if (++p->depth > MAX_DEPTH) return fail(p, "too deep nesting");
    rgc_formula *arg = parse_level(p, level);
    p->depth--;
    return arg ? make(p, RGC_F_NOT, offset, arg, NULL, NULL) : NULL;
  }
  rgc_formula *left = parse_level(p, level + 1);
  const infix *op;
  while (left && (op = accept_infix(p, level))) {
    rgc_formula *right = parse_level(p, level + 1);
    left = right ? make(p, op->kind, offset, left, right, NULL) : NULL;
  }
  return left;
}

static rgc_formula *parse_value(parser *p) {
  if (++p->depth > MAX_DEPTH) return fail(p, "too deep nesting");
  int offset = offset_of(p);
  rgc_formula *then = parse_level(p, 1);
  rgc_formula *result = then;
  if (then && accept(p, "if")) {
    rgc_formula *condition = parse_level(p, 1);
    if (condition && !accept(p, "else")) return fail(p, "an 'if' without 'else'");
    rgc_formula *other = condition ? parse_value(p) : NULL;
    result = other ? make(p, RGC_F_IF, offset, condition, then, other) : NULL;
  }
  p->depth--;
  return result;
}

rgc_formula *rgc_formula_parse(rgc_arena *arena, const rgc_yaml *node, rgc_diagnostics *diags) {
  if (node->kind != RGC_YAML_SCALAR) {
    rgc_yaml_error(diags, node, RGC_CODE_WRONG_TYPE, "an expression is expected, not %s", rgc_yaml_kind_word(node));
    return NULL;
  }
  parser p = {.arena = arena, .node = node, .diags = diags, .at = node->text};
  rgc_formula *f = parse_value(&p);
  skip_space(&p);
  return f && *p.at ? fail(&p, "something after the expression") : f;
}

/* ---- values ---- */

typedef struct evaluation {
  const rgc_yaml *node;
  const rgc_formula_names *names;
  rgc_diagnostics *diags;
} evaluation;

static bool report_value(const evaluation *e, const rgc_formula *f, const char *what) {
  rgc_yaml_error_at(e->diags, e->node, f->offset, RGC_CODE_EXPR_VALUE, "%s in '%s'", what, e->node->text);
  return false;
}

/* To a multiple of k, at least k, half up. */
static double round_to(double x, double k) { return fmax(k, floor((x + k / 2) / k) * k); }
static double half_even(double x, double unused) { (void)unused; return nearbyint(x); }
static double floor_of(double x, double unused) { (void)unused; return floor(x); }
static double ceil_of(double x, double unused) { (void)unused; return ceil(x); }
static double log2_of(double x, double unused) { (void)unused; return log2(x); }

static const struct function {
  const char *name;
  int arity;
  double (*apply)(double a, double b);
} functions[] = {{"min", 2, fmin},        {"max", 2, fmax},     {"floor", 1, floor_of},    {"ceil", 1, ceil_of},
                 {"round", 1, half_even}, {"log2", 1, log2_of}, {"round_to", 2, round_to}};
enum { FUNCTION_COUNT = sizeof functions / sizeof *functions };

static bool eval(const evaluation *e, const rgc_formula *f, double *value);

static bool report_name(const evaluation *e, const rgc_formula *f, const char **words, int count) {
  rgc_diagnostic *d = rgc_yaml_error_at(e->diags, e->node, f->offset, RGC_CODE_EXPR_NAME, "'%s' means nothing here", f->name);
  const char *near = rgc_suggest(f->name, words, count);
  d->expected = "a number, or an expression of known names";
  if (near) d->help = rgc_arena_printf(e->diags->arena, "did you mean '%s'?", near);
  return false;
}

static bool eval_call(const evaluation *e, const rgc_formula *f, double *value) {
  const char *words[FUNCTION_COUNT];
  for (int i = 0; i < FUNCTION_COUNT; i++) {
    words[i] = functions[i].name;
    if (strcmp(f->name, functions[i].name) != 0) continue;
    if (f->arg_count != functions[i].arity) return report_value(e, f, "a wrong number of arguments");
    double a, b = 0;
    if (!eval(e, f->args[0], &a) || (f->arg_count == 2 && !eval(e, f->args[1], &b))) return false;
    *value = functions[i].apply(a, b);
    return isfinite(*value) || report_value(e, f, "no finite value");
  }
  return report_name(e, f, words, FUNCTION_COUNT);
}

static bool eval_name(const evaluation *e, const rgc_formula *f, double *value) {
  if (e->names->find(e->names->context, f->name, value)) return true;
  const char *words[MAX_NAMES];
  return report_name(e, f, words, e->names->list(e->names->context, words, MAX_NAMES));
}

static bool eval_infix(const evaluation *e, const rgc_formula *f, double a, double b, double *value) {
  bool divides = f->kind == RGC_F_DIV || f->kind == RGC_F_FLOORDIV || f->kind == RGC_F_MOD;
  if (divides && b == 0) return report_value(e, f, "a division by zero");
  switch (f->kind) {
    case RGC_F_ADD: *value = a + b; break;
    case RGC_F_SUB: *value = a - b; break;
    case RGC_F_MUL: *value = a * b; break;
    case RGC_F_DIV: *value = a / b; break;
    case RGC_F_FLOORDIV: *value = floor(a / b); break;
    case RGC_F_MOD: *value = a - floor(a / b) * b; break;
    case RGC_F_LT: *value = a < b; break;
    case RGC_F_LE: *value = a <= b; break;
    case RGC_F_GT: *value = a > b; break;
    case RGC_F_GE: *value = a >= b; break;
    case RGC_F_EQ: *value = a == b; break;
    case RGC_F_NE: *value = a != b; break;
    case RGC_F_AND: *value = a != 0 && b != 0; break;
    case RGC_F_OR: *value = a != 0 || b != 0; break;
    default: rgc_internal_error("formula", "kind %d", (int)f->kind);
  }
  return true;
}

static bool eval(const evaluation *e, const rgc_formula *f, double *value) {
  double a, b;
  switch (f->kind) {
    case RGC_F_NUMBER: *value = f->number; return true;
    case RGC_F_NAME: return eval_name(e, f, value);
    case RGC_F_CALL: return eval_call(e, f, value);
    case RGC_F_IF: return eval(e, f->args[0], &a) && eval(e, f->args[a != 0 ? 1 : 2], value);
    case RGC_F_NEG:
    case RGC_F_NOT:
      if (!eval(e, f->args[0], &a)) return false;
      *value = f->kind == RGC_F_NEG ? -a : a == 0;
      return true;
    default: return eval(e, f->args[0], &a) && eval(e, f->args[1], &b) && eval_infix(e, f, a, b, value);
  }
}

bool rgc_formula_eval(const rgc_formula *formula, const rgc_yaml *node, const rgc_formula_names *names,
                      rgc_diagnostics *diags, double *value) {
  evaluation e = {node, names, diags};
  return eval(&e, formula, value);
}
