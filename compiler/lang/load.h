/* load.h: the last step of reading a network, which files (lang.c) and stored texts (source_parse.c) share. */
#ifndef RGC_LANG_LOAD_H
#define RGC_LANG_LOAD_H
#include "compiler/lang/lang.h"

/* The network of a merged tree, checked; `path` is the file that was loaded. NULL after an error. */
rgc_network *rgc_network_of_root(rgc_arena *arena, rgc_yaml *root, const char *path, rgc_diagnostics *diags);
#endif
