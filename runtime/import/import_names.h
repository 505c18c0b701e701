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
/* Which network the file may be of, by what is missing and what is left over; NULL: no idea. */
const char *rgc_import_hint(const rgc_names *missing, const rgc_names *left_over);
#endif
