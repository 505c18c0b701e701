/* settings.c: input, classes, weights, freeze, init and memory of a file; see settings.h. Keys and their types have been checked
 * against keys.def where a map is read. */
#include "compiler/lang/settings.h"

#include <stdlib.h>
#include <string.h>

#include "compiler/lang/keys.h"

static void read_int(const rgc_yaml *map, const char *key, double max, rgc_diagnostics *diags, int64_t *value) {
  const rgc_yaml *node = rgc_yaml_get(map, key);
  double number;
  if (node && rgc_read_number(node, key, 1, max, true, diags, &number)) *value = (int64_t)number;
}

static void read_per_channel(const rgc_network *n, const rgc_yaml *node, const char *what, double min,
                             rgc_diagnostics *diags, double *values) {
  if (!node || node->kind != RGC_YAML_LIST) return;
  if (node->count != n->channels) {
    rgc_yaml_error(diags, node, RGC_CODE_BAD_VALUE, "%s has %d numbers for %d channels", what, node->count, (int)n->channels);
    return;
  }
  for (int i = 0; i < node->count; i++) rgc_read_number(node->items[i], what, min, 1e9, false, diags, &values[i]);
}

/* Numbers a channel that another file's channels came with, and that fit no more: a base's colours under grey images. */
static void drop_inherited(const rgc_network *n, const rgc_yaml *input, const char *key) {
  const rgc_yaml *list = rgc_yaml_get(input, key), *channels = rgc_yaml_get(input, "channels");
  if (list && channels && list->source != channels->source && list->count != n->channels) rgc_yaml_remove((rgc_yaml *)input, key);
}

static void read_input(rgc_network *n, const rgc_yaml *input, rgc_diagnostics *diags) {
  for (int i = 0; i < RGC_MAX_CHANNELS; i++) n->std[i] = 1;
  if (!input || input->kind != RGC_YAML_MAP || !rgc_keys_check(input, "input", NULL, diags)) return;
  enum { MAX_SIZE = 16384 };
  read_int(input, "channels", RGC_MAX_CHANNELS, diags, &n->channels);
  read_int(input, "size", MAX_SIZE, diags, &n->height);
  n->width = n->height;
  read_int(input, "height", MAX_SIZE, diags, &n->height);
  read_int(input, "width", MAX_SIZE, diags, &n->width);
  const rgc_yaml *size = rgc_yaml_get(input, "size");
  if (size && rgc_yaml_get(input, "height") && rgc_yaml_get(input, "width"))
    rgc_yaml_error(diags, size, RGC_CODE_BAD_VALUE, "size is given, and height and width, too")->expected = "size: N, or height: and width:";
  if (!n->height || !n->width)
    rgc_yaml_error(diags, input, RGC_CODE_MISSING_KEY, "the image's size is missing in input")->expected =
        "size: N, or height: and width:";
  drop_inherited(n, input, "mean");
  drop_inherited(n, input, "std");
  n->has_mean = rgc_yaml_get(input, "mean") != NULL;
  read_per_channel(n, rgc_yaml_get(input, "mean"), "mean", -1e9, diags, n->mean);
  read_per_channel(n, rgc_yaml_get(input, "std"), "std", 1e-9, diags, n->std);
}

/* By name, then by place. */
static int compare_classes(const void *a, const void *b) {
  const rgc_yaml *x = *(const rgc_yaml *const *)a, *y = *(const rgc_yaml *const *)b;
  int names = strcmp(x->text, y->text), lines = x->line - y->line;
  return names ? names : lines ? lines : x->column - y->column;
}

/* All items are words. */
static void check_class_names(const rgc_yaml *list, rgc_arena *arena, rgc_diagnostics *diags) {
  const rgc_yaml **sorted = RGC_NEW_ARRAY(arena, const rgc_yaml *, list->count + 1);
  for (int i = 0; i < list->count; i++) sorted[i] = list->items[i];
  qsort(sorted, (size_t)list->count, sizeof *sorted, compare_classes);
  for (int i = 1; i < list->count; i++)
    if (strcmp(sorted[i]->text, sorted[i - 1]->text) == 0)
      rgc_yaml_error(diags, sorted[i], RGC_CODE_DUPLICATE_KEY, "class '%s' stands twice", sorted[i]->text);
}

static void read_class_set(rgc_network *n, const char *output, const rgc_yaml *node, rgc_diagnostics *diags) {
  if (n->class_set_count == RGC_MAX_OUTPUTS) {
    rgc_yaml_error(diags, node, RGC_CODE_BAD_VALUE, "more than %d outputs", RGC_MAX_OUTPUTS);
    return;
  }
  rgc_class_set *set = &n->classes[n->class_set_count++];
  *set = (rgc_class_set){.output = output, .count = 1};
  double count;
  if (node->kind == RGC_YAML_SCALAR) {
    if (rgc_read_number(node, "classes", 1, 1e6, true, diags, &count)) set->count = (int64_t)count;
    return;
  }
  set->count = node->count;
  set->names = RGC_NEW_ARRAY(n->arena, const char *, node->count + 1);
  int errors = diags->error_count;
  for (int i = 0; i < node->count; i++) {
    set->names[i] = node->items[i]->text ? node->items[i]->text : "";
    if (!node->items[i]->text) rgc_yaml_error(diags, node->items[i], RGC_CODE_WRONG_TYPE, "a class is a word");
  }
  if (!node->count) rgc_yaml_error(diags, node, RGC_CODE_BAD_VALUE, "no classes");
  if (diags->error_count == errors) check_class_names(node, n->arena, diags);
}

static void read_classes(rgc_network *n, const rgc_yaml *node, rgc_diagnostics *diags) {
  if (!node) return;
  if (node->kind != RGC_YAML_MAP) {
    read_class_set(n, "", node, diags);
    return;
  }
  for (int i = 0; i < node->count; i++) {
    if (node->items[i]->kind == RGC_YAML_MAP)
      rgc_yaml_error(diags, node->items[i], RGC_CODE_WRONG_TYPE, "classes of an output are a count or a list");
    else
      read_class_set(n, node->keys[i]->text, node->items[i], diags);
  }
}

void rgc_network_name_classes(rgc_network *n, const char *const *names, int count) {
  rgc_yaml *root = (rgc_yaml *)n->root;
  const rgc_yaml *node = rgc_yaml_get(root, "classes");
  rgc_class_set *set = &n->classes[0];
  if (n->class_set_count != 1 || set->names || !node || node->kind != RGC_YAML_SCALAR || set->count != count) return;
  rgc_yaml *list = rgc_yaml_empty(n->arena, node, RGC_YAML_LIST);
  set->names = RGC_NEW_ARRAY(n->arena, const char *, count);
  for (int i = 0; i < count; i++) {
    rgc_yaml *name = rgc_yaml_scalar(n->arena, node, rgc_arena_strdup(n->arena, names[i]));
    name->quoted = true;
    set->names[i] = name->text;
    rgc_yaml_append(n->arena, list, name);
  }
  rgc_yaml_put(n->arena, root, (rgc_yaml *)rgc_yaml_key(root, "classes"), list);
}

/* Whether the key is there, with the one word that it may have. */
static bool read_only_word(const rgc_yaml *node, const char *word, rgc_diagnostics *diags) {
  if (!node || !node->text) return false;
  if (strcmp(node->text, word)) rgc_report_word(diags, node, RGC_CODE_BAD_VALUE, "an unknown word", node->text, &word, 1);
  return true;
}

static void read_weights(rgc_network *n, const rgc_yaml *node, rgc_diagnostics *diags) {
  if (!node) return;
  if (node->kind == RGC_YAML_SCALAR) {
    n->weights_file = node->text;
  } else if (node->kind == RGC_YAML_MAP && rgc_keys_check(node, "weights", NULL, diags)) {
    n->weights_file = rgc_yaml_get(node, "file")->text;
    rgc_read_names(n, rgc_yaml_get(node, "fresh"), &n->fresh, diags);
    n->weights_head_fresh = read_only_word(rgc_yaml_get(node, "head"), "fresh", diags);
    n->weights_sum_channels = read_only_word(rgc_yaml_get(node, "channels"), "sum", diags);
    rgc_settings_read_rename(n, rgc_yaml_get(node, "rename"), diags);
  }
}

/* "fc_last", "layer1, layer2", "all but fc_last", "all". */
static void read_freeze_words(rgc_network *n, const char *text) {
  static const char all_but[] = "all but ";
  n->freeze_all_but = strncmp(text, all_but, sizeof all_but - 1) == 0;
  if (n->freeze_all_but) text += sizeof all_but - 1;
  bool all = strcmp(text, "all") == 0;
  char *rest = rgc_arena_strdup(n->arena, all ? "*" : text), *word;
  while ((word = strtok_r(rest, ", ", &rest))) *RGC_PUSH(n->arena, n->freeze.items, n->freeze.count, n->freeze.capacity) = word;
}

static void read_freeze(rgc_network *n, const rgc_yaml *node, rgc_diagnostics *diags) {
  if (!node) return;
  n->freeze_bn = true;
  if (node->kind == RGC_YAML_LIST) {
    rgc_read_names(n, node, &n->freeze, diags);
    return;
  }
  if (node->kind == RGC_YAML_SCALAR) read_freeze_words(n, node->text);
  if (node->kind != RGC_YAML_MAP || !rgc_keys_check(node, "freeze", NULL, diags)) return;
  const rgc_yaml *all_but = rgc_yaml_get(node, "all_but"), *bn = rgc_yaml_get(node, "bn");
  n->freeze_all_but = all_but != NULL;
  rgc_read_names(n, all_but ? all_but : rgc_yaml_get(node, "layers"), &n->freeze, diags);
  static const char *const words[] = {"running", "batch"};
  if (bn) n->freeze_bn = strcmp(bn->text, "running") == 0;
  if (bn && !n->freeze_bn && strcmp(bn->text, "batch") != 0)
    rgc_report_word(diags, bn, RGC_CODE_BAD_VALUE, "an unknown way to treat bn", bn->text, words, 2);
}

static void read_init(rgc_network *n, const rgc_yaml *node, rgc_diagnostics *diags) {
  static const char *const words[] = {"torchvision", "torch"};
  if (!node || node->kind != RGC_YAML_SCALAR) return;
  n->init_torch = strcmp(node->text, "torch") == 0;
  if (!n->init_torch && strcmp(node->text, "torchvision") != 0)
    rgc_report_word(diags, node, RGC_CODE_BAD_VALUE, "an unknown init", node->text, words, 2);
}

/* "f32" is what files said when there was no other. */
static void read_precision(rgc_network *n, const rgc_yaml *node, rgc_diagnostics *diags) {
  const char *words[RGC_PRECISION_COUNT];
  if (!node || !node->text || !strcmp(node->text, "f32")) return;
  for (int i = 0; i < RGC_PRECISION_COUNT; i++) {
    words[i] = rgc_precision_word((rgc_precision)i);
    if (!strcmp(node->text, words[i])) n->precision = (rgc_precision)i;
  }
  if (strcmp(node->text, rgc_precision_word(n->precision)))
    rgc_report_word(diags, node, RGC_CODE_BAD_VALUE, "an unknown precision", node->text, words, RGC_PRECISION_COUNT);
}

static void check_fixed(const rgc_yaml *node, const char *word, rgc_diagnostics *diags) {
  if (!node || !node->text || strcmp(node->text, word) == 0) return;
  rgc_yaml_error(diags, node, RGC_CODE_BAD_VALUE, "'%s' is not supported", node->text)->expected =
      rgc_arena_strdup(diags->arena, word);
}

/* "4GiB", "512 MB", "1000000". */
static void read_bytes(rgc_network *n, const rgc_yaml *node, rgc_diagnostics *diags) {
  static const struct {
    const char *word;
    double bytes;
  } units[] = {{"", 1}, {"B", 1}, {"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"KiB", 1024}, {"MiB", 1048576}, {"GiB", 1073741824}};
  if (!node || node->kind != RGC_YAML_SCALAR) return;
  char *end;
  double number = strtod(node->text, &end);
  while (*end == ' ') end++;
  for (size_t i = 0; i < sizeof units / sizeof *units; i++)
    if (end != node->text && !strcmp(end, units[i].word) && number > 0 && number * units[i].bytes < 1e18) {
      n->memory_bytes = (int64_t)(number * units[i].bytes);
      return;
    }
  rgc_yaml_error(diags, node, RGC_CODE_BAD_VALUE, "memory cannot be %s", node->text)->expected =
      "a number and one of B, kB, MB, GB, KiB, MiB, GiB, as in 4GiB";
}

static void read_allowed(rgc_network *n, const rgc_yaml *list, rgc_diagnostics *diags) {
  n->may_recompute = !list;
  for (int i = 0; list && i < list->count; i++) {
    const rgc_yaml *word = list->items[i];
    if (word->text && !strcmp(word->text, "recompute")) n->may_recompute = true;
    else if (word->text && !strcmp(word->text, "split")) n->may_split = true;
    else rgc_yaml_error(diags, word, RGC_CODE_BAD_VALUE, "memory cannot be kept by %s", word->text ? word->text : "this")->expected = "recompute, split";
  }
}

static void read_memory(rgc_network *n, const rgc_yaml *node, rgc_diagnostics *diags) {
  n->may_recompute = true;
  if (!node || node->kind != RGC_YAML_MAP) return read_bytes(n, node, diags);
  if (!rgc_keys_check(node, "memory", NULL, diags)) return;
  read_bytes(n, rgc_yaml_get(node, "limit"), diags);
  read_allowed(n, rgc_yaml_get(node, "allow"), diags);
}

void rgc_settings_read_file(rgc_network *n, rgc_diagnostics *diags) {
  const rgc_yaml *root = n->root, *name = rgc_yaml_get(root, "name");
  if (name && name->text) n->name = name->text;
  read_memory(n, rgc_yaml_get(root, "memory"), diags);
  rgc_settings_read_data(n, rgc_yaml_get(root, "data"), diags);
  check_fixed(rgc_yaml_get(root, "rgc"), "1", diags);
  read_precision(n, rgc_yaml_get(root, "precision"), diags);
  read_input(n, rgc_yaml_get(root, "input"), diags);
  read_classes(n, rgc_yaml_get(root, "classes"), diags);
  rgc_settings_check_mix(n, rgc_yaml_get(root, "data"), diags);
  read_weights(n, rgc_yaml_get(root, "weights"), diags);
  rgc_settings_read_namings(n, rgc_yaml_get(root, "names"), diags);
  read_freeze(n, rgc_yaml_get(root, "freeze"), diags);
  read_init(n, rgc_yaml_get(root, "init"), diags);
  const rgc_yaml *expect = rgc_yaml_get(root, "expect");
  if (expect && expect->kind == RGC_YAML_MAP) rgc_keys_check(expect, "expect", NULL, diags);
  rgc_settings_read_train(n, rgc_yaml_get(root, "train"), diags);
}
