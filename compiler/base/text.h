/* text.h: a growing string, for printers of every kind (IR, C source, tables). Lives on the heap; free it or take it. */
#ifndef RGC_BASE_TEXT_H
#define RGC_BASE_TEXT_H
#include <stddef.h>
#include <stdint.h>

#include "compiler/base/arena.h"

typedef struct rgc_text {
  char *chars; /* NUL-terminated once anything was added; NULL while empty */
  size_t length, capacity;
} rgc_text; /* start with = {0} */

void rgc_text_add(rgc_text *text, const char *chars);
void rgc_text_add_bytes(rgc_text *text, const char *bytes, size_t length);
void rgc_text_add_int(rgc_text *text, int64_t number); /* in decimal */
void rgc_text_printf(rgc_text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void rgc_text_free(rgc_text *text);
/* What was written, "" if nothing. */
const char *rgc_text_chars(const rgc_text *text);
/* Copies the text into the arena and frees the buffer. */
char *rgc_text_take(rgc_text *text, rgc_arena *arena);
#endif
