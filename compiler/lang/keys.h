/* keys.h: the table of all keys (keys.def), and the check of a map against it. */
#ifndef RGC_LANG_KEYS_H
#define RGC_LANG_KEYS_H
#include "compiler/lang/yaml.h"

typedef enum rgc_key_type {
  RGC_KEY_NUMBER, RGC_KEY_INTEGER, RGC_KEY_FLAG, RGC_KEY_WORD, RGC_KEY_LAYERS, RGC_KEY_LIST, RGC_KEY_MAP, RGC_KEY_ANY
} rgc_key_type;

typedef struct rgc_key {
  const char *owner, *word;
  rgc_key_type type;
  bool required;
  const char *about;
} rgc_key;

extern const rgc_key rgc_keys[];
extern const int rgc_key_count;

enum { RGC_MAX_KEYS = 48 }; /* of one owner, with those of "layer" */

/* NULL if `owner` has no such key. */
const rgc_key *rgc_key_find(const char *owner, const char *word);
bool rgc_key_owner_exists(const char *owner);
/* The words of `owner`, at most `limit`; returns their number. */
int rgc_key_words(const char *owner, const char **words, int limit);
/* Reports unknown and missing keys and values of a wrong type of `map`; `owner` may be "conv": then `also`, "layer", adds its
 * keys (NULL: none). Returns false if anything was reported. */
bool rgc_keys_check(const rgc_yaml *map, const char *owner, const char *also, rgc_diagnostics *diags);
/* An error about `node`: `word` is none of `words`; adds the words and a suggestion. */
rgc_diagnostic *rgc_report_word(rgc_diagnostics *diags, const rgc_yaml *node, rgc_code code, const char *message, const char *word,
                                const char *const *words, int count);
#endif
