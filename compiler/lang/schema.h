/* schema.h: the graph language as a JSON Schema (draft 2020-12), for editors: they complete, explain and check keys while a file
 * is written. It is made from keys.def, the table of rgc's own check, and from the table of layer words. It knows neither a file's
 * own blocks nor what an expression may say, so a file that it accepts may still have errors. It refuses a layer that lacks a
 * required attribute even where the file's set: would add it; otherwise a file it refuses has errors. */
#ifndef RGC_LANG_SCHEMA_H
#define RGC_LANG_SCHEMA_H
#include "compiler/base/arena.h"

/* The schema's text, indented, with a newline at its end. */
const char *rgc_schema_text(rgc_arena *arena);
#endif
