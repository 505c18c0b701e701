/* format.h: vsnprintf for texts that are printed by the hundred thousand: names, lines of the IR, lines of C. Like it in all it does. */
#ifndef RGC_BASE_FORMAT_H
#define RGC_BASE_FORMAT_H
#include <stdarg.h>
#include <stddef.h>

/* Writes at most `room` bytes, the NUL among them (none if room is 0); returns how long the whole text is, without it. */
size_t rgc_format(char *chars, size_t room, const char *format, va_list args) __attribute__((format(printf, 3, 0)));
#endif
