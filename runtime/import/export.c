/* export.c: see export.h. */
#include "runtime/import/export.h"

#include <string.h>

#include "compiler/lang/lang.h"
#include "runtime/import/import_names.h"

/* "bn1.num_batches_tracked" of "bn1.running_mean"; NULL for another name. */
static const char *counter_of(const char *name, rgc_arena *arena) {
  static const char end[] = ".running_mean";
  size_t length = strlen(name), tail = sizeof end - 1;
  if (length < tail || strcmp(name + length - tail, end)) return NULL;
  return rgc_arena_printf(arena, "%.*s.num_batches_tracked", (int)(length - tail), name);
}

/* NULL with an error for a word that is none of names:. */
static const rgc_naming *find_naming(const rgc_network *n, const char *word, const char *name, rgc_diagnostics *diags) {
  if (!strcmp(word, "weights") && n->rename.count) return &n->rename;
  rgc_text known = {0};
  for (int i = 0; i < n->naming_count; i++) {
    if (!strcmp(n->namings[i].name, word)) return rgc_text_free(&known), &n->namings[i];
    rgc_text_printf(&known, "%s%s", i ? ", " : "names: of its graph file has ", n->namings[i].name);
  }
  if (!known.length) rgc_text_add(&known, "its graph file has no names: for others; without --names they are torchvision's");
  rgc_diag_fail(diags, RGC_CODE_USAGE, name, rgc_text_take(&known, diags->arena), "has no names of '%s'", word);
  return NULL;
}

/* The tensor as the other program calls and shapes it. */
static rgc_tensor renamed(const rgc_tensor *tensor, const rgc_naming *naming, rgc_arena *arena) {
  rgc_tensor made = *tensor;
  int rank = 0;
  if (naming) made.name = rgc_naming_theirs(naming, tensor->name, &rank, arena);
  while (made.rank < rank) made.shape[made.rank++] = 1;
  return made;
}

bool rgc_export_safetensors(const rgc_plan *plan, const char *name, const char *names, const char *path, rgc_diagnostics *diags) {
  static const int64_t zero = 0;
  if (!plan->tensor_count) return rgc_diag_fail(diags, RGC_CODE_WEIGHTS, name, "train it, or make it by rgc import", "has no weights yet");
  const rgc_naming *naming = names ? find_naming(plan->network, names, name, diags) : NULL;
  if (names && !naming) return false;
  rgc_metadata format = {"format", "pt"}; /* what PyTorch's own writer puts there, and some readers ask for */
  rgc_tensor_file file = {.metadata = &format, .metadata_count = 1};
  for (int counters = 1; counters >= 0; counters--) /* first, so that they lie at multiples of their size */
    for (int i = 0; i < plan->tensor_count; i++) {
      rgc_tensor tensor = renamed(&plan->tensors[i], naming, plan->arena);
      const char *counter = counters ? counter_of(tensor.name, plan->arena) : NULL;
      if (counter) tensor = (rgc_tensor){.name = counter, .dtype = RGC_TENSOR_I64, .data = &zero, .size_bytes = sizeof zero};
      if (counter || !counters) *RGC_PUSH(plan->arena, file.tensors, file.tensor_count, file.tensor_capacity) = tensor;
    }
  return rgc_safetensors_write(&file, path, diags);
}
