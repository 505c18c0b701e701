/* format.c: see format.h. What most texts are made of (%s %d %u %lld %ld %c %%) is written here; a format with any other conversion,
 * with a width or with a precision goes to the C library, whose general machinery takes several times as long. */
#include "compiler/base/format.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

typedef struct line {
  char *chars;
  size_t room, length; /* length may be more than there is room for */
} line;

static void put(line *to, const char *bytes, size_t count) {
  size_t left = to->length < to->room ? to->room - to->length : 0;
  if (left) memcpy(to->chars + to->length, bytes, count < left ? count : left);
  to->length += count;
}

static void put_text(line *to, const char *text) { put(to, text, strlen(text)); }

static void put_number(line *to, bool negative, uint64_t number) {
  enum { MAX_CHARS = 21 };
  char chars[MAX_CHARS];
  int first = MAX_CHARS;
  do chars[--first] = (char)('0' + number % 10);
  while (number /= 10);
  if (negative) chars[--first] = '-';
  put(to, chars + first, (size_t)(MAX_CHARS - first));
}

static void put_signed(line *to, int64_t number) { put_number(to, number < 0, number < 0 ? -(uint64_t)number : (uint64_t)number); }

/* False at a conversion that is not known here. */
static bool put_all(line *to, const char *format, va_list args) {
  for (const char *at = format;;) {
    const char *percent = strchrnul(at, '%');
    put(to, at, (size_t)(percent - at));
    if (!*percent) return true;
    at = percent + 2;
    switch (percent[1]) {
      case 's': put_text(to, va_arg(args, const char *)); break;
      case 'd': put_signed(to, va_arg(args, int)); break;
      case 'u': put_number(to, false, va_arg(args, unsigned)); break;
      case 'c': put(to, &(char){(char)va_arg(args, int)}, 1); break;
      case '%': put(to, "%", 1); break;
      case 'l': { /* %ld or %lld */
        bool longest = *at == 'l';
        if (at[longest] != 'd') return false;
        put_signed(to, longest ? va_arg(args, long long) : va_arg(args, long));
        at += longest + 1;
        break;
      }
      default: return false;
    }
  }
}

size_t rgc_format(char *chars, size_t room, const char *format, va_list args) {
  line to = {.chars = chars, .room = room};
  va_list again;
  va_copy(again, args);
  bool known = put_all(&to, format, args);
  size_t length = known ? to.length : (size_t)vsnprintf(chars, room, format, again);
  va_end(again);
  if (known && room) chars[length < room ? length : room - 1] = 0;
  return length;
}
