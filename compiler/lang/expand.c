/* expand.c: from the tree of a network to its graph: lists of layers, scopes, blocks, stages; names as torchvision has them.
 *
 * In a scope layers are numbered by kind (conv1, bn1, conv2); in a shortcut, and where number: position, by position, counting
 * each layer, those that `when` drops too. Stem and head share the root. See expand.h for what an emit function is. */
#include "compiler/lang/expand.h"

#include <math.h>
#include <string.h>

enum { MAX_DEPTH = 32, MAX_REPEAT = 4096, MAX_LAYERS = 1 << 16 };

static int emit_use(rgc_cell *cell);
static int emit_scope(rgc_cell *cell);
static int emit_repeat(rgc_cell *cell);

static int (*const emits[])(rgc_cell *cell) = {
#define LAYER(word, alone, stem, emit) [RGC_LAYER_##word] = emit,
#include "compiler/lang/layers.def"
#undef LAYER
};

/* ---- names ---- */

static int count_kind(rgc_expander *x, rgc_scope *place, const char *word) {
  for (int i = 0; i < place->counter_count; i++)
    if (strcmp(place->counters[i].word, word) == 0) return ++place->counters[i].count;
  *RGC_PUSH(x->arena, place->counters, place->counter_count, place->counter_capacity) = (rgc_counter){word, 1};
  return 1;
}

/* The text with each $NAME replaced by that number of the place's expressions: convs.$i. NULL after an error. */
static const char *fill_name(rgc_cell *cell, const rgc_yaml *given) {
  static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
  const char *result = "";
  for (const char *at = given->text; *at;) {
    size_t plain = strcspn(at, "$"), length = at[plain] ? strspn(at + plain + 1, letters) : 0;
    const char *word = length ? rgc_arena_printf(cell->x->arena, "%.*s", (int)length, at + plain + 1) : NULL;
    const rgc_binding *b = word ? rgc_env_find(cell->place->env, word) : NULL;
    bool whole = b && !b->list && b->number >= 0 && b->number <= RGC_MAX_ATTRIBUTE && b->number == floor(b->number);
    if (at[plain] && !whole) {
      rgc_cell_error(cell, given, RGC_CODE_EXPR_NAME, "no integer is called '%s' in '%s'", word ? word : "", given->text);
      return NULL;
    }
    result = rgc_arena_printf(cell->x->arena, "%s%.*s", result, (int)plain, at);
    if (b) result = rgc_arena_printf(cell->x->arena, "%s%d", result, (int)b->number);
    at += plain + (at[plain] ? 1 + length : 0);
  }
  return result;
}

static const char *name_layer(rgc_cell *cell, int position) {
  rgc_scope *place = cell->place;
  const rgc_yaml *given = rgc_cell_attr(cell, "name");
  if (given && given->text) {
    const char *name = fill_name(cell, given);
    return name ? rgc_arena_printf(cell->x->arena, "%s%s", place->prefix, name) : NULL;
  }
  if (place->by_position) return rgc_arena_printf(cell->x->arena, "%s%d", place->prefix, position);
  const rgc_layer_kind *kind = rgc_layer_kind_find(cell->layer->word);
  const char *stem = kind ? kind->stem : cell->layer->word;
  int number = count_kind(cell->x, place, stem);
  if (place->root && cell->x->lone_linear && strcmp(stem, "fc") == 0) return "fc";
  return rgc_arena_printf(cell->x->arena, "%s%s%d", place->prefix, stem, number);
}

/* Names become those of weight files and of the IR. */
static bool check_name(rgc_cell *cell, const char *key) {
  const rgc_yaml *node = rgc_cell_attr(cell, key);
  static const char usable[] = "$abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
  const char *letters = strcmp(key, "name") == 0 ? usable : usable + 1; /* $NAME was filled in before, in names */
  if (!node || (node->text && *node->text && node->text[strspn(node->text, letters)] == 0)) return true;
  rgc_cell_error(cell, node, RGC_CODE_BAD_VALUE, "%s: cannot be '%s'", key, node->text ? node->text : "")->expected =
      "letters, digits, '.', '_' and '-'";
  return false;
}

static void name_value(rgc_expander *x, rgc_scope *place, const char *name, int value) {
  rgc_value_names *v = place->values;
  *RGC_PUSH(x->arena, v->items, v->count, v->capacity) = (rgc_named_value){name, value};
}

static bool mark_output(rgc_cell *cell, int value) {
  const rgc_yaml *output = rgc_cell_attr(cell, "output");
  if (!output) return true;
  rgc_expander *x = cell->x;
  if (!output->text || x->output_count == RGC_MAX_OUTPUTS || rgc_graph_find(x->graph, output->text) >= 0) {
    rgc_cell_error(cell, output, RGC_CODE_NAME_CLASH, "output '%s' cannot be added", output->text ? output->text : "");
    return false;
  }
  rgc_graph_rename(x->graph, value, output->text);
  x->outputs[x->output_count++] = value;
  return true;
}

/* ---- lists ---- */

static int emit_block(rgc_cell *cell, const rgc_block *block);

/* What `from:` names, or the layer before. */
static bool find_input(rgc_cell *cell) {
  const rgc_yaml *from = rgc_cell_attr(cell, "from");
  if (from) cell->in = rgc_cell_named(cell, from);
  return cell->in >= 0;
}

static int emit(rgc_cell *cell) {
  const rgc_layer_kind *kind = rgc_layer_kind_find(cell->layer->word);
  const rgc_block *block = kind ? NULL : rgc_block_find(cell->x->network, cell->layer->word);
  if (!kind && !block) {
    rgc_cell_error(cell, NULL, RGC_CODE_UNKNOWN_LAYER, "'%s' is neither a layer nor a block", cell->layer->word);
    return -1;
  }
  return kind ? emits[kind->id](cell) : emit_block(cell, block);
}

/* A layer of several ops: its own name is that of its result, not of the first value on the way. */
static void name_result(const rgc_cell *cell, int result) {
  rgc_graph *graph = cell->x->graph;
  int holder = rgc_graph_find(graph, cell->name);
  if (holder < 0 || holder == result || graph->values[result].op < 0 || strcmp(graph->ops[graph->values[result].op].layer, cell->name)) return;
  const char *numbered = graph->values[result].name;
  rgc_graph_rename(graph, result, cell->name);
  rgc_graph_rename(graph, holder, numbered);
}

/* Blocks of blocks that are short to write can be too many to build. */
static bool count_layer(rgc_cell *cell) {
  if (cell->x->layer_count++ < MAX_LAYERS) return true;
  rgc_cell_error(cell, NULL, RGC_CODE_YAML_LIMIT, "the network has more than %d layers", MAX_LAYERS);
  return false;
}

/* One layer; `in` is what the layer before gave. */
static int run_layer(rgc_expander *x, rgc_scope *place, const rgc_layer *layer, int in) {
  rgc_cell cell = {x, place, layer, in, NULL};
  bool is_use = strcmp(layer->word, "use") == 0 || strcmp(layer->word, "repeat") == 0, taken; /* layers of this very place */
  int position = is_use ? place->position : place->position++;
  if (!count_layer(&cell) || !rgc_cell_flag(&cell, "when", true, &taken)) return -1;
  if (!taken) return in;
  cell.name = is_use ? place->prefix : name_layer(&cell, position);
  if (!cell.name || !check_name(&cell, "name") || !check_name(&cell, "output") || !find_input(&cell)) return -1;
  int out = emit(&cell);
  if (out >= 0) name_result(&cell, out);
  if (out < 0 || !rgc_cell_fits(&cell, x->graph->values[out].shape)) return -1;
  const rgc_yaml *as = rgc_cell_attr(&cell, "as");
  if (as && as->text) name_value(x, place, as->text, out);
  if (!mark_output(&cell, out)) return -1;
  return strcmp(layer->word, "param") == 0 ? in : out;
}

int rgc_expand_list(rgc_expander *x, rgc_scope *place, const rgc_yaml *list, int in) {
  for (int i = 0; list && i < list->count && in >= 0; i++) {
    rgc_layer layer;
    in = rgc_layer_read(x->arena, list->items[i], x->diags, &layer) ? run_layer(x, place, &layer, in) : -1;
  }
  return in;
}

static bool enter(rgc_cell *cell) {
  if (++cell->x->depth <= MAX_DEPTH) return true;
  rgc_cell_error(cell, NULL, RGC_CODE_BLOCK_CYCLE, "'%s' contains itself, or more than %d levels", cell->layer->word, MAX_DEPTH);
  return false;
}

static int emit_use(rgc_cell *cell) {
  const rgc_yaml *word = rgc_cell_attr(cell, "layers");
  const rgc_binding *b = word && word->text ? rgc_env_find(cell->place->env, word->text) : NULL;
  if (!b || !b->list || !rgc_is_layers(b->list)) {
    rgc_cell_error(cell, word, RGC_CODE_EXPR_NAME, "no list parameter is called so")->expected =
        "a parameter of the block whose default is a list of layers";
    return -1;
  }
  int out = enter(cell) ? rgc_expand_list(cell->x, cell->place, b->list, cell->in) : -1;
  cell->x->depth--;
  return out;
}

/* The body's layers, times over, in this place; expressions in it know how many were before as `i`, or as `index` says. Names
 * given with as: are taken from the round before until they are given again. */
static int emit_repeat(rgc_cell *cell) {
  const rgc_yaml *index = rgc_cell_attr(cell, "index"), *body = rgc_cell_attr(cell, "body");
  rgc_env *env = cell->place->env;
  int64_t times;
  if (!rgc_cell_int(cell, "times", 0, 0, &times)) return -1;
  if (times > MAX_REPEAT) {
    rgc_cell_error(cell, rgc_cell_attr(cell, "times"), RGC_CODE_BAD_VALUE, "times cannot be %d", (int)times)->expected = "at most 4096";
    return -1;
  }
  int out = enter(cell) ? cell->in : -1, known = env->count;
  for (int64_t i = 0; body && body->count && i < times && out >= 0; i++) {
    rgc_env_set(cell->x, env, index && index->text ? index->text : "i", (double)i, NULL);
    out = rgc_expand_list(cell->x, cell->place, body, out);
    env->count = known;
  }
  cell->x->depth--;
  return out;
}

static int emit_scope(rgc_cell *cell) {
  static const char *const numbers[] = {"kind", "position"};
  int number = rgc_cell_word(cell, "number", 0, numbers, 2);
  if (number < 0) return -1;
  rgc_scope place = {.prefix = rgc_arena_printf(cell->x->arena, "%s.", cell->name), .path = cell->name, .other = -1};
  place.by_position = number == 1;
  place.env = cell->place->env;
  place.values = cell->place->values;
  int out = enter(cell) ? rgc_expand_list(cell->x, &place, rgc_cell_attr(cell, "body"), cell->in) : -1;
  cell->x->depth--;
  return out;
}

/* ---- blocks ---- */

/* A block being run: its arguments, evaluated by the giver's names, and the parts that may be replaced. */
typedef struct call {
  const rgc_block *block;
  const rgc_yaml *args;  /* MAP */
  const rgc_env *outer;
  int64_t stride;        /* of the stage for this block; 0: as the arguments say */
} call;

static const rgc_yaml *part(const call *c, const char *word) {
  const rgc_yaml *given = rgc_yaml_get(c->args, word);
  return given ? given : rgc_yaml_get(c->block->map, word);
}

static void inherit(rgc_expander *x, rgc_env *env, const rgc_env *outer) {
  static const char *const fixed[] = {"classes", "stage", "index", "block", "blocks", "first"};
  for (int i = 0; i < outer->count; i++)
    for (size_t j = 0; j < sizeof fixed / sizeof *fixed; j++)
      if (strcmp(outer->items[i].name, fixed[j]) == 0 && !outer->items[i].list)
        rgc_env_set(x, env, outer->items[i].name, outer->items[i].number, NULL);
}

/* Two expressions, for rows and columns, become the list of their values, as who gives them means them; NULL after an error. */
static const rgc_yaml *eval_pair(rgc_cell *cell, const rgc_env *env, const rgc_yaml *node) {
  rgc_yaml *pair = rgc_yaml_empty(cell->x->arena, node, RGC_YAML_LIST);
  for (int i = 0; i < 2; i++) {
    double number;
    if (!rgc_cell_eval(cell, env, node->items[i], &number)) return NULL;
    if (!(number >= 0)) return rgc_cell_error(cell, node->items[i], RGC_CODE_BAD_VALUE, "a number of rows or columns cannot be %.9g", number), NULL;
    rgc_yaml_append(cell->x->arena, pair, rgc_yaml_scalar(cell->x->arena, node->items[i], rgc_arena_printf(cell->x->arena, "%.17g", number)));
  }
  return pair;
}

/* What a parameter may be, by its default: a list of layers; or a number, or two. */
static bool check_kind(rgc_cell *cell, const call *c, const char *name, const rgc_yaml *node, const rgc_yaml *missing) {
  bool layers = rgc_is_layers(missing);
  bool two = node->kind == RGC_YAML_LIST && node->count == 2 && node->items[0]->text && node->items[1]->text;
  if (layers ? rgc_is_layers(node) : node->kind == RGC_YAML_SCALAR || two) return true;
  rgc_cell_error(cell, node, RGC_CODE_WRONG_TYPE, "'%s' of block %s must be %s", name, c->block->name, layers ? "a list of layers" : "a number, or two");
  return false;
}

/* A parameter is given on by its bare name, be it a number or a list. */
static bool bind_parameter(rgc_cell *cell, const call *c, rgc_env *env, const char *name, const rgc_yaml *missing) {
  const rgc_yaml *given = rgc_yaml_get(c->args, name), *node = given ? given : missing;
  double number = (double)c->stride;
  if (!given && missing->text && strcmp(missing->text, "required") == 0) {
    rgc_cell_error(cell, NULL, RGC_CODE_MISSING_KEY, "block %s needs '%s'", c->block->name, name);
    return false;
  }
  const rgc_env *meant = given ? c->outer : env;
  const rgc_binding *passed = node->text ? rgc_env_find(meant, node->text) : NULL;
  if (passed && passed->list) node = passed->list;
  if (!check_kind(cell, c, name, node, missing)) return false;
  bool is_list = node->kind == RGC_YAML_LIST, by_stage = c->stride > 0 && strcmp(name, "stride") == 0;
  if (!is_list && !by_stage && !rgc_cell_eval(cell, meant, node, &number)) return false;
  if (is_list && !rgc_is_layers(missing) && !(node = eval_pair(cell, meant, node))) return false;
  rgc_env_set(cell->x, env, name, number, is_list ? node : NULL);
  return true;
}

static bool bind_parameters(rgc_cell *cell, const call *c, rgc_env *env) {
  inherit(cell->x, env, c->outer);
  rgc_env_set(cell->x, env, "in", (double)rgc_cell_shape(cell)[RGC_C], NULL);
  const rgc_yaml *parameters = rgc_yaml_get(c->block->map, "parameters");
  bool good = true;
  for (int i = 0; parameters && i < parameters->count; i++)
    good &= bind_parameter(cell, c, env, parameters->keys[i]->text, parameters->items[i]);
  return good;
}

static bool joins_two(const rgc_yaml *join) {
  for (int i = 0; join && i < join->count; i++) {
    const char *word = join->items[i]->text;
    if (word && (!strcmp(word, "add") || !strcmp(word, "mul") || !strcmp(word, "concat"))) return true;
  }
  return false;
}

static bool needs_shortcut(const rgc_cell *cell, const rgc_env *env, int body) {
  const rgc_binding *stride = rgc_env_find(env, "stride");
  return (stride && stride->number != 1) || cell->x->graph->values[body].shape[RGC_C] != rgc_cell_shape(cell)[RGC_C];
}

/* The shortcut's value; the block's input where it is the identity. */
static int run_shortcut(rgc_cell *cell, const call *c, const rgc_scope *body_place, int body) {
  const rgc_yaml *list = part(c, "shortcut");
  if (!list || !needs_shortcut(cell, body_place->env, body)) return cell->in;
  rgc_scope place = {.prefix = rgc_arena_printf(cell->x->arena, "%sdownsample.", body_place->prefix), .other = -1};
  place.path = rgc_arena_printf(cell->x->arena, "%s, its shortcut", body_place->path);
  place.by_position = true;
  place.env = body_place->env;
  place.values = body_place->values;
  return rgc_expand_list(cell->x, &place, list, cell->in);
}

/* "layer1.0 (block basic, from net.yaml:9)": who uses a block of another file is told where. */
static const char *block_path(const rgc_cell *given, const rgc_block *block, const char *prefix) {
  const rgc_yaml *at = given->layer->at;
  int length = (int)strlen(prefix);
  const char *from = at->source == block->map->source ? "" : rgc_arena_printf(given->x->arena, ", from %s:%d", at->source->file, at->line);
  return rgc_arena_printf(given->x->arena, "%.*s (block %s%s)", length ? length - 1 : 0, prefix, block->name, from);
}

static int run_block(const rgc_cell *given, const call *c, const char *prefix) {
  rgc_expander *x = given->x;
  rgc_env env = {0};
  rgc_value_names values = {0};
  rgc_scope place = {.prefix = prefix, .env = &env, .values = &values, .other = -1};
  place.path = block_path(given, c->block, prefix);
  rgc_scope outer = *given->place;
  outer.path = place.path;
  rgc_cell named = *given, *cell = &named; /* in a place whose errors name the block */
  named.place = &outer;
  if (!bind_parameters(cell, c, &env)) return -1;
  name_value(x, &place, "in", cell->in);
  int out = rgc_expand_list(x, &place, part(c, "body"), cell->in);
  const rgc_yaml *join = part(c, "join");
  if (out >= 0 && joins_two(join)) {
    place.other = run_shortcut(cell, c, &place, out);
    if (place.other < 0) return -1;
  }
  return out < 0 ? -1 : rgc_expand_list(x, &place, join, out);
}

static int emit_block(rgc_cell *cell, const rgc_block *block) {
  call c = {block, cell->layer->attrs, cell->place->env, 0};
  int out = enter(cell) ? run_block(cell, &c, rgc_arena_printf(cell->x->arena, "%s.", cell->name)) : -1;
  cell->x->depth--;
  return out;
}

/* ---- stages ---- */

typedef struct stage_list {
  const rgc_yaml *list;
  int64_t *repeats;
  int64_t blocks; /* of all stages */
} stage_list;

static bool count_blocks(rgc_expander *x, const rgc_env *env, stage_list *stages) {
  int count = stages->list ? stages->list->count : 0;
  stages->repeats = RGC_NEW_ARRAY(x->arena, int64_t, count + 1);
  bool good = true;
  for (int i = 0; i < count; i++) {
    const rgc_yaml *node = rgc_yaml_get(stages->list->items[i], "repeat");
    double repeat = 0;
    if (!rgc_expand_eval(x, env, node, &repeat)) {
      good = false;
    } else if (!(repeat >= 1 && repeat <= MAX_REPEAT && repeat == floor(repeat))) {
      rgc_yaml_error(x->diags, node, RGC_CODE_BAD_VALUE, "repeat cannot be %s", node->text)->expected = "an integer from 1 to 4096";
      good = false;
    } else {
      stages->repeats[i] = (int64_t)repeat;
      stages->blocks += stages->repeats[i];
    }
  }
  return good;
}

static rgc_env *stage_env(rgc_expander *x, const rgc_env *root, const stage_list *stages, int stage, int64_t index,
                          int64_t block) {
  rgc_env *env = RGC_NEW(x->arena, rgc_env);
  for (int i = 0; i < root->count; i++) rgc_env_set(x, env, root->items[i].name, root->items[i].number, NULL);
  rgc_env_set(x, env, "stage", stage, NULL);
  rgc_env_set(x, env, "index", (double)index, NULL);
  rgc_env_set(x, env, "block", (double)block, NULL);
  rgc_env_set(x, env, "blocks", (double)stages->blocks, NULL);
  rgc_env_set(x, env, "first", index == 0, NULL);
  return env;
}

static int run_stage(rgc_expander *x, rgc_scope *root, const stage_list *stages, int stage, int64_t block, int in) {
  const rgc_yaml *map = stages->list->items[stage], *name = rgc_yaml_get(map, "block");
  rgc_yaml *args = rgc_yaml_copy(x->arena, map);
  rgc_yaml_remove(args, "block");
  rgc_yaml_remove(args, "repeat");
  for (int64_t i = 0; i < stages->repeats[stage] && in >= 0; i++) {
    rgc_layer layer = {name->text, name, args};
    rgc_scope place = *root;
    place.env = stage_env(x, root->env, stages, stage, i, block + i);
    const char *path = rgc_arena_printf(x->arena, "layer%d.%d", stage + 1, (int)i);
    rgc_cell cell = {x, &place, &layer, in, path};
    call c = {rgc_block_find(x->network, name->text), args, place.env, i == 0 ? 0 : 1};
    in = run_block(&cell, &c, rgc_arena_printf(x->arena, "%s.", path));
  }
  return in;
}

static int run_stages(rgc_expander *x, rgc_scope *root, int in) {
  stage_list stages = {.list = rgc_yaml_get(x->network->root, "stages")};
  if (!count_blocks(x, root->env, &stages)) return -1;
  int64_t block = 0;
  for (int i = 0; stages.list && i < stages.list->count && in >= 0; i++) {
    in = run_stage(x, root, &stages, i, block, in);
    block += stages.repeats[i];
  }
  return in;
}

/* ---- the network ---- */

static int count_unnamed_linear(rgc_expander *x, const rgc_yaml *list) {
  int count = 0;
  for (int i = 0; list && i < list->count; i++) {
    rgc_layer layer;
    if (rgc_layer_read(x->arena, list->items[i], x->diags, &layer) && strcmp(layer.word, "linear") == 0)
      count += rgc_yaml_get(layer.attrs, "name") == NULL;
  }
  return count;
}

static void bind_classes(rgc_expander *x, rgc_env *env) {
  const rgc_network *n = x->network;
  for (int i = 0; i < n->class_set_count; i++) {
    const rgc_class_set *set = &n->classes[i];
    const char *name = *set->output ? rgc_arena_printf(x->arena, "classes.%s", set->output) : "classes";
    rgc_env_set(x, env, name, (double)set->count, NULL);
  }
}

/* The network from the input to what its last layer gives; -1 after an error. */
static int run_network(rgc_expander *x) {
  const rgc_network *n = x->network;
  rgc_env env = {0};
  rgc_value_names values = {0};
  rgc_scope root = {.prefix = "", .root = true, .env = &env, .values = &values, .other = -1};
  bind_classes(x, &env);
  const rgc_yaml *stem = rgc_yaml_get(n->root, "stem"), *head = rgc_yaml_get(n->root, "head");
  x->lone_linear = count_unnamed_linear(x, stem) + count_unnamed_linear(x, head) == 1;
  int64_t shape[RGC_AXES] = {x->graph->batch, n->height, n->width, n->channels};
  int value = rgc_graph_value(x->graph, "input", RGC_F32, RGC_ROLE_INPUT, shape);
  value = rgc_expand_list(x, &root, stem, value);
  if (value >= 0) value = run_stages(x, &root, value);
  return value >= 0 ? rgc_expand_list(x, &root, head, value) : -1;
}

rgc_graph *rgc_expand(rgc_network *network, int64_t batch, bool training, rgc_diagnostics *diags) {
  rgc_expander x = {.network = network, .arena = network->arena, .diags = diags, .training = training};
  x.graph = rgc_graph_create(network->arena, network->name, batch);
  network->params = network->macs = 0;
  int errors = diags->error_count, last = run_network(&x);
  if (last < 0 || !rgc_expand_outputs(&x, last) || (training && !rgc_expand_loss(&x))) return NULL;
  return diags->error_count == errors ? x.graph : NULL;
}
