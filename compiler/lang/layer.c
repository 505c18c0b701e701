/* layer.c: see layer.h. The check here needs no shapes and no values, so it finds all such mistakes of a file in one run;
 * expand.c finds the others. */
#include "compiler/lang/layer.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "compiler/lang/builtin.h"
#include "compiler/lang/keys.h"

enum { MAX_WORDS = 128 };

static const rgc_layer_kind kinds[RGC_LAYER_KINDS] = {
#define LAYER(word, alone, stem, emit) {RGC_LAYER_##word, #word, alone, stem},
#include "compiler/lang/layers.def"
#undef LAYER
};

const rgc_layer_kind *rgc_layer_kind_find(const char *word) {
  for (int i = 0; i < RGC_LAYER_KINDS; i++)
    if (strcmp(kinds[i].word, word) == 0) return &kinds[i];
  return NULL;
}

int rgc_layer_kind_words(const char **words, int limit) {
  int count = 0;
  for (; count < (int)RGC_LAYER_KINDS && count < limit; count++) words[count] = kinds[count].word;
  return count;
}

static bool is_common(const char *word) { return rgc_key_find("layer", word) != NULL; }

/* The entry of a layer map that is the layer: its one key that is not common to all. -1 if there is not exactly one. */
static int find_word(const rgc_yaml *map) {
  int found = -1;
  for (int i = 0; i < map->count; i++) {
    if (is_common(map->keys[i]->text)) continue;
    if (found >= 0) return -1;
    found = i;
  }
  return found;
}

static void put_alone(rgc_arena *arena, rgc_layer *layer, rgc_yaml *value) {
  const rgc_layer_kind *kind = rgc_layer_kind_find(layer->word);
  const char *key = kind && kind->alone ? kind->alone : "?";
  if (kind && strcmp(layer->word, "avgpool") == 0 && value->text && strcmp(value->text, "global") == 0) key = "over";
  if (value->kind == RGC_YAML_SCALAR && !*value->text && !value->quoted) return; /* `relu:` */
  rgc_yaml_put(arena, layer->attrs, rgc_yaml_scalar(arena, value, key), value);
}

bool rgc_layer_read(rgc_arena *arena, const rgc_yaml *node, rgc_diagnostics *diags, rgc_layer *layer) {
  int at = node->kind == RGC_YAML_MAP ? find_word(node) : -1;
  if (node->kind == RGC_YAML_LIST || (node->kind == RGC_YAML_MAP && at < 0)) {
    rgc_yaml_error(diags, node, RGC_CODE_WRONG_TYPE, "a layer is a word, or one word with its attributes")->expected =
        "relu, or conv: {out: 64, kernel: 3}";
    return false;
  }
  *layer = (rgc_layer){.word = node->text, .at = node};
  layer->attrs = rgc_yaml_empty(arena, node, RGC_YAML_MAP);
  if (node->kind == RGC_YAML_SCALAR) return true;
  layer->at = node->keys[at];
  layer->word = layer->at->text;
  rgc_yaml *value = node->items[at];
  if (value->kind == RGC_YAML_MAP)
    layer->attrs = rgc_yaml_copy(arena, value);
  else
    put_alone(arena, layer, value);
  for (int i = 0; i < node->count; i++)
    if (i != at) rgc_yaml_put(arena, layer->attrs, node->keys[i], node->items[i]);
  return true;
}

bool rgc_is_block_part(const char *word) {
  return strcmp(word, "shortcut") == 0 || strcmp(word, "join") == 0 || strcmp(word, "body") == 0;
}

const rgc_block *rgc_block_find(const rgc_network *network, const char *name) {
  for (int i = 0; i < network->block_count; i++)
    if (strcmp(network->blocks[i].name, name) == 0) return &network->blocks[i];
  return NULL;
}

void rgc_blocks_read(rgc_network *network, rgc_diagnostics *diags) {
  const rgc_yaml *own = rgc_yaml_get(network->root, "blocks");
  int own_count = own && own->kind == RGC_YAML_MAP ? own->count : 0;
  rgc_block *blocks = RGC_NEW_ARRAY(network->arena, rgc_block, own_count + rgc_builtin_block_count);
  int count = 0;
  for (int i = 0; i < own_count; i++) {
    if (own->items[i]->kind == RGC_YAML_MAP)
      blocks[count++] = (rgc_block){own->keys[i]->text, own->items[i]};
    else
      rgc_yaml_error(diags, own->items[i], RGC_CODE_WRONG_TYPE, "a block is a map, not %s", rgc_yaml_kind_word(own->items[i]));
  }
  for (int i = 0; i < rgc_builtin_block_count; i++) {
    const rgc_builtin_block *b = &rgc_builtin_blocks[i];
    const char *file = rgc_arena_printf(network->arena, "blocks/%s.yaml", b->name);
    const rgc_yaml *map = rgc_yaml_parse(network->arena, b->text, strlen(b->text), file, diags);
    if (map) blocks[count++] = (rgc_block){b->name, map};
  }
  network->blocks = blocks;
  network->block_count = count;
}

/* ---- the check ---- */

static void check_list(const rgc_network *n, const rgc_yaml *list, rgc_diagnostics *diags);

static int block_words(const rgc_network *n, const char **words, int limit) {
  int count = 0;
  for (int i = 0; i < n->block_count && count < limit; i++) words[count++] = n->blocks[i].name;
  return count;
}

bool rgc_is_pair(const rgc_yaml *node) {
  if (node->kind != RGC_YAML_LIST || node->count != 2) return false;
  const char *first = node->items[0]->text, *second = node->items[1]->text;
  return first && second && isdigit((unsigned char)*first) && isdigit((unsigned char)*second);
}

bool rgc_is_layers(const rgc_yaml *node) { return node->kind == RGC_YAML_LIST && !rgc_is_pair(node); }

static void check_argument(const rgc_network *n, const rgc_block *block, const rgc_yaml *key, const rgc_yaml *value,
                           rgc_diagnostics *diags) {
  const rgc_yaml *parameters = rgc_yaml_get(block->map, "parameters");
  const rgc_yaml *missing = rgc_yaml_get(parameters, key->text);
  if (rgc_is_block_part(key->text) || missing) {
    if (!missing || rgc_is_layers(missing)) check_list(n, value, diags);
    return;
  }
  const char *words[MAX_WORDS];
  int count = 0;
  for (int i = 0; parameters && i < parameters->count && count < MAX_WORDS; i++) words[count++] = parameters->keys[i]->text;
  const char *message = rgc_arena_printf(diags->arena, "block %s has no parameter '%s'", block->name, key->text);
  rgc_report_word(diags, key, RGC_CODE_UNKNOWN_PARAMETER, message, key->text, words, count);
}

/* What PyTorch, Keras and others call a layer, in small letters, and how it is written here. */
static const struct foreign {
  const char *word, *here;
} foreign[] = {{"conv2d", "conv"}, {"convolution", "conv"}, {"batchnorm", "bn"}, {"batchnorm2d", "bn"}, {"batch_norm", "bn"}, {"norm", "bn"},
               {"groupnorm", "group_norm"}, {"layernorm", "group_norm: {groups: 1}"}, {"maxpool2d", "maxpool"}, {"avgpool2d", "avgpool"},
               {"adaptiveavgpool2d", "avgpool: global"}, {"globalavgpool", "avgpool: global"}, {"global_avg_pool", "avgpool: global"}, {"gap", "avgpool: global"},
               {"fc", "linear"}, {"dense", "linear"}, {"swish", "silu"}, {"leakyrelu", "leaky_relu"}, {"cat", "concat"}, {"chunk", "split"},
               {"droppath", "drop_path"}, {"sequential", "scope"}, {"identity", "left out"}, {"flatten", "left out: linear takes all of an image"}};

static void suggest_ours(rgc_diagnostic *d, const char *word, rgc_arena *arena) {
  if (strstr(word, " - ")) d->help = "the '-' of each layer begins in the same column";
  for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++)
    if (!strcasecmp(foreign[i].word, word)) d->help = rgc_arena_printf(arena, "'%s' is here %s", word, foreign[i].here);
}

static void check_layer(const rgc_network *n, const rgc_layer *layer, rgc_diagnostics *diags) {
  const rgc_layer_kind *kind = rgc_layer_kind_find(layer->word);
  const rgc_block *block = rgc_block_find(n, layer->word);
  if (kind) {
    rgc_keys_check(layer->attrs, layer->word, "layer", diags);
    const rgc_yaml *body = strcmp(layer->word, "scope") == 0 || strcmp(layer->word, "repeat") == 0 ? rgc_yaml_get(layer->attrs, "body") : NULL;
    if (body && body->kind == RGC_YAML_LIST) check_list(n, body, diags);
  } else if (block) {
    for (int i = 0; i < layer->attrs->count; i++)
      if (!is_common(layer->attrs->keys[i]->text))
        check_argument(n, block, layer->attrs->keys[i], layer->attrs->items[i], diags);
  } else {
    const char *words[MAX_WORDS];
    int count = rgc_layer_kind_words(words, MAX_WORDS);
    count += block_words(n, words + count, MAX_WORDS - count);
    const char *message = rgc_arena_printf(diags->arena, "'%s' is neither a layer nor a block", layer->word);
    suggest_ours(rgc_report_word(diags, layer->at, RGC_CODE_UNKNOWN_LAYER, message, layer->word, words, count), layer->word, diags->arena);
  }
}

static void check_list(const rgc_network *n, const rgc_yaml *list, rgc_diagnostics *diags) {
  if (!list || list->kind != RGC_YAML_LIST) return;
  for (int i = 0; i < list->count; i++) {
    rgc_layer layer;
    if (rgc_layer_read(n->arena, list->items[i], diags, &layer)) check_layer(n, &layer, diags);
  }
}

static void check_block(const rgc_network *n, const rgc_block *block, rgc_diagnostics *diags) {
  rgc_keys_check(block->map, "block", NULL, diags);
  check_list(n, rgc_yaml_get(block->map, "body"), diags);
  check_list(n, rgc_yaml_get(block->map, "shortcut"), diags);
  check_list(n, rgc_yaml_get(block->map, "join"), diags);
}

static void check_stage(const rgc_network *n, const rgc_yaml *stage, rgc_diagnostics *diags) {
  const rgc_yaml *name = rgc_yaml_get(stage, "block"), *repeat = rgc_yaml_get(stage, "repeat");
  if (stage->kind != RGC_YAML_MAP) {
    rgc_yaml_error(diags, stage, RGC_CODE_WRONG_TYPE, "a stage is a map, not %s", rgc_yaml_kind_word(stage))->expected =
        "{block: basic, repeat: 2, width: 64}";
    return;
  }
  if (!name || !repeat) {
    const char *missing = name ? "repeat" : "block";
    rgc_diagnostic *d = rgc_yaml_error(diags, stage, RGC_CODE_MISSING_KEY, "'%s' is missing in a stage", missing);
    d->expected = "{block: basic, repeat: 2, width: 64}";
    for (int i = 0; i < stage->count; i++)
      if (rgc_suggest(stage->keys[i]->text, &missing, 1)) d->help = rgc_arena_printf(diags->arena, "is '%s' to be '%s'?", stage->keys[i]->text, missing);
    return;
  }
  const rgc_block *block = name->text ? rgc_block_find(n, name->text) : NULL;
  if (!block) {
    const char *words[MAX_WORDS];
    int count = block_words(n, words, MAX_WORDS);
    const char *text = name->text ? name->text : "(no word)";
    rgc_report_word(diags, name, RGC_CODE_UNKNOWN_BLOCK, rgc_arena_printf(diags->arena, "there is no block '%s'", text), text,
                    words, count);
    return;
  }
  for (int i = 0; i < stage->count; i++)
    if (stage->items[i] != name && stage->items[i] != repeat)
      check_argument(n, block, stage->keys[i], stage->items[i], diags);
}

void rgc_layers_check(const rgc_network *n, rgc_diagnostics *diags) {
  check_list(n, rgc_yaml_get(n->root, "stem"), diags);
  for (int i = 0; i < n->block_count; i++) check_block(n, &n->blocks[i], diags);
  const rgc_yaml *stages = rgc_yaml_get(n->root, "stages");
  for (int i = 0; stages && stages->kind == RGC_YAML_LIST && i < stages->count; i++) check_stage(n, stages->items[i], diags);
  check_list(n, rgc_yaml_get(n->root, "head"), diags);
}
