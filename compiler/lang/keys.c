/* keys.c: see keys.h. */
#include "compiler/lang/keys.h"

#include <string.h>

const rgc_key rgc_keys[] = {
#define KEY(owner, word, type, required, about) {owner, word, RGC_KEY_##type, required, about},
#include "compiler/lang/keys.def"
#undef KEY
};
const int rgc_key_count = sizeof rgc_keys / sizeof *rgc_keys;

const rgc_key *rgc_key_find(const char *owner, const char *word) {
  for (int i = 0; i < rgc_key_count; i++)
    if (strcmp(rgc_keys[i].owner, owner) == 0 && strcmp(rgc_keys[i].word, word) == 0) return &rgc_keys[i];
  return NULL;
}

bool rgc_key_owner_exists(const char *owner) {
  const char *word;
  return rgc_key_words(owner, &word, 1) > 0;
}

int rgc_key_words(const char *owner, const char **words, int limit) {
  int count = 0;
  for (int i = 0; i < rgc_key_count && count < limit; i++)
    if (strcmp(rgc_keys[i].owner, owner) == 0) words[count++] = rgc_keys[i].word;
  return count;
}

rgc_diagnostic *rgc_report_word(rgc_diagnostics *diags, const rgc_yaml *node, rgc_code code, const char *message, const char *word,
                                const char *const *words, int count) {
  rgc_diagnostic *d = rgc_yaml_error(diags, node, code, "%s", message);
  rgc_text list = {0};
  for (int i = 0; i < count; i++) rgc_text_printf(&list, "%s%s", i ? ", " : "one of ", words[i]);
  d->expected = count ? rgc_text_take(&list, diags->arena) : NULL;
  const char *near = rgc_suggest(word, words, count);
  if (near) d->help = rgc_arena_printf(diags->arena, "did you mean '%s'?", near);
  return d;
}

static bool fits(const rgc_yaml *value, rgc_key_type type) {
  if (type == RGC_KEY_ANY) return true;
  if (type == RGC_KEY_MAP) return value->kind == RGC_YAML_MAP;
  if (type == RGC_KEY_LAYERS || type == RGC_KEY_LIST) return value->kind == RGC_YAML_LIST;
  return value->kind == RGC_YAML_SCALAR;
}

static bool check_value(const rgc_yaml *value, const rgc_key *key, rgc_diagnostics *diags) {
  static const char *const wanted[] = {"a number or an expression", "an integer or an expression", "true or false", "a word",
                                       "a list of layers", "a list", "a map", ""};
  if (fits(value, key->type)) return true;
  rgc_yaml_error(diags, value, RGC_CODE_WRONG_TYPE, "'%s' of %s cannot be %s", key->word, key->owner,
                 rgc_yaml_kind_word(value))->expected = wanted[key->type];
  return false;
}

static void report_unknown(const rgc_yaml *key, const char *owner, const char *also, rgc_diagnostics *diags) {
  const char *words[RGC_MAX_KEYS];
  int count = rgc_key_words(owner, words, RGC_MAX_KEYS);
  if (also) count += rgc_key_words(also, words + count, RGC_MAX_KEYS - count);
  const char *message = rgc_arena_printf(diags->arena, "'%s' is not a key of %s", key->text, owner);
  rgc_report_word(diags, key, RGC_CODE_UNKNOWN_KEY, message, key->text, words, count);
}

bool rgc_keys_check(const rgc_yaml *map, const char *owner, const char *also, rgc_diagnostics *diags) {
  bool good = true;
  for (int i = 0; i < map->count; i++) {
    const rgc_key *key = rgc_key_find(owner, map->keys[i]->text);
    if (!key && also) key = rgc_key_find(also, map->keys[i]->text);
    if (key) {
      good &= check_value(map->items[i], key, diags);
    } else {
      report_unknown(map->keys[i], owner, also, diags);
      good = false;
    }
  }
  for (int i = 0; i < rgc_key_count; i++) {
    const rgc_key *key = &rgc_keys[i];
    if (!key->required || strcmp(key->owner, owner) != 0 || rgc_yaml_get(map, key->word)) continue;
    rgc_yaml_error(diags, map, RGC_CODE_MISSING_KEY, "'%s' is missing in %s", key->word, owner)->expected =
        rgc_arena_printf(diags->arena, "%s: %s", key->word, key->about);
    good = false;
  }
  return good;
}
