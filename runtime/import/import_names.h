/* import_names.h: what import.c asks about names; see import_names.c. */
#ifndef RGC_IMPORT_IMPORT_NAMES_H
#define RGC_IMPORT_IMPORT_NAMES_H
#include "runtime/import/import.h"

/* Takes off a wrapper's prefix that all names have, and notes it in the metadata; true if there was one. */
bool rgc_import_strip(rgc_tensor_file *file, rgc_arena *arena);
/* The network's name for a name of a file of that program. */
const char *rgc_naming_ours(const rgc_naming *naming, const char *theirs, rgc_arena *arena);
/* And back; *rank becomes the rule's, if one says something of it. */
const char *rgc_naming_theirs(const rgc_naming *naming, const char *ours, int *rank, rgc_arena *arena);
/* The network's names for all tensors of a file, [tensor_count]: as its rename: rules leave them or, where that fits more of the network, as one of
 * names: makes them, which then is *used (else NULL). */
const char **rgc_import_name_all(const rgc_network *network, const rgc_graph *graph, const rgc_tensor_file *file, const rgc_naming **used,
                                 rgc_arena *arena);
/* The number of the name among `count`; -1: it is not there. */
int rgc_import_find(const char *const *names, int count, const char *name);
/* A parameter or buffer that a file gives. */
bool rgc_import_is_wanted(const rgc_value *value);
/* A counter of batches, which PyTorch keeps and no program here reads. */
bool rgc_import_is_counter(const char *name);
/* The layer whose output the loss reads, or which is the network's output: what head: fresh means. NULL: it has no weights. */
const char *rgc_import_head(const rgc_graph *graph);
/* Which network the file may be of, by what is missing and what is left over; NULL: no idea. */
const char *rgc_import_hint(const rgc_names *missing, const rgc_names *left_over);
#endif
