/* arena.c: see arena.h. Blocks form a list, newest first, each twice as large as the one before up to HUGE_PAGE_BYTES: most arenas are
 * scratch for one op or one name and touch a page, those of a compile hold a hundred megabytes. A larger request gets a block of its own.
 * Blocks of that size are made of huge pages where the system has them: one page fault for 512. Memory is cleared when it is handed out,
 * just before it is written, not when its block is made. */
#include "compiler/base/arena.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "compiler/base/format.h"

enum { MIN_BLOCK_BYTES = 1 << 10, HUGE_PAGE_BYTES = 1 << 21, ALIGN_BYTES = 16, LARGE_ITEM_BYTES = 64 };

typedef struct block {
  struct block *next;
  size_t used, capacity; /* bytes of data[] */
  _Alignas(ALIGN_BYTES) unsigned char data[];
} block;

struct rgc_arena {
  block *newest;
  size_t used_bytes, block_bytes; /* block_bytes: of the next block, its header included */
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

/* A block of huge pages begins at such a page and has whole ones. That the system takes the hint is not needed. */
static void *allocate_huge(size_t size_bytes) {
  void *memory = checked(aligned_alloc(HUGE_PAGE_BYTES, size_bytes));
  madvise(memory, size_bytes, MADV_HUGEPAGE);
  return memory;
}

static block *block_create(size_t need, size_t usual_bytes) {
  size_t size = sizeof(block) + need < usual_bytes ? usual_bytes : sizeof(block) + need;
  bool huge = size >= HUGE_PAGE_BYTES;
  if (huge) size = (size + HUGE_PAGE_BYTES - 1) / HUGE_PAGE_BYTES * HUGE_PAGE_BYTES;
  block *b = huge ? allocate_huge(size) : checked(malloc(size));
  b->used = 0;
  b->capacity = size - sizeof(block);
  return b;
}

/* Behind the newest, whose room is still handed out. */
static block *put_behind(rgc_arena *arena, block *b) {
  block **place = arena->newest ? &arena->newest->next : &arena->newest;
  b->next = *place;
  return *place = b;
}

/* As it comes, not cleared. */
static void *take(rgc_arena *arena, size_t size_bytes) {
  if (size_bytes > SIZE_MAX / 2) return checked(NULL);
  size_t need = (size_bytes + ALIGN_BYTES - 1) & ~(size_t)(ALIGN_BYTES - 1);
  block *b = arena->newest;
  if (!b || b->capacity - b->used < need) {
    b = block_create(need, arena->block_bytes);
    if (arena->block_bytes < HUGE_PAGE_BYTES) arena->block_bytes *= 2;
    b->next = arena->newest;
    arena->newest = b;
  }
  void *memory = b->data + b->used;
  b->used += need;
  arena->used_bytes += need;
  return memory;
}

/* Large memory is cleared by the system page by page, and what is never touched takes none. */
static void *take_large(rgc_arena *arena, size_t size_bytes) {
  block *b = size_bytes > SIZE_MAX / 2 ? checked(NULL) : checked(calloc(1, sizeof(block) + size_bytes));
  b->used = b->capacity = size_bytes;
  arena->used_bytes += size_bytes;
  return put_behind(arena, b)->data;
}

void *rgc_arena_alloc(rgc_arena *arena, size_t size_bytes) {
  return size_bytes > HUGE_PAGE_BYTES ? take_large(arena, size_bytes) : memset(take(arena, size_bytes), 0, size_bytes);
}

void *rgc_arena_copy(rgc_arena *arena, const void *src, size_t size_bytes) {
  return size_bytes ? memcpy(take(arena, size_bytes), src, size_bytes) : NULL;
}

void rgc_arena_adopt(rgc_arena *arena, rgc_arena *other) {
  for (block *b = other->newest; b;) {
    block *next = b->next;
    put_behind(arena, b);
    b = next;
  }
  arena->used_bytes += other->used_bytes;
  free(other);
}

size_t rgc_arena_used_bytes(const rgc_arena *arena) { return arena->used_bytes; }

char *rgc_arena_strndup(rgc_arena *arena, const char *text, size_t length) {
  char *copy = take(arena, length + 1);
  memcpy(copy, text, length);
  copy[length] = 0;
  return copy;
}

char *rgc_arena_strdup(rgc_arena *arena, const char *text) { return rgc_arena_strndup(arena, text, strlen(text)); }

/* Printed once where it is short, as names are. */
char *rgc_arena_vprintf(rgc_arena *arena, const char *format, va_list args) {
  char usual[256];
  va_list again;
  va_copy(again, args);
  size_t length = rgc_format(usual, sizeof usual, format, args);
  char *text = length < sizeof usual ? rgc_arena_strndup(arena, usual, length) : take(arena, length + 1);
  if (length >= sizeof usual) rgc_format(text, length + 1, format, again);
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
  void *bigger = take(arena, (size_t)wanted * item_bytes);
  if (count) memcpy(bigger, items, (size_t)count * item_bytes);
  *capacity = wanted;
  return bigger;
}
