/* arena.h: bump allocation with one owner.
 *
 * A compile owns one arena; everything the compiler makes lives in it and dies with it: passes never free. A pass that
 * needs room only for itself makes a scratch arena and destroys it. Memory is zeroed and 16-byte aligned. An arena belongs to one
 * thread at a time. When the system is out of memory the process ends with a message (there is nothing a half-made graph could be
 * used for). */
#ifndef RGC_BASE_ARENA_H
#define RGC_BASE_ARENA_H
#include <stdarg.h>
#include <stddef.h>

typedef struct rgc_arena rgc_arena;

rgc_arena *rgc_arena_create(void);
void rgc_arena_destroy(rgc_arena *arena); /* NULL is allowed */

void *rgc_arena_alloc(rgc_arena *arena, size_t size_bytes);
/* A copy of so many bytes; NULL of none. */
void *rgc_arena_copy(rgc_arena *arena, const void *src, size_t size_bytes);
/* What lies in `other` lies in `arena` from now on; `other` is no more. */
void rgc_arena_adopt(rgc_arena *arena, rgc_arena *other);
/* Bytes handed out so far. */
size_t rgc_arena_used_bytes(const rgc_arena *arena);
char *rgc_arena_strdup(rgc_arena *arena, const char *text);
char *rgc_arena_strndup(rgc_arena *arena, const char *text, size_t length);
char *rgc_arena_printf(rgc_arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));
char *rgc_arena_vprintf(rgc_arena *arena, const char *format, va_list args);

/* One zeroed T, or `count` of them. */
#define RGC_NEW(arena, T) ((T *)rgc_arena_alloc((arena), sizeof(T)))
#define RGC_NEW_ARRAY(arena, T, count) ((T *)rgc_arena_alloc((arena), sizeof(T) * (size_t)(count)))

/* Growable array in an arena: makes room for one more in `items` (capacity doubles; the old block stays in the arena;
 * what is behind the last item is not cleared).
 * Use as: *RGC_PUSH(arena, list->items, list->count, list->capacity) = item; */
void *rgc_arena_grow(rgc_arena *arena, void *items, int count, int *capacity, size_t item_bytes);
#define RGC_PUSH(arena, items, count, capacity)                                                                        \
  ((items) = rgc_arena_grow((arena), (items), (count), &(capacity), sizeof *(items)), (items) + (count)++)
#endif
