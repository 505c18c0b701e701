/* settings_train.c: the map train: of a file; see settings.h and rgc_train_settings. */
#include <string.h>

#include "compiler/lang/keys.h"
#include "compiler/lang/settings.h"

static void set_defaults(rgc_train_settings *t) {
  *t = (rgc_train_settings){.batch = 32, .epochs = 1, .lr = 1e-3, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .step_factor = 0.1,
                            .accumulate = 1};
  for (int i = 0; i < RGC_MAX_OUTPUTS; i++) t->losses[i].weight = 1;
}

/* A setting read as a double; integers are converted by the caller. */
static void read(const rgc_yaml *map, const char *key, double min, double max, rgc_diagnostics *diags, double *value) {
  const rgc_yaml *node = rgc_yaml_get(map, key);
  if (node && node->kind == RGC_YAML_SCALAR) rgc_read_number(node, key, min, max, false, diags, value);
}

static void read_whole(const rgc_yaml *map, const char *key, double min, rgc_diagnostics *diags, int64_t *value) {
  const rgc_yaml *node = rgc_yaml_get(map, key);
  double number;
  if (node && node->kind == RGC_YAML_SCALAR && rgc_read_number(node, key, min, 1e12, true, diags, &number))
    *value = (int64_t)number;
}

/* `node` is WORD or {WORD: {...}}: returns the index in `words`, the map (or NULL), -1 after an error. */
static int read_choice(const rgc_yaml *node, const char *const *words, int count, const char *what, rgc_diagnostics *diags,
                       const rgc_yaml **map) {
  const rgc_yaml *word = node;
  *map = NULL;
  if (node->kind == RGC_YAML_MAP && node->count == 1) {
    word = node->keys[0];
    *map = node->items[0];
  }
  if (word->kind != RGC_YAML_SCALAR || (*map && (*map)->kind != RGC_YAML_MAP)) {
    rgc_yaml_error(diags, node, RGC_CODE_WRONG_TYPE, "%s must be a word, or a word with a map", what);
    return -1;
  }
  for (int i = 0; i < count; i++)
    if (strcmp(word->text, words[i]) == 0) return !*map || rgc_keys_check(*map, words[i], NULL, diags) ? i : -1;
  rgc_report_word(diags, word, RGC_CODE_BAD_VALUE, rgc_arena_printf(diags->arena, "an unknown %s: '%s'", what, word->text),
                  word->text, words, count);
  return -1;
}

static void read_optimizer(rgc_train_settings *t, const rgc_yaml *node, rgc_diagnostics *diags) {
  static const char *const words[] = {"adam", "sgd", "adamw"};
  const rgc_yaml *map;
  int choice = read_choice(node, words, 3, "optimizer", diags, &map);
  if (choice < 0) return;
  t->optimizer = (rgc_optimizer)choice;
  if (choice == RGC_OPTIMIZER_ADAMW) t->weight_decay = 0.01;
  read(map, "lr", 0, 1e6, diags, &t->lr);
  read(map, "beta1", 0, 1, diags, &t->beta1);
  read(map, "beta2", 0, 1, diags, &t->beta2);
  read(map, "eps", 0, 1, diags, &t->eps);
  read(map, "momentum", 0, 1, diags, &t->momentum);
  read(map, "weight_decay", 0, 1e6, diags, &t->weight_decay);
  double nesterov = 0;
  read(map, "nesterov", 0, 1, diags, &nesterov);
  t->nesterov = nesterov != 0;
}

static void read_steps(rgc_train_settings *t, const rgc_yaml *at, rgc_diagnostics *diags) {
  if (at && at->count > RGC_MAX_STEPS)
    rgc_yaml_error(diags, at, RGC_CODE_BAD_VALUE, "more than %d steps", RGC_MAX_STEPS);
  for (int i = 0; at && i < at->count && i < RGC_MAX_STEPS; i++)
    if (rgc_read_number(at->items[i], "at", 0, 1e9, false, diags, &t->step_at[t->step_count])) t->step_count++;
}

static void read_schedule(rgc_train_settings *t, const rgc_yaml *node, rgc_diagnostics *diags) {
  static const char *const words[] = {"constant", "step", "cosine"};
  const rgc_yaml *map;
  int choice = read_choice(node, words, 3, "schedule", diags, &map);
  if (choice < 0) return;
  t->schedule = (rgc_schedule)choice;
  read_whole(map, "warmup", 0, diags, &t->warmup);
  read(map, "factor", 0, 1e6, diags, &t->step_factor);
  read(map, "end", 0, 1, diags, &t->cosine_end);
  read_steps(t, rgc_yaml_get(map, "at"), diags);
}

static void read_one_loss(const rgc_yaml *node, rgc_loss_settings *loss, rgc_diagnostics *diags) {
  static const char *const words[] = {"cross_entropy", "bce"};
  const rgc_yaml *map;
  int choice = read_choice(node, words, 2, "loss", diags, &map);
  if (choice < 0) return;
  loss->kind = (rgc_loss)choice;
  read(map, "smoothing", 0, 1, diags, &loss->smoothing);
  read(map, "weight", 0, 1e6, diags, &loss->weight);
}

/* The class set of an output; -1 after an error. */
static int find_output(const rgc_network *n, const rgc_yaml *name, const char *what, rgc_diagnostics *diags) {
  const char *words[RGC_MAX_OUTPUTS];
  for (int i = 0; i < n->class_set_count; i++) {
    words[i] = n->classes[i].output;
    if (strcmp(words[i], name->text) == 0) return i;
  }
  rgc_report_word(diags, name, RGC_CODE_BAD_VALUE, rgc_arena_printf(diags->arena, "%s: '%s' is no output of classes:", what, name->text),
                  name->text, words, n->class_set_count);
  return -1;
}

static void read_loss(const rgc_network *n, rgc_train_settings *t, const rgc_yaml *node, rgc_diagnostics *diags) {
  if (n->class_set_count <= 1) {
    read_one_loss(node, &t->losses[0], diags);
    return;
  }
  if (node->kind != RGC_YAML_MAP) {
    rgc_loss_settings all = t->losses[0];
    read_one_loss(node, &all, diags);
    for (int i = 0; i < n->class_set_count; i++) t->losses[i] = all;
  }
  for (int i = 0; node->kind == RGC_YAML_MAP && i < node->count; i++) {
    int set = find_output(n, node->keys[i], "loss", diags);
    if (set >= 0) read_one_loss(node->items[i], &t->losses[set], diags);
  }
}

static void read_label_map(rgc_network *n, int set, const rgc_yaml *list, rgc_diagnostics *diags) {
  rgc_label_map *map = &n->train.labels[set];
  double class;
  if (list->kind != RGC_YAML_LIST || !list->count) {
    rgc_yaml_error(diags, list, RGC_CODE_WRONG_TYPE, "labels of an output are a list")->expected = "its class for each class of the data set";
    return;
  }
  map->classes = RGC_NEW_ARRAY(n->arena, int32_t, list->count);
  for (int i = 0; i < list->count; i++)
    if (rgc_read_number(list->items[i], "a label", 0, (double)(n->classes[set].count - 1), true, diags, &class)) map->classes[i] = (int32_t)class;
  map->count = list->count;
}

static void read_labels(rgc_network *n, const rgc_yaml *node, rgc_diagnostics *diags) {
  for (int i = 0; node->kind == RGC_YAML_MAP && i < node->count; i++) {
    int set = find_output(n, node->keys[i], "labels", diags);
    if (set == 0)
      rgc_yaml_error(diags, node->keys[i], RGC_CODE_BAD_VALUE, "labels: '%s' is the first output: its classes are the data set's", node->keys[i]->text);
    if (set > 0) read_label_map(n, set, node->items[i], diags);
  }
}

static void read_distill(rgc_network *n, const rgc_yaml *node, rgc_diagnostics *diags) {
  rgc_train_settings *t = &n->train;
  if (node->kind != RGC_YAML_MAP || !rgc_keys_check(node, "distill", NULL, diags)) return;
  t->distill_plan = rgc_yaml_get(node, "plan")->text;
  t->distill_temperature = 4;
  t->distill_weight = 0.5;
  read(node, "temperature", 1e-3, 1e3, diags, &t->distill_temperature);
  read(node, "weight", 0, 1, diags, &t->distill_weight);
  if (n->class_set_count > 1) rgc_yaml_error(diags, node, RGC_CODE_BAD_VALUE, "distill is for networks of one output");
}

static void read_bn(rgc_train_settings *t, const rgc_yaml *node, rgc_diagnostics *diags) {
  static const char *const words[] = {"batch", "running", "running_after_first_validation"};
  const rgc_yaml *map;
  int choice = node->kind == RGC_YAML_SCALAR ? read_choice(node, words, 3, "bn", diags, &map) : -1;
  if (choice >= 0) t->bn = (rgc_bn_mode)choice;
}

static void read_clip(rgc_train_settings *t, const rgc_yaml *node, rgc_diagnostics *diags) {
  if (node->kind != RGC_YAML_MAP || node->count != 1) {
    rgc_yaml_error(diags, node, RGC_CODE_WRONG_TYPE, "clip must be one of {norm: N} and {value: V}");
    return;
  }
  if (!rgc_keys_check(node, "clip", NULL, diags)) return;
  read(node, "norm", 1e-12, 1e12, diags, &t->clip_norm);
  read(node, "value", 1e-12, 1e12, diags, &t->clip_value);
}

static void read_no_decay(rgc_train_settings *t, const rgc_yaml *node, rgc_diagnostics *diags) {
  static const char *const words[] = {"norm_and_bias"};
  const rgc_yaml *map;
  if (read_choice(node, words, 1, "no_decay", diags, &map) == 0) t->no_decay_vectors = true;
}

/* The optimizer's own rate has been read. */
static void read_group(rgc_network *n, const rgc_yaml *node, rgc_diagnostics *diags) {
  rgc_train_settings *t = &n->train;
  if (node->kind != RGC_YAML_MAP) {
    rgc_yaml_error(diags, node, RGC_CODE_WRONG_TYPE, "a group is a map")->expected = "{layers: [...], lr: R, weight_decay: D}";
    return;
  }
  if (!rgc_keys_check(node, "group", NULL, diags)) return;
  rgc_param_group *group = &t->groups[t->group_count++];
  double lr = t->lr;
  *group = (rgc_param_group){.lr_factor = 1, .weight_decay = -1};
  rgc_read_names(n, rgc_yaml_get(node, "layers"), &group->layers, diags);
  read(node, "lr", 0, 1e6, diags, &lr);
  read(node, "weight_decay", 0, 1e6, diags, &group->weight_decay);
  if (lr != t->lr && t->lr == 0)
    rgc_yaml_error(diags, node, RGC_CODE_BAD_VALUE, "a group's lr is a multiple of the optimizer's, which is 0")->help =
        "freeze: keeps parameters as they are";
  else if (lr != t->lr) group->lr_factor = lr / t->lr;
}

static void read_groups(rgc_network *n, const rgc_yaml *list, rgc_diagnostics *diags) {
  if (list->kind != RGC_YAML_LIST) return;
  if (list->count > RGC_MAX_GROUPS) rgc_yaml_error(diags, list, RGC_CODE_BAD_VALUE, "more than %d groups", RGC_MAX_GROUPS);
  for (int i = 0; i < list->count && i < RGC_MAX_GROUPS; i++) read_group(n, list->items[i], diags);
}

void rgc_settings_read_train(rgc_network *n, const rgc_yaml *train, rgc_diagnostics *diags) {
  rgc_train_settings *t = &n->train;
  set_defaults(t);
  if (!train || train->kind != RGC_YAML_MAP) return;
  rgc_keys_check(train, "train", NULL, diags);
  read_whole(train, "batch", 1, diags, &t->batch);
  read_whole(train, "epochs", 1, diags, &t->epochs);
  read_whole(train, "iterations", 1, diags, &t->iterations);
  read_whole(train, "seed", 0, diags, &t->seed);
  read_whole(train, "validate", 0, diags, &t->validate);
  const rgc_yaml *node;
  if ((node = rgc_yaml_get(train, "optimizer"))) read_optimizer(t, node, diags);
  if ((node = rgc_yaml_get(train, "schedule"))) read_schedule(t, node, diags);
  if ((node = rgc_yaml_get(train, "loss"))) read_loss(n, t, node, diags);
  if ((node = rgc_yaml_get(train, "bn"))) read_bn(t, node, diags);
  if ((node = rgc_yaml_get(train, "labels"))) read_labels(n, node, diags);
  if ((node = rgc_yaml_get(train, "distill"))) read_distill(n, node, diags);
  if ((node = rgc_yaml_get(train, "groups"))) read_groups(n, node, diags);
  if ((node = rgc_yaml_get(train, "no_decay"))) read_no_decay(t, node, diags);
  if ((node = rgc_yaml_get(train, "clip"))) read_clip(t, node, diags);
  read_whole(train, "accumulate", 1, diags, &t->accumulate);
  read(train, "ema", 0, 1, diags, &t->ema);
  read_whole(train, "patience", 1, diags, &t->patience);
}
