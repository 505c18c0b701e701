/* schema.c: see schema.h. Each owner of keys.def becomes a definition of its name ("conv"); "layer" is one entry of a list of
 * layers, "layers" the list. A map that is merged with that of a base file may leave out what the base has, and set: adds what is
 * missing, so what is required there is required only of files without base: and set:, at the end of the schema. */
#include "compiler/lang/schema.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/lang/data_settings.h"
#include "compiler/lang/keys.h"
#include "compiler/lang/layer.h"

enum { MAX_CHOICES = 4 };

/* Keys of train whose value is a word, or a map of one entry, whose key is one of these owners. A loss may be given for each
 * output of the network, by the output's name. */
typedef struct choice {
  const char *key, *words[MAX_CHOICES];
  bool open;
} choice;
static const choice choices[] = {{"optimizer", {"adam", "sgd", "adamw"}, false},
                                 {"schedule", {"constant", "step", "cosine"}, false},
                                 {"loss", {"cross_entropy", "bce"}, true}};

static json_t *reference(const char *owner) { return json_pack("{s:s+}", "$ref", "#/$defs/", owner); }

static json_t *type_schema(rgc_key_type type) {
  switch (type) {
    case RGC_KEY_INTEGER: return json_pack("{s:[sss]}", "type", "integer", "string", "boolean");
    case RGC_KEY_NUMBER:
    case RGC_KEY_FLAG:
    case RGC_KEY_WORD: return json_pack("{s:[sss]}", "type", "number", "string", "boolean");
    case RGC_KEY_LAYERS: return reference("layers");
    case RGC_KEY_LIST: return json_pack("{s:s}", "type", "array");
    case RGC_KEY_MAP: return json_pack("{s:s}", "type", "object");
    default: return json_object();
  }
}

static json_t *choice_schema(const choice *c) {
  json_t *names = json_array(), *properties = json_object();
  for (int i = 0; i < MAX_CHOICES && c->words[i]; i++) {
    json_array_append_new(names, json_string(c->words[i]));
    json_object_set_new(properties, c->words[i], reference(c->words[i]));
  }
  json_t *map = json_pack("{s:s, s:o, s:b}", "type", "object", "properties", properties, "additionalProperties", c->open);
  return json_pack("{s:[{s:o}, o]}", "anyOf", "enum", names, map);
}

/* A map of `owner`'s where it stands alone, or beside what is no map. */
static json_t *owner_schema(const rgc_key *key) {
  if (key->type == RGC_KEY_MAP) return reference(key->word);
  return json_pack("{s:[{s:[ssss]}, o]}", "anyOf", "type", "number", "string", "boolean", "array", reference(key->word));
}

static json_t *key_schema(const rgc_key *key) {
  json_t *schema = NULL;
  for (size_t i = 0; i < sizeof choices / sizeof *choices; i++)
    if (strcmp(choices[i].key, key->word) == 0) schema = choice_schema(&choices[i]);
  bool holds_map = key->type == RGC_KEY_MAP || key->type == RGC_KEY_ANY;
  if (!schema) schema = holds_map && rgc_key_owner_exists(key->word) ? owner_schema(key) : type_schema(key->type);
  if (strcmp(key->word, "stages") == 0) json_object_set_new(schema, "items", reference("stage"));
  if (strcmp(key->word, "groups") == 0 && strcmp(key->owner, "train") == 0) json_object_set_new(schema, "items", reference("group"));
  if (strcmp(key->word, "names") == 0)
    json_object_set_new(schema, "additionalProperties", json_pack("{s:s, s:{s:[{s:s}, o]}}", "type", "object", "additionalProperties", "anyOf",
                                                                   "type", "string", reference("their_tensor")));
  if (strcmp(key->word, "blocks") == 0) json_object_set_new(schema, "additionalProperties", reference("block"));
  if (strcmp(key->owner, "data") == 0 && key->type == RGC_KEY_LIST) json_object_set_new(schema, "items", reference("data_step"));
  json_object_set_new(schema, "description", json_string(key->about));
  return schema;
}

static void add_properties(json_t *properties, const char *owner) {
  for (int i = 0; i < rgc_key_count; i++)
    if (strcmp(rgc_keys[i].owner, owner) == 0) json_object_set_new(properties, rgc_keys[i].word, key_schema(&rgc_keys[i]));
}

static json_t *required_words(const char *owner) {
  json_t *words = json_array();
  for (int i = 0; i < rgc_key_count; i++)
    if (rgc_keys[i].required && strcmp(rgc_keys[i].owner, owner) == 0) json_array_append_new(words, json_string(rgc_keys[i].word));
  return words;
}

/* Whether base: or set: may complete maps of `owner`. */
static bool is_merged(const char *owner) {
  return strcmp(owner, "file") == 0 || strcmp(owner, "block") == 0 || strcmp(owner, "stage") == 0 || rgc_key_find("file", owner) != NULL;
}

/* A map of `owner`; `also` adds the keys of another (NULL: none); `open`: others may stand in it. */
static json_t *map_schema(const char *owner, const char *also, bool open) {
  json_t *properties = json_object();
  add_properties(properties, owner);
  if (also) add_properties(properties, also);
  json_t *map = json_pack("{s:s, s:o, s:b}", "type", "object", "properties", properties, "additionalProperties", open);
  json_t *required = is_merged(owner) ? json_array() : required_words(owner);
  if (json_array_size(required)) json_object_set(map, "required", required);
  json_decref(required);
  return map;
}

/* What may stand behind a layer's word: its attributes, the one that may stand alone, or (if none is required) nothing. */
static json_t *attributes_schema(const rgc_layer_kind *kind) {
  const rgc_key *alone = kind->alone ? rgc_key_find(kind->word, kind->alone) : NULL;
  json_t *forms = json_pack("[o]", reference(kind->word)), *required = required_words(kind->word);
  if (alone) json_array_append_new(forms, key_schema(alone));
  if (!json_array_size(required)) json_array_append_new(forms, json_pack("{s:s}", "type", "null"));
  json_decref(required);
  return json_pack("{s:o}", "anyOf", forms);
}

/* A word, or a map of one word (a block's may be any) and the keys that every layer takes. */
static json_t *layer_schema(const char *const *words, int count) {
  json_t *properties = json_object();
  for (int i = 0; i < count; i++)
    json_object_set_new(properties, words[i], attributes_schema(rgc_layer_kind_find(words[i])));
  add_properties(properties, "layer");
  json_t *block = json_pack("{s:s}", "description", "a block used as a layer: its parameters");
  json_t *map = json_pack("{s:s, s:i, s:o, s:o}", "type", "object", "minProperties", 1, "properties", properties,
                          "additionalProperties", block);
  return json_pack("{s:[{s:s}, o]}", "anyOf", "type", "string", map);
}

/* An entry of data: train: or evaluate:, a word, or a map of one word and its attributes or the one that may stand alone. */
static json_t *data_step_schema(void) {
  json_t *words = json_array(), *properties = json_object();
  for (int i = 0; i < RGC_STEP_COUNT; i++) {
    const char *word = rgc_data_step_word((rgc_data_step_kind)i);
    json_t *forms = json_pack("[{s:[sssss]}]", "type", "number", "string", "boolean", "array", "null");
    if (rgc_key_owner_exists(word)) json_array_append_new(forms, reference(word));
    json_array_append_new(words, json_string(word));
    json_object_set_new(properties, word, json_pack("{s:o}", "anyOf", forms));
  }
  json_t *map = json_pack("{s:s, s:i, s:i, s:o, s:b}", "type", "object", "minProperties", 1, "maxProperties", 1, "properties", properties,
                          "additionalProperties", 0);
  return json_pack("{s:[{s:o}, o]}", "anyOf", "enum", words, map);
}

static json_t *definitions(void) {
  const char *words[RGC_LAYER_KINDS];
  int count = rgc_layer_kind_words(words, RGC_LAYER_KINDS);
  json_t *defs = json_object();
  json_object_set_new(defs, "layers", json_pack("{s:s, s:o}", "type", "array", "items", reference("layer")));
  json_object_set_new(defs, "layer", layer_schema(words, count));
  json_object_set_new(defs, "data_step", data_step_schema());
  for (int i = 0; i < count; i++) json_object_set_new(defs, words[i], map_schema(words[i], "layer", false));
  for (int i = 0; i < rgc_key_count; i++) {
    const char *owner = rgc_keys[i].owner;
    if (json_object_get(defs, owner) || strcmp(owner, "file") == 0) continue;
    json_object_set_new(defs, owner, map_schema(owner, NULL, strcmp(owner, "stage") == 0));
  }
  for (int i = 0; i < 3; i++) { /* a stage gives its block these parts too */
    static const char *const parts[] = {"body", "shortcut", "join"};
    json_t *properties = json_object_get(json_object_get(defs, "stage"), "properties");
    json_object_set_new(properties, parts[i], key_schema(rgc_key_find("block", parts[i])));
  }
  return defs;
}

/* What a file without base: and set: must have. `required` says nothing about values that are no maps. */
static json_t *complete_file(void) {
  json_t *properties = json_object();
  for (int i = 0; i < rgc_key_count; i++) {
    if (strcmp(rgc_keys[i].owner, "file") != 0) continue;
    json_t *required = required_words(rgc_keys[i].word);
    if (json_array_size(required))
      json_object_set_new(properties, rgc_keys[i].word, json_pack("{s:O}", "required", required));
    json_decref(required);
  }
  json_object_set_new(properties, "blocks",
                      json_pack("{s:{s:o}}", "additionalProperties", "required", required_words("block")));
  json_object_set_new(properties, "stages", json_pack("{s:{s:o}}", "items", "required", required_words("stage")));
  return json_pack("{s:o, s:o}", "required", required_words("file"), "properties", properties);
}

const char *rgc_schema_text(rgc_arena *arena) {
  json_t *schema = json_pack("{s:s, s:s}", "$schema", "https://json-schema.org/draft/2020-12/schema", "title", "rgc graph file");
  json_t *file = map_schema("file", NULL, false);
  json_object_update(schema, file);
  json_decref(file);
  json_object_set_new(schema, "if", json_pack("{s:{s:[{s:[s]}, {s:[s]}]}}", "not", "anyOf", "required", "base", "required", "set"));
  json_object_set_new(schema, "then", complete_file());
  json_object_set_new(schema, "$defs", definitions());
  char *text = json_dumps(schema, JSON_INDENT(2));
  json_decref(schema);
  if (!text) rgc_internal_error("schema", "no memory");
  const char *copy = rgc_arena_printf(arena, "%s\n", text);
  free(text);
  return copy;
}
