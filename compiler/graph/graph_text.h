/* graph_text.h: what the printer and the parser of the graph's text share; the words and one op's text serve tables, too. */
#ifndef RGC_GRAPH_GRAPH_TEXT_H
#define RGC_GRAPH_GRAPH_TEXT_H
#include <limits.h>
#include <stdbool.h>

#include "compiler/graph/graph.h"
#include "compiler/graph/kernel.h"

extern const char *const rgc_dtype_words[RGC_DTYPE_COUNT];
extern const char *const rgc_precision_words[RGC_PRECISION_COUNT];
extern const char *const rgc_role_words[RGC_ROLE_COUNT];
enum { RGC_INIT_KINDS = RGC_INIT_UNIFORM + 1 };
extern const char *const rgc_init_words[RGC_INIT_KINDS];
extern const char rgc_axis_letters[RGC_AXES]; /* n h w c */

enum { RGC_KERNEL_KINDS = RGC_CONTRACT + 1, RGC_CONTRACT_FORMS = RGC_WEIGHTS + 1 };
enum { RGC_COMBINES = RGC_COMBINE_MERGE + 1, RGC_STORE_KINDS = RGC_PARTIAL_MOMENTS + 1 };
extern const char *const rgc_kernel_words[RGC_KERNEL_KINDS];
extern const char *const rgc_form_words[RGC_CONTRACT_FORMS];
extern const char *const rgc_combine_words[RGC_COMBINES];
extern const char *const rgc_store_words[RGC_STORE_KINDS];

/* What names of values, targets and functions are made of, in texts and in printed code: [A-Za-z0-9._-]. */
extern const bool rgc_name_chars[UCHAR_MAX + 1];
static inline bool rgc_is_name_char(char c) { return rgc_name_chars[(unsigned char)c]; }
bool rgc_is_name(const char *text); /* at least one of them, and nothing else; NULL is none */
/* Whether .index of such a node means something (SCALAR too, which is written as a word). */
bool rgc_expr_has_index(rgc_expr_kind kind);
/* The lines of one op, as rgc_graph_print has them. */
void rgc_op_print(const rgc_graph *graph, const rgc_op *op, rgc_text *out);
/* What rgc_graph_op sets. */
extern const double rgc_attribute_defaults[RGC_ATTR_COUNT];
#endif
