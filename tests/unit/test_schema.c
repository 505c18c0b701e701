/* test_schema.c: the JSON Schema and docs/GRAPH_FORMAT.md name every key of keys.def, and the document's tables no other; it has every layer word.
 * tests/cli/schema.sh holds graph files against the schema. Runs in the source directory. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "compiler/lang/keys.h"
#include "compiler/lang/layer.h"
#include "compiler/lang/schema.h"
#include "runtime/data/slurp.h"

/* The properties of an owner's map. */
static json_t *properties_of(json_t *schema, const char *owner) {
  if (strcmp(owner, "file") == 0) return json_object_get(schema, "properties");
  json_t *def = json_object_get(json_object_get(schema, "$defs"), owner);
  if (strcmp(owner, "layer") == 0) def = json_array_get(json_object_get(def, "anyOf"), 1);
  return json_object_get(def, "properties");
}

Test(schema, every_key_is_there_with_its_explanation) {
  rgc_arena *arena = rgc_arena_create();
  json_error_t error;
  json_t *schema = json_loads(rgc_schema_text(arena), JSON_REJECT_DUPLICATES, &error);
  cr_assert(schema, "%s", error.text);
  for (int i = 0; i < rgc_key_count; i++) {
    json_t *key = json_object_get(properties_of(schema, rgc_keys[i].owner), rgc_keys[i].word);
    const char *about = json_string_value(json_object_get(key, "description"));
    cr_expect(about && strcmp(about, rgc_keys[i].about) == 0, "%s of %s", rgc_keys[i].word, rgc_keys[i].owner);
  }
  json_decref(schema);
  rgc_arena_destroy(arena);
}

/* Every "$ref" leads to a definition. */
static void check_references(json_t *node, json_t *defs) {
  const char *key;
  json_t *value;
  size_t i;
  json_object_foreach(node, key, value) {
    if (strcmp(key, "$ref") == 0 && json_is_string(value))
      cr_expect(json_object_get(defs, strrchr(json_string_value(value), '/') + 1), "%s", json_string_value(value));
    check_references(value, defs);
  }
  json_array_foreach(node, i, value) check_references(value, defs);
}

Test(schema, references_lead_somewhere) {
  rgc_arena *arena = rgc_arena_create();
  json_t *schema = json_loads(rgc_schema_text(arena), 0, NULL);
  check_references(schema, json_object_get(schema, "$defs"));
  json_decref(schema);
  rgc_arena_destroy(arena);
}

/* ---- docs/GRAPH_FORMAT.md: "### `OWNER`" heads a table whose rows begin "| `KEY` |". ---- */

/* The text between the first two backticks behind `begin` of a line; false if the line does not begin so. */
static bool quoted(const char *line, const char *begin, char word[64]) {
  size_t length = strlen(begin);
  return strncmp(line, begin, length) == 0 && sscanf(line + length, "%63[^`]", word) == 1;
}

Test(schema, the_document_has_exactly_the_keys_of_the_table) {
  FILE *f = fopen("docs/GRAPH_FORMAT.md", "r");
  cr_assert(f);
  static bool named[512];
  char line[1024], owner[64] = "", word[64];
  cr_assert(rgc_key_count <= 512);
  while (fgets(line, sizeof line, f)) {
    if (line[0] == '#' && !quoted(line, "### `", owner)) owner[0] = 0;
    if (!owner[0] || !quoted(line, "| `", word)) continue;
    const rgc_key *key = rgc_key_find(owner, word);
    cr_expect(key, "GRAPH_FORMAT.md has '%s' of %s, which is no key", word, owner);
    if (key) named[key - rgc_keys] = true;
  }
  fclose(f);
  for (int i = 0; i < rgc_key_count; i++)
    cr_expect(named[i], "GRAPH_FORMAT.md lacks '%s' of %s", rgc_keys[i].word, rgc_keys[i].owner);
}

/* In the chapter on layers, in backticks: words without a table stand in its first lines. */
Test(schema, the_document_has_every_layer_word) {
  rgc_arena *arena = rgc_arena_create();
  rgc_diagnostics diags;
  rgc_diagnostics_init(&diags, arena);
  rgc_file_bytes bytes;
  cr_assert(rgc_file_slurp("docs/GRAPH_FORMAT.md", arena, &bytes, &diags));
  const char *chapter = strstr((const char *)bytes.data, "\n## Layers\n"), *words[128];
  cr_assert(chapter);
  int count = rgc_layer_kind_words(words, 128);
  for (int i = 0; i < count; i++) cr_expect(strstr(chapter, rgc_arena_printf(arena, "`%s`", words[i])), "GRAPH_FORMAT.md lacks the layer `%s`", words[i]);
  rgc_arena_destroy(arena);
}
