/* arena.c: see arena.h. Blocks form a list, newest first, each twice as large as the one before up to MAX_BLOCK_BYTES: most arenas are
 * scratch for one op or one name and touch a page, those of a compile hold tens of megabytes. A larger request gets a block of its own. */
#include "compiler/base/arena.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MIN_BLOCK_BYTES = 1 << 10, MAX_BLOCK_BYTES = 1 << 20, ALIGN_BYTES = 16, LARGE_ITEM_BYTES = 64 };

typedef struct block {
  struct block *next;
  size_t used, capacity; /* bytes of data[] */
  _Alignas(ALIGN_BYTES) unsigned char data[];
} block;

struct rgc_arena {
  block *newest;
  size_t used_bytes, block_bytes; /* block_bytes: of the next block */
};

static void *checked(void *memory) {
  if (memory) return memory;
  fputs("rgc: out of memory\n", stderr);
  abort();
}

rgc_arena *rgc_arena_create(void) {
  rgc_arena *arena = checked(calloc(1, sizeof(rgc_arena)));
  arena->block_bytes = MIN_BLOCK_BYTES;
  return arena;
}

void rgc_arena_destroy(rgc_arena *arena) {
  if (!arena) return;
  for (block *b = arena->newest; b;) {
    block *next = b->next;
    free(b);
    b = next;
  }
  free(arena);
}

static block *block_create(size_t capacity) {
  block *b = checked(calloc(1, sizeof(block) + capacity));
  b->capacity = capacity;
  return b;
}

void *rgc_arena_alloc(rgc_arena *arena, size_t size_bytes) {
  if (size_bytes > SIZE_MAX / 2) return checked(NULL);
  size_t need = (size_bytes + ALIGN_BYTES - 1) & ~(size_t)(ALIGN_BYTES - 1);
  block *b = arena->newest;
  if (!b || b->capacity - b->used < need) {
    b = block_create(need > arena->block_bytes ? need : arena->block_bytes);
    if (arena->block_bytes < MAX_BLOCK_BYTES) arena->block_bytes *= 2;
    b->next = arena->newest;
    arena->newest = b;
  }
  void *memory = b->data + b->used;
  b->used += need;
  arena->used_bytes += need;
  return memory;
}

size_t rgc_arena_used_bytes(const rgc_arena *arena) { return arena->used_bytes; }

char *rgc_arena_strndup(rgc_arena *arena, const char *text, size_t length) {
  char *copy = rgc_arena_alloc(arena, length + 1);
  memcpy(copy, text, length);
  return copy;
}

char *rgc_arena_strdup(rgc_arena *arena, const char *text) { return rgc_arena_strndup(arena, text, strlen(text)); }

char *rgc_arena_vprintf(rgc_arena *arena, const char *format, va_list args) {
  va_list again;
  va_copy(again, args);
  int length = vsnprintf(NULL, 0, format, args);
  char *text = rgc_arena_alloc(arena, (size_t)length + 1);
  vsnprintf(text, (size_t)length + 1, format, again);
  va_end(again);
  return text;
}

char *rgc_arena_printf(rgc_arena *arena, const char *format, ...) {
  va_list args;
  va_start(args, format);
  char *text = rgc_arena_vprintf(arena, format, args);
  va_end(args);
  return text;
}

void *rgc_arena_grow(rgc_arena *arena, void *items, int count, int *capacity, size_t item_bytes) {
  if (count < *capacity) return items;
  int wanted = *capacity ? *capacity * 2 : item_bytes < LARGE_ITEM_BYTES ? 8 : 2;
  void *bigger = rgc_arena_alloc(arena, (size_t)wanted * item_bytes);
  if (count) memcpy(bigger, items, (size_t)count * item_bytes);
  *capacity = wanted;
  return bigger;
}
