/* layer.h: one entry of a list of layers, in one form whatever way it was written, and the blocks that are known.
 *
 * `relu`, `avgpool: global`, `conv: {out: 64, kernel: 3}` and `{map: a + b, as: c}` all become a word and a map of attributes
 * with full names. */
#ifndef RGC_LANG_LAYER_H
#define RGC_LANG_LAYER_H
#include "compiler/lang/lang.h"

typedef struct rgc_layer {
  const char *word;
  const rgc_yaml *at; /* the word's node */
  rgc_yaml *attrs;    /* MAP */
} rgc_layer;

typedef struct rgc_block {
  const char *name;
  const rgc_yaml *map; /* parameters, body, shortcut, join */
} rgc_block;

typedef enum rgc_layer_id {
#define LAYER(word, alone, stem, emit) RGC_LAYER_##word,
#include "compiler/lang/layers.def"
#undef LAYER
  RGC_LAYER_KINDS
} rgc_layer_id;

typedef struct rgc_layer_kind {
  rgc_layer_id id;
  const char *word;
  const char *alone; /* key of an attribute that stands alone; NULL: none may */
  const char *stem;  /* numbered names begin with this: fc for linear */
} rgc_layer_kind;

/* NULL: no layer is called so. */
const rgc_layer_kind *rgc_layer_kind_find(const char *word);
/* All layer words, as far as there is room; how many. */
int rgc_layer_kind_words(const char **words, int limit);

/* False after an error (an entry that is no layer). */
bool rgc_layer_read(rgc_arena *arena, const rgc_yaml *node, rgc_diagnostics *diags, rgc_layer *layer);
const rgc_block *rgc_block_find(const rgc_network *network, const char *name);
/* Reads the blocks of the file and the built-in ones into the network. */
void rgc_blocks_read(rgc_network *network, rgc_diagnostics *diags);
/* Keys, words and parameters of all layers, blocks and stages. */
void rgc_layers_check(const rgc_network *network, rgc_diagnostics *diags);
/* Whether a list is of two numbers, as [1, 7] for rows and columns: no layer is called by a number. */
bool rgc_is_pair(const rgc_yaml *node);
bool rgc_is_layers(const rgc_yaml *node); /* whether it is a list of layers, and no pair */
/* Keys that a stage or a layer gives a block beside its parameters. */
bool rgc_is_block_part(const char *word);
#endif
