/* text.c: see text.h. */
#include "compiler/base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/format.h"

static void reserve(rgc_text *text, size_t extra) {
  size_t need = text->length + extra + 1;
  if (need <= text->capacity) return;
  size_t capacity = text->capacity ? text->capacity : 256;
  while (capacity < need) capacity *= 2;
  text->chars = realloc(text->chars, capacity);
  if (!text->chars) {
    fputs("rgc: out of memory\n", stderr);
    abort();
  }
  text->capacity = capacity;
}

void rgc_text_add_bytes(rgc_text *text, const char *bytes, size_t length) {
  reserve(text, length);
  if (length) memcpy(text->chars + text->length, bytes, length);
  text->length += length;
  text->chars[text->length] = 0;
}

void rgc_text_add(rgc_text *text, const char *chars) { rgc_text_add_bytes(text, chars, strlen(chars)); }

void rgc_text_add_int(rgc_text *text, int64_t number) {
  enum { MAX_DIGITS = 20 };
  char digits[MAX_DIGITS];
  int first = MAX_DIGITS;
  uint64_t left = number < 0 ? -(uint64_t)number : (uint64_t)number;
  do digits[--first] = (char)('0' + left % 10);
  while (left /= 10);
  if (number < 0) rgc_text_add_bytes(text, "-", 1);
  rgc_text_add_bytes(text, digits + first, (size_t)(MAX_DIGITS - first));
}

/* Printed where it will stand; again only if there was not room enough. */
void rgc_text_printf(rgc_text *text, const char *format, ...) {
  enum { USUAL = 64 };
  va_list args, again;
  reserve(text, USUAL);
  va_start(args, format);
  va_copy(again, args);
  size_t room = text->capacity - text->length, length = rgc_format(text->chars + text->length, room, format, args);
  if (length >= room) {
    reserve(text, length);
    rgc_format(text->chars + text->length, length + 1, format, again);
  }
  va_end(again);
  va_end(args);
  text->length += length;
}

void rgc_text_free(rgc_text *text) {
  free(text->chars);
  *text = (rgc_text){0};
}

const char *rgc_text_chars(const rgc_text *text) { return text->chars ? text->chars : ""; }

char *rgc_text_take(rgc_text *text, rgc_arena *arena) {
  char *copy = rgc_arena_strndup(arena, rgc_text_chars(text), text->length);
  rgc_text_free(text);
  return copy;
}
