/* fake_memory.c: device memory, which only the driver may touch, and pinned memory. See fake.h. */
#include <stdlib.h>
#include <sys/mman.h>

#include "tests/fake_cuda/fake.h"

enum { PAGE = 4096 };

typedef struct span {
  char *begin;
  size_t size_bytes;
  bool pinned;
  struct span *next;
} span;

static span *spans;

static void add(void *begin, size_t size_bytes, bool pinned) {
  span *made = malloc(sizeof *made);
  *made = (span){begin, size_bytes, pinned, spans};
  spans = made;
}

static bool drop(void *begin, bool pinned) {
  for (span **at = &spans; *at; at = &(*at)->next) {
    span *found = *at;
    if (found->begin != begin || found->pinned != pinned) continue;
    *at = found->next;
    free(found);
    return true;
  }
  return false;
}

static bool holds(const void *at, size_t size_bytes, bool pinned) {
  for (const span *s = spans; s; s = s->next)
    if (s->pinned == pinned && (const char *)at >= s->begin && (const char *)at + size_bytes <= s->begin + s->size_bytes) return true;
  return false;
}

/* All pages that hold a byte of device memory; no two allocations share one (emu_memory.c). */
static void protect(int how) {
  for (const span *s = spans; s; s = s->next) {
    if (s->pinned) continue;
    uintptr_t begin = (uintptr_t)s->begin / PAGE * PAGE, end = ((uintptr_t)s->begin + s->size_bytes + PAGE - 1) / PAGE * PAGE;
    mprotect((void *)begin, end - begin, how);
  }
}

void fake_open_memory(void) { protect(PROT_READ | PROT_WRITE); }
void fake_close_memory(void) { protect(PROT_NONE); }

unsigned int fake_allocate(rgc_emu *emu, size_t size_bytes, void **made) {
  *made = rgc_emu_alloc(emu, "device memory", size_bytes);
  add(*made, size_bytes, false);
  fake_close_memory();
  return CUDA_SUCCESS;
}

bool fake_free(rgc_emu *emu, void *memory) {
  fake_open_memory();
  bool good = drop(memory, false);
  if (good) rgc_emu_free(emu, memory);
  fake_close_memory();
  return good;
}

size_t fake_memory_used(void) {
  size_t sum = 0;
  for (const span *s = spans; s; s = s->next) sum += s->pinned ? 0 : s->size_bytes;
  return sum;
}

int fake_memory_left(void) {
  int count = 0;
  for (const span *s = spans; s; s = s->next) count++;
  return count;
}

bool fake_is_device(const void *at, size_t size_bytes) { return holds(at, size_bytes, false); }
bool fake_is_pinned(const void *at, size_t size_bytes) { return holds(at, size_bytes, true); }
void fake_pin(void *at, size_t size_bytes) { add(at, size_bytes, true); }
bool fake_unpin(void *at) { return drop(at, true); }
