/* graph_text.c: the word tables of graph_text.h. */
#include "compiler/graph/graph_text.h"

const char *const rgc_dtype_words[RGC_DTYPE_COUNT] = {"f32", "i32", "u8", "bf16"};
const char *const rgc_precision_words[RGC_PRECISION_COUNT] = {
#define X(id, word) word,
    RGC_PRECISIONS(X)
#undef X
};
const char *const rgc_role_words[RGC_ROLE_COUNT] = {"input", "label", "param", "buffer", "state", "temp", "output", "folded", "copy"};
const char *const rgc_init_words[RGC_INIT_KINDS] = {"const", "normal", "uniform"};
const char *const rgc_kernel_words[RGC_KERNEL_KINDS] = {"map", "reduce", "window", "contract"};
const char *const rgc_form_words[RGC_CONTRACT_FORMS] = {"pixels", "weights"};
const char *const rgc_combine_words[RGC_COMBINES] = {"sum", "max", "argmax", "merge"};
const char *const rgc_store_words[RGC_STORE_KINDS] = {"point", "side", "sum", "max", "moments"};
const char rgc_axis_letters[RGC_AXES] = {'n', 'h', 'w', 'c'};

const bool rgc_name_chars[UCHAR_MAX + 1] = {
    ['a' ... 'z'] = true, ['A' ... 'Z'] = true, ['0' ... '9'] = true, ['.'] = true, ['_'] = true, ['-'] = true};

bool rgc_is_name(const char *text) {
  const char *end = text;
  while (end && rgc_is_name_char(*end)) end++;
  return text && *text && !*end;
}

const char *rgc_precision_word(rgc_precision precision) { return rgc_precision_words[precision]; }

bool rgc_expr_has_index(rgc_expr_kind kind) {
  return kind == RGC_EXPR_LOAD || kind == RGC_EXPR_ACC || kind == RGC_EXPR_GATHER || kind == RGC_EXPR_COORD ||
         kind == RGC_EXPR_TAP_COORD || kind == RGC_EXPR_SCALAR || kind == RGC_EXPR_RANDOM;
}

const double rgc_attribute_defaults[RGC_ATTR_COUNT] = {[RGC_ATTR_STRIDE] = 1, [RGC_ATTR_DILATION] = 1, [RGC_ATTR_GROUPS] = 1};
