/* export.c: see export.h. */
#include "runtime/import/export.h"

#include <string.h>

/* "bn1.num_batches_tracked" of "bn1.running_mean"; NULL for another name. */
static const char *counter_of(const char *name, rgc_arena *arena) {
  static const char end[] = ".running_mean";
  size_t length = strlen(name), tail = sizeof end - 1;
  if (length < tail || strcmp(name + length - tail, end)) return NULL;
  return rgc_arena_printf(arena, "%.*s.num_batches_tracked", (int)(length - tail), name);
}

bool rgc_export_safetensors(const rgc_plan *plan, const char *name, const char *path, rgc_diagnostics *diags) {
  static const int64_t zero = 0;
  if (!plan->tensor_count) return rgc_diag_fail(diags, RGC_CODE_WEIGHTS, name, "train it, or make it by rgc import", "has no weights yet");
  rgc_metadata format = {"format", "pt"}; /* what PyTorch's own writer puts there, and some readers ask for */
  rgc_tensor_file file = {.metadata = &format, .metadata_count = 1};
  for (int i = 0; i < plan->tensor_count; i++) { /* first, so that they lie at multiples of their size */
    const char *counter = counter_of(plan->tensors[i].name, plan->arena);
    if (counter)
      *RGC_PUSH(plan->arena, file.tensors, file.tensor_count, file.tensor_capacity) =
          (rgc_tensor){.name = counter, .dtype = RGC_TENSOR_I64, .data = &zero, .size_bytes = sizeof zero};
  }
  for (int i = 0; i < plan->tensor_count; i++)
    *RGC_PUSH(plan->arena, file.tensors, file.tensor_count, file.tensor_capacity) = plan->tensors[i];
  return rgc_safetensors_write(&file, path, diags);
}
