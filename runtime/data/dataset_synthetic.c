/* dataset_synthetic.c: images made up from numbers, for tests and timings without files.
 *
 * Each class has a grating of its own direction and period; each sample shifts it and adds noise, so a network can learn
 * the classes. Everything follows from (seed, index): no state, the same bytes on every run. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/data/dataset_kinds.h"

typedef struct synthetic_item {
  uint64_t key; /* random bits of this sample */
  int label, class_count;
} synthetic_item;

typedef struct settings {
  int count, classes, size, channels, seed;
} settings;

static const struct {
  const char *word;
  size_t offset;
  int low, high;
} keys[] = {
    {"count", offsetof(settings, count), 2, 10000000},   {"classes", offsetof(settings, classes), 1, 100000},
    {"size", offsetof(settings, size), 1, 4096},         {"channels", offsetof(settings, channels), 1, 64},
    {"seed", offsetof(settings, seed), 0, INT32_MAX},
};
enum { KEY_COUNT = sizeof keys / sizeof *keys };

/* splitmix64 (Steele, Lea, Flood 2014). */
static uint64_t next_random(uint64_t *state) {
  uint64_t z = *state += 0x9e3779b97f4a7c15u;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return z ^ z >> 31;
}

static void draw(const rgc_dataset *d, const void *item, uint8_t *dst) {
  const synthetic_item *sample = item;
  uint64_t state = sample->key;
  float angle = 3.14159265f * (float)sample->label / (float)sample->class_count;
  float pace = 0.5f + 0.1f * (float)(sample->label % 5);
  float shift = (float)(next_random(&state) >> 40) * (6.2831853f / 16777216.0f);
  float step_x = pace * cosf(angle), step_y = pace * sinf(angle);
  for (int y = 0; y < d->shape.height; y++)
    for (int x = 0; x < d->shape.width; x++) {
      float wave = sinf(step_x * (float)x + step_y * (float)y + shift);
      for (int c = 0; c < d->shape.channels; c++) {
        int noise = (int)(next_random(&state) >> 58) - 32;
        *dst++ = (uint8_t)(128 + (int)(80.0f * wave) + noise);
      }
    }
}

static bool set_key(const char *word, size_t length, const char *value, settings *out, rgc_diagnostics *diags) {
  for (int i = 0; i < KEY_COUNT; i++) {
    if (strlen(keys[i].word) != length || strncmp(keys[i].word, word, length)) continue;
    char *end;
    errno = 0;
    long number = strtol(value, &end, 10);
    if (end != value && (*end == ',' || !*end) && !errno && number >= keys[i].low && number <= keys[i].high) {
      *(int *)((char *)out + keys[i].offset) = (int)number;
      return true;
    }
    return rgc_diag_fail(diags, RGC_CODE_BAD_VALUE, NULL, NULL, "synthetic: %s takes a number from %d to %d", keys[i].word,
                         keys[i].low, keys[i].high);
  }
  return rgc_diag_fail(diags, RGC_CODE_BAD_VALUE, NULL, "the keys are count, classes, size, channels, seed",
                       "'%.*s' is not a key of synthetic:", (int)length, word);
}

static bool parse_settings(const char *at, settings *out, rgc_diagnostics *diags) {
  while (*at) {
    size_t length = strcspn(at, "=,");
    const char *value = at[length] == '=' ? at + length + 1 : "";
    if (!set_key(at, length, value, out, diags)) return false;
    at += strcspn(at, ",");
    at += *at == ',';
  }
  return true;
}

bool rgc_dataset_read_synthetic(rgc_dataset *d, const char *where, const rgc_dataset_options *options,
                                rgc_diagnostics *diags) {
  settings s = {.count = 1000, .classes = options->class_names ? options->class_count : 10, .size = 32, .channels = 3};
  if (!parse_settings(where, &s, diags)) return false;
  d->shape = (rgc_image_shape){.height = s.size, .width = s.size, .channels = s.channels};
  d->decode = draw;
  rgc_dataset_number_classes(d, s.classes);
  synthetic_item *items = RGC_NEW_ARRAY(d->arena, synthetic_item, s.count);
  uint64_t state = (uint64_t)s.seed;
  for (int i = 0; i < s.count; i++) {
    items[i] = (synthetic_item){.key = next_random(&state), .label = i % s.classes, .class_count = s.classes};
    rgc_dataset_add(d, rgc_dataset_default_split(i, s.count), &items[i], items[i].label);
  }
  return true;
}
