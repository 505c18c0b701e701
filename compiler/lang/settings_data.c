/* settings_data.c: the map data: of a file; see settings.h and data_settings.h. */
#include <stddef.h>
#include <string.h>

#include "compiler/lang/keys.h"
#include "compiler/lang/settings.h"

static const struct {
  const char *word, *alone;
  int phase;
} steps[] = {
#define STEP(id, word, alone, phase) {word, alone, phase},
    RGC_DATA_STEPS(STEP)
#undef STEP
};

const char *rgc_data_step_word(rgc_data_step_kind kind) { return steps[kind].word; }

/* The numbers that an attribute may be. `pair`: a list of two, the first not above the second; else one number, and with `or_pair` a
 * list of two as well. */
#define AT(field) offsetof(rgc_data_step, field)
static const struct attribute {
  const char *key;
  size_t at;
  double min, max;
  bool whole, pair, or_pair;
} attributes[] = {
    {"size", AT(size), 1, 16384, true, false, true},
    {"scale", AT(scale), 1e-6, 1, false, true, false},
    {"ratio", AT(ratio), 1e-3, 1e3, false, true, false},
    {"pad", AT(pad), 0, 16384, true, false, false},
    {"probability", AT(probability), 0, 1, false, false, false},
    {"brightness", AT(brightness), 0, 100, false, false, false},
    {"contrast", AT(contrast), 0, 100, false, false, false},
    {"saturation", AT(saturation), 0, 100, false, false, false},
    {"hue", AT(hue), 0, 0.5, false, false, false},
    {"count", AT(count), 1, 16, true, false, false},
    {"magnitude", AT(magnitude), 0, 30, true, false, false},
    {"alpha", AT(alpha), 1e-3, 1e3, false, false, false},
};

/* torchvision's defaults, but for pad, alpha and colour, which it asks for. */
static rgc_data_step default_step(rgc_data_step_kind kind) {
  bool erasing = kind == RGC_STEP_RANDOM_ERASING;
  return (rgc_data_step){.kind = kind,
                         .scale = {erasing ? 0.02 : 0.08, erasing ? 0.33 : 1},
                         .ratio = {erasing ? 0.3 : 3.0 / 4, erasing ? 3.3 : 4.0 / 3},
                         .pad = 4,
                         .probability = kind == RGC_STEP_MIXUP || kind == RGC_STEP_CUTMIX ? 1 : 0.5,
                         .count = 2,
                         .magnitude = 9,
                         .alpha = kind == RGC_STEP_MIXUP ? 0.2 : 1};
}

static void read_pair(const rgc_yaml *node, const struct attribute *a, rgc_diagnostics *diags, double *values) {
  double pair[2];
  if (node->kind != RGC_YAML_LIST || node->count != 2) {
    rgc_yaml_error(diags, node, RGC_CODE_WRONG_TYPE, "%s is a list of two numbers", a->key);
    return;
  }
  for (int i = 0; i < 2; i++)
    if (!rgc_read_number(node->items[i], a->key, a->min, a->max, a->whole, diags, &pair[i])) return;
  if (a->pair && pair[0] > pair[1])
    rgc_yaml_error(diags, node, RGC_CODE_BAD_VALUE, "%s goes from %s to %s: the first is the larger one", a->key, node->items[0]->text,
                   node->items[1]->text);
  memcpy(values, pair, sizeof pair);
}

static void read_attribute(const rgc_yaml *node, const struct attribute *a, rgc_diagnostics *diags, rgc_data_step *step) {
  double *values = (double *)((char *)step + a->at);
  if (a->pair || (a->or_pair && node->kind == RGC_YAML_LIST)) read_pair(node, a, diags, values);
  else if (node->kind == RGC_YAML_SCALAR) rgc_read_number(node, a->key, a->min, a->max, a->whole, diags, values);
  else rgc_yaml_error(diags, node, RGC_CODE_WRONG_TYPE, "%s is %s", a->key, a->or_pair ? "a number or a list of two" : "a number");
}

static const struct attribute *find_attribute(const char *key) {
  for (size_t i = 0; i < sizeof attributes / sizeof *attributes; i++)
    if (!strcmp(attributes[i].key, key)) return &attributes[i];
  return NULL;
}

/* `given` is what stands behind the step's word: its attributes, or the one that may stand alone. */
static void read_attributes(const rgc_yaml *given, rgc_diagnostics *diags, rgc_data_step *step) {
  const char *alone = steps[step->kind].alone;
  if (given->kind == RGC_YAML_SCALAR && !*given->text && !given->quoted) return; /* `flip:` */
  if (given->kind != RGC_YAML_MAP) {
    if (alone) read_attribute(given, find_attribute(alone), diags, step);
    else rgc_yaml_error(diags, given, RGC_CODE_WRONG_TYPE, "the attributes of %s are a map", steps[step->kind].word);
    return;
  }
  if (!rgc_keys_check(given, steps[step->kind].word, NULL, diags)) return;
  for (int i = 0; i < given->count; i++) read_attribute(given->items[i], find_attribute(given->keys[i]->text), diags, step);
}

static bool read_step(const rgc_yaml *node, rgc_diagnostics *diags, rgc_data_step *step) {
  const rgc_yaml *word = node->kind == RGC_YAML_MAP && node->count == 1 ? node->keys[0] : node;
  if (word->kind != RGC_YAML_SCALAR) {
    rgc_yaml_error(diags, node, RGC_CODE_WRONG_TYPE, "a step is a word, or one word with its attributes");
    return false;
  }
  const char *words[RGC_STEP_COUNT];
  for (int i = 0; i < RGC_STEP_COUNT; i++) {
    words[i] = steps[i].word;
    if (strcmp(word->text, words[i])) continue;
    *step = default_step((rgc_data_step_kind)i);
    if (word != node) read_attributes(node->items[0], diags, step);
    return true;
  }
  rgc_report_word(diags, word, RGC_CODE_BAD_VALUE, rgc_arena_printf(diags->arena, "an unknown step: '%s'", word->text), word->text, words,
                  RGC_STEP_COUNT);
  return false;
}

/* What a step needs around it. */
static void check_place(const rgc_yaml *node, const rgc_data_step *step, const rgc_data_steps *before, bool train, rgc_diagnostics *diags) {
  static const char *const rules[] = {"the image's own steps come first", "random_erasing comes after the image's steps",
                                      "mixup and cutmix come last"};
  const char *word = steps[step->kind].word;
  for (int i = 0; i < before->count; i++)
    if (steps[before->items[i].kind].phase > steps[step->kind].phase) {
      rgc_yaml_error(diags, node, RGC_CODE_BAD_VALUE, "%s cannot follow %s", word, steps[before->items[i].kind].word)->help =
          rules[steps[before->items[i].kind].phase];
      return;
    }
  if (!train && step->kind != RGC_STEP_RESIZE && step->kind != RGC_STEP_CENTER_CROP)
    rgc_yaml_error(diags, node, RGC_CODE_BAD_VALUE, "%s is random, and evaluation must not be", word)->expected = "resize or center_crop";
}

static void read_steps(rgc_network *n, const rgc_yaml *list, bool train, rgc_data_steps *out, rgc_diagnostics *diags) {
  if (!list || list->kind != RGC_YAML_LIST) return;
  out->items = RGC_NEW_ARRAY(n->arena, rgc_data_step, list->count + 1);
  for (int i = 0; i < list->count; i++) {
    rgc_data_step step;
    if (!read_step(list->items[i], diags, &step)) continue;
    check_place(list->items[i], &step, out, train, diags);
    out->items[out->count++] = step;
  }
}

/* The value of `key` among `words`, the first of which is the default. */
static int read_word(const rgc_yaml *data, const char *key, const char *const *words, int count, rgc_diagnostics *diags) {
  const rgc_yaml *node = rgc_yaml_get(data, key);
  if (!node || node->kind != RGC_YAML_SCALAR) return 0;
  for (int i = 0; i < count; i++)
    if (!strcmp(node->text, words[i])) return i;
  rgc_report_word(diags, node, RGC_CODE_BAD_VALUE, rgc_arena_printf(diags->arena, "%s cannot be '%s'", key, node->text), node->text, words,
                  count);
  return 0;
}
#define READ_WORD(key, ...) \
  read_word(data, key, (const char *const[]){__VA_ARGS__}, (int)(sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *)), diags)

bool rgc_network_mixes(const rgc_network *n) {
  for (int i = 0; i < n->data.train.count; i++)
    if (steps[n->data.train.items[i].kind].phase == 2) return true;
  return false;
}

void rgc_settings_check_mix(const rgc_network *n, const rgc_yaml *data, rgc_diagnostics *diags) {
  if (n->class_set_count < 2 || !rgc_network_mixes(n)) return;
  const rgc_yaml *list = rgc_yaml_get(data, "train");
  rgc_yaml_error(diags, list->items[list->count - 1], RGC_CODE_BAD_VALUE, "mixup and cutmix are for networks of one output");
}

static const char *read_text(const rgc_yaml *data, const char *key) {
  const rgc_yaml *node = rgc_yaml_get(data, key);
  return node && node->kind == RGC_YAML_SCALAR && *node->text ? node->text : NULL;
}

static const char *read_format(const rgc_yaml *data, rgc_diagnostics *diags) {
  static const char *const words[] = {
#define FORMAT(word, read) word,
      RGC_DATA_FORMATS(FORMAT)
#undef FORMAT
  };
  const char *format = read_text(data, "format");
  return format ? words[read_word(data, "format", words, sizeof words / sizeof *words, diags)] : NULL;
}

void rgc_settings_read_data(rgc_network *n, const rgc_yaml *data, rgc_diagnostics *diags) {
  rgc_data_settings *d = &n->data;
  *d = (rgc_data_settings){.split = 0.1, .workers = -1};
  if (!data || data->kind != RGC_YAML_MAP) return;
  rgc_keys_check(data, "data", NULL, diags);
  d->format = read_format(data, diags);
  d->path = read_text(data, "path");
  const rgc_yaml *split = rgc_yaml_get(data, "split"), *seed = rgc_yaml_get(data, "seed");
  const rgc_yaml *workers = rgc_yaml_get(data, "workers");
  double number;
  if (split && split->kind == RGC_YAML_SCALAR) rgc_read_number(split, "split", 0, 1, false, diags, &d->split);
  if (seed && seed->kind == RGC_YAML_SCALAR && rgc_read_number(seed, "seed", 0, 1e12, true, diags, &number)) d->seed = (int64_t)number;
  if (workers && workers->kind == RGC_YAML_SCALAR && rgc_read_number(workers, "workers", 0, 64, true, diags, &number)) d->workers = (int)number;
  d->skip_corrupt = READ_WORD("corrupt", "fatal", "skip");
  d->bicubic = READ_WORD("interpolation", "bilinear", "bicubic");
  d->decode = (rgc_decode)READ_WORD("decode", "auto", "scaled", "exact");
  d->as_stored = READ_WORD("orientation", "exif", "stored");
  d->transparent = (rgc_transparency)READ_WORD("transparent", "drop", "white", "black");
  const rgc_yaml *train = rgc_yaml_get(data, "train"), *evaluate = rgc_yaml_get(data, "evaluate");
  d->given = train || evaluate;
  read_steps(n, train, true, &d->train, diags);
  read_steps(n, evaluate, false, &d->evaluate, diags);
}
