/* expand.h: what the parts of the expander share. For expand*.c only.
 *
 * A list of layers is run in a place: a prefix for names, counters for their numbers, the names of expressions (env) and the
 * values that were named. Each layer kind has one emit function that adds ops to the graph and returns the value it gives;
 * -1 means that an error was reported, and ends the list. */
#ifndef RGC_LANG_EXPAND_H
#define RGC_LANG_EXPAND_H
#include "compiler/lang/layer.h"

typedef struct rgc_binding {
  const char *name;
  const rgc_yaml *list; /* a list of layers, or two numbers (rgc_is_pair); NULL: a number */
  double number;
} rgc_binding;

typedef struct rgc_env {
  rgc_binding *items;
  int count, capacity;
} rgc_env;

typedef struct rgc_named_value {
  const char *name;
  int value;
} rgc_named_value;

typedef struct rgc_value_names {
  rgc_named_value *items;
  int count, capacity;
} rgc_value_names;

typedef struct rgc_counter {
  const char *word;
  int count;
} rgc_counter;

typedef struct rgc_expander {
  rgc_network *network;
  rgc_graph *graph;
  rgc_arena *arena;
  rgc_diagnostics *diags;
  bool training;
  int stream;         /* random streams given out */
  int depth;          /* blocks and scopes that are open */
  int layer_count;    /* layers run so far, those that `when` drops too */
  int lone_linear;    /* the root has one unnamed linear: it is `fc` */
  int outputs[RGC_MAX_OUTPUTS], output_count; /* values named by output: */
} rgc_expander;

typedef struct rgc_scope {
  const char *prefix; /* "layer1.0.", "" at the root */
  const char *path;   /* for errors: "layer1.0 (block basic)"; NULL at the root */
  bool by_position, root;
  int position; /* layers counted so far */
  rgc_counter *counters;
  int counter_count, counter_capacity;
  rgc_env *env;
  rgc_value_names *values;
  int other; /* join: the shortcut's value, taken by an add, mul or concat without names; else -1 */
} rgc_scope;

/* One layer as it is being emitted. */
typedef struct rgc_cell {
  rgc_expander *x;
  rgc_scope *place;
  const rgc_layer *layer;
  int in;           /* the value it takes */
  const char *name; /* "layer1.0.conv1" */
} rgc_cell;

/* expand_attr.c: attributes as values; false or NULL after an error. */
const rgc_yaml *rgc_cell_attr(const rgc_cell *cell, const char *key);
bool rgc_cell_number(rgc_cell *cell, const char *key, double missing, double min, double max, double *value);
bool rgc_cell_int(rgc_cell *cell, const char *key, int64_t missing, int64_t min, int64_t *value);
/* A number for both, or a list [rows, columns]. */
bool rgc_cell_pair(rgc_cell *cell, const char *key, const int64_t missing[2], int64_t min, int64_t values[2]);
/* An entry of the list that is the attribute. */
bool rgc_cell_entry(rgc_cell *cell, const char *key, const rgc_yaml *node, int64_t min, int64_t *value);
bool rgc_cell_flag(rgc_cell *cell, const char *key, bool missing, bool *value);
/* Index of the attribute's word in `words`, or -1 after an error. */
int rgc_cell_word(rgc_cell *cell, const char *key, int missing, const char *const *words, int count);
bool rgc_cell_eval(const rgc_cell *cell, const rgc_env *env, const rgc_yaml *node, double *value); /* as below, and errors say in which block */
bool rgc_expand_eval(rgc_expander *x, const rgc_env *env, const rgc_yaml *node, double *value);
void rgc_env_set(rgc_expander *x, rgc_env *env, const char *name, double number, const rgc_yaml *list);
const rgc_binding *rgc_env_find(const rgc_env *env, const char *name);
int rgc_cell_named(rgc_cell *cell, const rgc_yaml *node); /* the value called so, -1 after an error */
rgc_diagnostic *rgc_cell_error(rgc_cell *cell, const rgc_yaml *node, rgc_code code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* At a character of an expression's text. */
rgc_diagnostic *rgc_cell_error_at(rgc_cell *cell, const rgc_yaml *node, int offset, rgc_code code, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
/* Reports a name there that is neither a value nor a parameter, with those that are; -1. */
int rgc_cell_unknown(rgc_cell *cell, const rgc_yaml *node, int offset, const char *name);
const int64_t *rgc_cell_shape(const rgc_cell *cell); /* of the value taken */
/* False, with an error, if a value of this shape is too large. */
bool rgc_cell_fits(rgc_cell *cell, const int64_t shape[RGC_AXES]);
int rgc_cell_temp(rgc_cell *cell, const int64_t shape[RGC_AXES]);
rgc_op *rgc_cell_finish(rgc_cell *cell, rgc_op *op); /* sets layer, word, line */
/* Adds parameter or buffer NAME.suffix; -1 after an error (the name exists). */
int rgc_cell_param(rgc_cell *cell, const char *suffix, rgc_role role, const int64_t shape[RGC_AXES], int torch_rank,
                   rgc_init init);

/* expand.c */
/* The graph without the check of expect:; NULL after an error. */
rgc_graph *rgc_expand(rgc_network *network, int64_t batch, bool training, rgc_diagnostics *diags);
int rgc_expand_list(rgc_expander *x, rgc_scope *place, const rgc_yaml *list, int in);

/* expand_outputs.c: the network's outputs, or the last value as "logits"; false after an error where they do not suit the classes. */
bool rgc_expand_outputs(rgc_expander *x, int last);
/* Which class set the output's value is of; -1 after an error. */
int rgc_expand_class_set(const rgc_expander *x, int logits);
/* expand_loss.c: labels and loss of the outputs; false after an error. */
bool rgc_expand_loss(rgc_expander *x);

/* Emit functions, by file. */
int rgc_emit_conv(rgc_cell *cell);
int rgc_emit_linear(rgc_cell *cell);
int rgc_emit_bn(rgc_cell *cell);
int rgc_emit_maxpool(rgc_cell *cell);
int rgc_emit_avgpool(rgc_cell *cell);
int rgc_emit_reduce(rgc_cell *cell);
int rgc_emit_activation(rgc_cell *cell);
int rgc_emit_dropout(rgc_cell *cell);
int rgc_emit_drop_path(rgc_cell *cell);
int rgc_emit_join(rgc_cell *cell); /* add, mul */
int rgc_emit_concat(rgc_cell *cell);
int rgc_emit_split(rgc_cell *cell);
int rgc_emit_subsample(rgc_cell *cell);
int rgc_emit_upsample(rgc_cell *cell);
int rgc_emit_pad_channels(rgc_cell *cell);
int rgc_emit_param(rgc_cell *cell);
int rgc_emit_map(rgc_cell *cell);
int rgc_emit_slice(rgc_cell *cell);
int rgc_emit_softmax(rgc_cell *cell);
int rgc_emit_group_norm(rgc_cell *cell);
int rgc_emit_channel_conv(rgc_cell *cell);
int rgc_emit_filter(rgc_cell *cell);
#endif
