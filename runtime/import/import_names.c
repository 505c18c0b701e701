/* import_names.c: names of tensors: rename rules, wrappers' prefixes, and what a mismatch hints at. */
#include <string.h>

#include "runtime/import/import_names.h"

enum { MAX_STARS = 8 };

/* Matches from the left, each star as short as it can be, within a part of the name; a star at the end takes all that is left.
 * stars[i] is the run that star i matched. */
static bool match(const char *pattern, const char *name, const char *stars[MAX_STARS], size_t lengths[MAX_STARS], int star) {
  for (; *pattern && *pattern != '*'; pattern++, name++)
    if (*pattern != *name) return false;
  if (!*pattern) return !*name;
  if (star == MAX_STARS) return false;
  if (!pattern[1]) return stars[star] = name, lengths[star] = strlen(name), true;
  for (size_t length = 0;; length++) {
    stars[star] = name;
    lengths[star] = length;
    if (match(pattern + 1, name + length, stars, lengths, star + 1)) return true;
    if (!name[length] || name[length] == '.') return false;
  }
}

const char *rgc_import_rename(const char *pattern, const char *replacement, const char *name, rgc_arena *arena) {
  const char *stars[MAX_STARS];
  size_t lengths[MAX_STARS] = {0};
  if (!match(pattern, name, stars, lengths, 0)) return NULL;
  rgc_text out = {0};
  int star = 0;
  for (const char *at = replacement; *at; at++) {
    if (*at != '*') rgc_text_add_bytes(&out, at, 1);
    else if (star < MAX_STARS && lengths[star]) rgc_text_add_bytes(&out, stars[star], lengths[star]), star++;
    else star++;
  }
  return rgc_text_take(&out, arena);
}

const char *rgc_naming_ours(const rgc_naming *naming, const char *name, rgc_arena *arena) {
  for (int i = 0; i < naming->count; i++) {
    const char *renamed = rgc_import_rename(naming->rules[i].theirs, naming->rules[i].ours, name, arena);
    if (renamed) name = renamed;
  }
  return name;
}

const char *rgc_naming_theirs(const rgc_naming *naming, const char *name, int *rank, rgc_arena *arena) {
  for (int i = naming->count - 1; i >= 0; i--) {
    const char *renamed = rgc_import_rename(naming->rules[i].ours, naming->rules[i].theirs, name, arena);
    if (renamed && naming->rules[i].rank) *rank = naming->rules[i].rank;
    if (renamed) name = renamed;
  }
  return name;
}

int rgc_import_find(const char *const *names, int count, const char *name) {
  for (int i = 0; i < count; i++)
    if (!strcmp(names[i], name)) return i;
  return -1;
}

bool rgc_import_is_wanted(const rgc_value *v) { return (v->role == RGC_ROLE_PARAM || v->role == RGC_ROLE_BUFFER) && v->op < 0; }

bool rgc_import_is_counter(const char *name) {
  static const char end[] = ".num_batches_tracked";
  size_t length = strlen(name), tail = sizeof end - 1;
  return length >= tail && !strcmp(name + length - tail, end);
}

const char *rgc_import_head(const rgc_graph *graph) {
  for (int i = graph->op_count - 1; i >= 0; i--)
    if (graph->ops[i].kind == RGC_OP_CONV) return graph->ops[i].layer;
  return NULL;
}

/* How many of the network's values there is a name for. */
static int count_found(const rgc_graph *graph, const char *const *names, int name_count) {
  int count = 0;
  for (int i = 0; i < graph->value_count; i++)
    count += rgc_import_is_wanted(&graph->values[i]) && rgc_import_find(names, name_count, graph->values[i].name) >= 0;
  return count;
}

static const char **rename_each(const rgc_naming *naming, const char *const *names, int count, rgc_arena *arena) {
  const char **made = RGC_NEW_ARRAY(arena, const char *, count + 1);
  for (int i = 0; i < count; i++) made[i] = rgc_naming_ours(naming, names[i], arena);
  return made;
}

const char **rgc_import_name_all(const rgc_network *network, const rgc_graph *graph, const rgc_tensor_file *file, const rgc_naming **used,
                                 rgc_arena *arena) {
  int count = file->tensor_count;
  const char **plain = RGC_NEW_ARRAY(arena, const char *, count + 1), **best;
  for (int i = 0; i < count; i++) plain[i] = rgc_naming_ours(&network->rename, file->tensors[i].name, arena);
  *used = NULL;
  best = plain;
  for (int k = 0, most = count_found(graph, plain, count); k < network->naming_count; k++) {
    const char **names = rename_each(&network->namings[k], plain, count, arena);
    int found = count_found(graph, names, count);
    if (found > most) most = found, best = names, *used = &network->namings[k];
  }
  return best;
}

bool rgc_import_strip(rgc_tensor_file *file, rgc_arena *arena) {
  static const char *const prefixes[] = {"module.", "_orig_mod.", "model.", "network.", "net.", "encoder.", "backbone."};
  for (size_t p = 0; p < sizeof prefixes / sizeof *prefixes; p++) {
    size_t length = strlen(prefixes[p]);
    int with = 0, of_layers = 0;
    for (int i = 0; i < file->tensor_count; i++) {
      with += !strncmp(file->tensors[i].name, prefixes[p], length);
      of_layers += strchr(file->tensors[i].name, '.') != NULL;
    }
    if (!with || with < of_layers) continue;
    for (int i = 0; i < file->tensor_count; i++)
      if (strchr(file->tensors[i].name, '.')) file->tensors[i].name += length;
    const char *which = of_layers < file->tensor_count ? " of a layer" : "";
    *RGC_PUSH(arena, file->metadata, file->metadata_count, file->metadata_capacity) =
        (rgc_metadata){"note", rgc_arena_printf(arena, "every name%s begins with '%s' in the file", which, prefixes[p])};
    return true;
  }
  return false;
}

/* What a pair of a missing and a found name tells. */
static const struct {
  const char *missing, *found, *hint;
} hints[] = {
    {"", "stem.conv.weight", "stem.conv.weight found: timm's ResNetV2, as resnetv2_50.yaml?"},
    {"conv1.weight", "conv1.0.weight", "conv1.weight missing, conv1.0.weight found: a deep stem, as in resnet50d.yaml?"},
    {"conv1.0.weight", "conv1.weight", "conv1.0.weight missing, conv1.weight found: a plain stem, as in resnet50.yaml?"},
    {"layer1.0.conv2.weight", "layer1.0.conv2.conv.weight", "layer1.0.conv2.conv.weight found: selective kernels or split attention?"},
    {"", "layer1.0.conv3.weight", "layer1.0.conv3.weight found: bottleneck blocks, as in resnet50.yaml?"},
    {"layer1.0.conv3.weight", "", "the file has no layer1.0.conv3: basic blocks, as in resnet34.yaml?"},
    {"", "layer1.0.se.fc1.weight", "layer1.0.se.fc1.weight found: squeeze and excitation, as in seresnet50.yaml?"},
    {"layer1.0.se.fc1.weight", "layer1.0.conv1.weight", "the file has no layer1.0.se: no squeeze and excitation, as in resnet50.yaml?"},
    {"", "layer3.22.conv1.weight", "layer3.22 found: a deeper network, as resnet101.yaml?"},
    {"", "layer3.5.conv1.weight", "layer3.5 found: a deeper network, as resnet34.yaml or resnet50.yaml?"},
    {"layer3.5.conv1.weight", "layer3.1.conv1.weight", "the file has no layer3.5: a shallower network, as resnet18.yaml?"},
};

/* Whether an exporter of ONNX took the name away: PyTorch's constants are "onnx::Conv_193", and were "193" before 1.13. */
static bool is_number(const char *name) { return !strncmp(name, "onnx::", 6) || strspn(name, "0123456789") == strlen(name); }

const char *rgc_import_hint(const rgc_names *missing, const rgc_names *left_over) {
  for (int i = 0; i < left_over->count; i++)
    if (is_number(left_over->items[i]))
      return "the exporter took names away; torch.onnx.export(..., training=TrainingMode.PRESERVE, do_constant_folding=False) keeps them";
  for (size_t h = 0; h < sizeof hints / sizeof *hints; h++) {
    bool is_missing = !*hints[h].missing, is_found = !*hints[h].found;
    for (int i = 0; !is_missing && i < missing->count; i++) is_missing = !strcmp(missing->items[i], hints[h].missing);
    for (int i = 0; !is_found && i < left_over->count; i++) is_found = !strcmp(left_over->items[i], hints[h].found);
    if (is_missing && is_found) return hints[h].hint;
  }
  return NULL;
}
