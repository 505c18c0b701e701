/* merge.c: see merge.h. */
#include "compiler/lang/merge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/lang/keys.h"

enum { MAX_BASES = 16, MAX_WORDS = 64 };

/* The files being loaded, from the first to its base's base. */
typedef struct chain {
  const char *paths[MAX_BASES];
  int count;
} chain;

/* Maps that are a choice, one word with its attributes: another word is another choice, not a second one. */
static bool chooses_anew(const char *key, const rgc_yaml *old, const rgc_yaml *new) {
  static const char *const choices[] = {"optimizer", "schedule", "loss"};
  bool choice = false;
  for (size_t i = 0; i < sizeof choices / sizeof *choices; i++) choice |= !strcmp(key, choices[i]);
  return choice && old->count == 1 && new->count == 1 && strcmp(old->keys[0]->text, new->keys[0]->text) != 0;
}

static void merge_into(rgc_arena *arena, rgc_yaml *base, const rgc_yaml *over) {
  for (int i = 0; i < over->count; i++) {
    rgc_yaml *old = rgc_yaml_get(base, over->keys[i]->text), *new = over->items[i];
    if (old && old->kind == RGC_YAML_MAP && new->kind == RGC_YAML_MAP && !chooses_anew(over->keys[i]->text, old, new))
      merge_into(arena, old, new);
    else
      rgc_yaml_put(arena, base, over->keys[i], new);
  }
}

/* A path being applied: `rest` is what of it is left. */
typedef struct setting {
  rgc_arena *arena;
  const rgc_yaml *at;    /* the path's node, for errors */
  const rgc_yaml *value;
  rgc_diagnostics *diags;
} setting;

static bool apply(const setting *s, rgc_yaml *node, const char *rest, bool root);

static bool report_path(const setting *s, const rgc_yaml *node, const char *part) {
  rgc_diagnostic *d = rgc_yaml_error(s->diags, s->at, RGC_CODE_BAD_PATH, "'%s': nothing is called '%s' there", s->at->text, part);
  const char *words[MAX_WORDS];
  int count = 0;
  for (int i = 0; i < node->count && node->kind == RGC_YAML_MAP && count < MAX_WORDS; i++) words[count++] = node->keys[i]->text;
  if (node->kind == RGC_YAML_LIST) d->expected = rgc_arena_printf(s->diags->arena, "* or a number from 0 to %d", node->count - 1);
  const char *near = rgc_suggest(part, words, count);
  if (near) d->help = rgc_arena_printf(s->diags->arena, "did you mean '%s'?", near);
  return false;
}

static bool apply_to_item(const setting *s, rgc_yaml *node, int index, const char *rest) {
  if (rest) return apply(s, node->items[index], rest, false);
  node->items[index] = rgc_yaml_copy(s->arena, s->value);
  return true;
}

/* Keys that are not there are made: the last of a path anywhere, others at the root when the table knows them. */
static bool apply_new(const setting *s, rgc_yaml *node, const char *part, const char *rest, bool root) {
  rgc_yaml *key = rgc_yaml_scalar(s->arena, s->at, part);
  if (!rest) {
    rgc_yaml_put(s->arena, node, key, rgc_yaml_copy(s->arena, s->value));
    return true;
  }
  if (!root || !rgc_key_find("file", part)) return report_path(s, node, part);
  rgc_yaml *map = rgc_yaml_empty(s->arena, s->at, RGC_YAML_MAP);
  rgc_yaml_put(s->arena, node, key, map);
  return apply(s, map, rest, false);
}

static bool apply(const setting *s, rgc_yaml *node, const char *rest, bool root) {
  const char *dot = strchr(rest, '.');
  const char *part = dot ? rgc_arena_strndup(s->arena, rest, (size_t)(dot - rest)) : rest;
  const char *next = dot ? dot + 1 : NULL;
  if (node->kind == RGC_YAML_SCALAR) return report_path(s, node, part);
  if (strcmp(part, "*") == 0) {
    bool good = node->count > 0 || report_path(s, node, part);
    for (int i = 0; i < node->count && good; i++) good = apply_to_item(s, node, i, next);
    return good;
  }
  if (node->kind == RGC_YAML_LIST) {
    char *end;
    long index = strtol(part, &end, 10);
    if (*end || end == part || index < 0 || index >= node->count) return report_path(s, node, part);
    return apply_to_item(s, node, (int)index, next);
  }
  for (int i = 0; i < node->count; i++)
    if (strcmp(node->keys[i]->text, part) == 0) return apply_to_item(s, node, i, next);
  return apply_new(s, node, part, next, root);
}

static bool is_structure(const char *path) {
  static const char *const words[] = {"input", "classes", "stem", "stages", "head", "blocks"};
  size_t length = strcspn(path, ".");
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (strlen(words[i]) == length && strncmp(words[i], path, length) == 0) return true;
  return false;
}

static bool changes_structure(const rgc_yaml *file) {
  for (int i = 0; i < file->count; i++)
    if (is_structure(file->keys[i]->text)) return true;
  const rgc_yaml *set = rgc_yaml_get(file, "set");
  for (int i = 0; set && set->kind == RGC_YAML_MAP && i < set->count; i++)
    if (is_structure(set->keys[i]->text)) return true;
  return false;
}

static bool apply_set(rgc_arena *arena, rgc_yaml *root, const rgc_yaml *set, rgc_diagnostics *diags) {
  if (!set) return true;
  if (set->kind != RGC_YAML_MAP) {
    rgc_yaml_error(diags, set, RGC_CODE_WRONG_TYPE, "set: must be a map of paths, not %s", rgc_yaml_kind_word(set));
    return false;
  }
  bool good = true;
  for (int i = 0; i < set->count; i++) {
    setting s = {arena, set->keys[i], set->items[i], diags};
    good &= apply(&s, root, set->keys[i]->text, true);
  }
  return good;
}

static const char *beside(rgc_arena *arena, const char *file, const char *name) {
  const char *slash = strrchr(file, '/');
  if (name[0] == '/' || !slash) return name;
  return rgc_arena_printf(arena, "%.*s/%s", (int)(slash - file), file, name);
}

static rgc_yaml *load(rgc_arena *arena, const char *path, chain *files, rgc_diagnostics *diags);

static rgc_yaml *load_base(rgc_arena *arena, const rgc_yaml *file, const char *path, chain *files, rgc_diagnostics *diags) {
  const rgc_yaml *base = rgc_yaml_get(file, "base");
  if (base->kind != RGC_YAML_SCALAR) {
    rgc_yaml_error(diags, base, RGC_CODE_WRONG_TYPE, "base: must be a file name, not %s", rgc_yaml_kind_word(base));
    return NULL;
  }
  const char *base_path = beside(arena, path, base->text);
  bool cycle = files->count == MAX_BASES;
  for (int i = 0; i < files->count; i++) cycle |= strcmp(files->paths[i], base_path) == 0;
  if (cycle) {
    rgc_yaml_error(diags, base, RGC_CODE_BASE_CYCLE, "'%s' is based on itself", base->text)->help =
        "a file's bases must end in one without base:";
    return NULL;
  }
  FILE *f = fopen(base_path, "rb");
  if (!f) {
    rgc_yaml_error(diags, base, RGC_CODE_FILE_READ, "base file '%s' cannot be read", base_path);
    return NULL;
  }
  fclose(f);
  return load(arena, base_path, files, diags);
}

static rgc_yaml *load(rgc_arena *arena, const char *path, chain *files, rgc_diagnostics *diags) {
  files->paths[files->count++] = path;
  rgc_yaml *file = rgc_yaml_load(arena, path, diags);
  if (!file) return NULL;
  if (file->kind != RGC_YAML_MAP) {
    rgc_yaml_error(diags, file, RGC_CODE_WRONG_TYPE, "a graph file is a map, not %s", rgc_yaml_kind_word(file));
    return NULL;
  }
  rgc_yaml *root = file;
  const rgc_yaml *set = rgc_yaml_get(file, "set");
  if (rgc_yaml_get(file, "base")) {
    root = load_base(arena, file, path, files, diags);
    if (!root) return NULL;
    if (changes_structure(file)) rgc_yaml_remove(root, "expect");
    rgc_yaml_remove(root, "name");
    merge_into(arena, root, file);
  }
  rgc_yaml_remove(root, "base");
  rgc_yaml_remove(root, "set");
  return apply_set(arena, root, set, diags) ? root : NULL;
}

static bool apply_override(rgc_arena *arena, rgc_yaml *root, const char *text, rgc_diagnostics *diags) {
  const char *equals = strchr(text, '=');
  if (!equals)
    return rgc_diag_fail(diags, RGC_CODE_USAGE, "--set", "write --set stages.2.repeat=23", "'%s' is not PATH=VALUE", text);
  rgc_yaml *value = rgc_yaml_parse(arena, equals + 1, strlen(equals + 1), "--set", diags);
  if (!value) return false;
  const char *path = rgc_arena_strndup(arena, text, (size_t)(equals - text));
  if (is_structure(path)) rgc_yaml_remove(root, "expect");
  setting s = {arena, rgc_yaml_scalar(arena, value, path), value, diags};
  return apply(&s, root, path, true);
}

rgc_yaml *rgc_merge_load(rgc_arena *arena, const char *path, const char *const *overrides, int override_count,
                         rgc_diagnostics *diags) {
  chain files = {.count = 0};
  rgc_yaml *root = load(arena, path, &files, diags);
  bool good = root != NULL;
  for (int i = 0; root && i < override_count; i++) good &= apply_override(arena, root, overrides[i], diags);
  return good ? root : NULL;
}
