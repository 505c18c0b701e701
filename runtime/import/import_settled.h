/* import_settled.h: whether a file's weights have been through a network's import rules already; see import_settled.c. */
#ifndef RGC_IMPORT_IMPORT_SETTLED_H
#define RGC_IMPORT_IMPORT_SETTLED_H
#include "runtime/import/import.h"

/* True for a plan of a network of the same name and the same weights: key, a checkpoint of `network` for one: what that key says (fresh:,
 * head:, channels:, rename:) was done before it was trained, and is not done again. */
bool rgc_import_is_settled(const rgc_network *network, const rgc_tensor_file *file, rgc_arena *arena);
#endif
