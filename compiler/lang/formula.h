/* formula.h: the expressions of graph files, parsed once and used twice: as numbers (attributes, parameters) and as the body of
 * a map layer, where names are tensors.
 *
 *   value   := or [ 'if' or 'else' value ]
 *   or      := and { 'or' and }        and := not { 'and' not }      not := 'not' not | compare
 *   compare := sum [ < <= > >= == != sum ]
 *   sum     := product { + - product } product := unary { * / // % unary }
 *   unary   := - unary | atom          atom := number | name | name ( value, ... ) | ( value )
 *
 * Numbers are doubles; true is 1, false 0. Only the branch taken of an `if` may fail. */
#ifndef RGC_LANG_FORMULA_H
#define RGC_LANG_FORMULA_H
#include "compiler/lang/yaml.h"

typedef enum rgc_formula_kind {
  RGC_F_NUMBER, RGC_F_NAME, RGC_F_CALL, RGC_F_NEG, RGC_F_NOT, RGC_F_ADD, RGC_F_SUB, RGC_F_MUL, RGC_F_DIV, RGC_F_FLOORDIV,
  RGC_F_MOD, RGC_F_LT, RGC_F_LE, RGC_F_GT, RGC_F_GE, RGC_F_EQ, RGC_F_NE, RGC_F_AND, RGC_F_OR, RGC_F_IF
} rgc_formula_kind;

typedef struct rgc_formula rgc_formula;
struct rgc_formula {
  rgc_formula_kind kind;
  int offset;              /* byte of the text where it begins, for the caret */
  double number;           /* NUMBER */
  const char *name;        /* NAME, CALL */
  rgc_formula *args[3];    /* IF: condition, then, else */
  int arg_count;
};

/* Who knows the names: sets *value and returns true, or returns false. `words` lists them for suggestions. */
typedef struct rgc_formula_names {
  bool (*find)(const void *context, const char *name, double *value);
  int (*list)(const void *context, const char **words, int limit);
  const void *context;
} rgc_formula_names;

/* The expression in scalar `node`, NULL after an error. */
rgc_formula *rgc_formula_parse(rgc_arena *arena, const rgc_yaml *node, rgc_diagnostics *diags);
/* Its value; false after an error (unknown name, division by zero), which is reported at `node`. */
bool rgc_formula_eval(const rgc_formula *formula, const rgc_yaml *node, const rgc_formula_names *names,
                      rgc_diagnostics *diags, double *value);
#endif
