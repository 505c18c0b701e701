/* merge.h: one tree out of a file, its bases, its set: and the command line's --set, in this order. Maps merge; lists and
 * scalars replace. An inherited expect: is dropped when the structure changes. The result has no base: and no set: left. */
#ifndef RGC_LANG_MERGE_H
#define RGC_LANG_MERGE_H
#include "compiler/lang/yaml.h"

/* `overrides` are texts PATH=VALUE. NULL after an error. */
rgc_yaml *rgc_merge_load(rgc_arena *arena, const char *path, const char *const *overrides, int override_count,
                         rgc_diagnostics *diags);
#endif
