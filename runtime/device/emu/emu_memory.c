/* emu_memory.c: shared and global memory between pages without access, and the checks of addresses.
 *
 *   shared:  | guard | bytes asked for | tail up to the page, filled with TAIL | guard |     poisoned before each block
 *   global:  | guard | up to a page | the allocation, its end rounded up to 16 | guard |
 *   stacks:  MAX_THREADS times | one page without access | the stack |
 *
 * Primitives are checked byte by byte. Ordinary accesses run into a guard (emu_fault.c), or change the tail. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "runtime/device/emu/emu_state.h"

enum { GUARD = 1 << 20, TAIL = 0xc5 };

void *emu_grow(void *items, int count, int *capacity, size_t item_bytes) {
  if (count < *capacity) return items;
  *capacity = *capacity ? 2 * *capacity : 16;
  void *grown = realloc(items, (size_t)*capacity * item_bytes);
  if (!grown) rgc_internal_error("emu", "out of memory");
  return grown;
}

static size_t round_up(size_t bytes, size_t to) { return (bytes + to - 1) / to * to; }

/* Pages with a guard on either side. */
static char *map_guarded(size_t room_bytes, size_t *mapping_bytes) {
  *mapping_bytes = room_bytes + 2 * (size_t)GUARD;
  char *mapping = mmap(NULL, *mapping_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapping == MAP_FAILED || (room_bytes && mprotect(mapping + GUARD, room_bytes, PROT_READ | PROT_WRITE)))
    rgc_internal_error("emu", "no memory for %zu bytes", room_bytes);
  return mapping;
}

void emu_memory_create(rgc_emu *emu) {
  size_t mapping_bytes;
  emu->stacks = map_guarded((size_t)MAX_THREADS * STACK_BYTES, &mapping_bytes) + GUARD;
  for (int i = 0; i < MAX_THREADS; i++) mprotect(emu->stacks + (size_t)i * STACK_BYTES, PAGE, PROT_NONE);
}

static void unmap_shared(rgc_emu *emu) {
  if (emu->shared_mapping) munmap(emu->shared_mapping, emu->shared_room + 2 * (size_t)GUARD);
  free(emu->flights);
}

void emu_memory_destroy(rgc_emu *emu) {
  unmap_shared(emu);
  munmap(emu->stacks - GUARD, (size_t)MAX_THREADS * STACK_BYTES + 2 * (size_t)GUARD);
  while (emu->allocation_count) rgc_emu_free(emu, emu->allocations[emu->allocation_count - 1].begin);
  free(emu->allocations);
}

/* Shared memory. */

void emu_shared_open(rgc_emu *emu, size_t size_bytes) {
  size_t mapping_bytes;
  if (emu->shared_mapping && emu->shared_bytes == size_bytes) return;
  unmap_shared(emu);
  emu->shared_bytes = size_bytes;
  emu->shared_room = round_up(size_bytes, PAGE);
  emu->shared_mapping = map_guarded(emu->shared_room, &mapping_bytes);
  emu->flights = calloc(emu->shared_room / 4 + 1, sizeof *emu->flights);
  emu->view.shared = (unsigned char *)emu->shared_mapping + GUARD;
}

void emu_shared_poison(rgc_emu *emu) {
  unsigned short *halves = (unsigned short *)emu->view.shared;
  for (size_t i = 0; i < emu->shared_bytes / 2; i++) halves[i] = EMU_POISON;
  memset(emu->view.shared + emu->shared_bytes, TAIL, emu->shared_room - emu->shared_bytes);
  memset(emu->flights, 0, emu->shared_room / 4 * sizeof *emu->flights);
}

void emu_shared_check_end(rgc_emu *emu) {
  for (size_t i = emu->shared_bytes; i < emu->shared_room; i++)
    if (emu->view.shared[i] != TAIL)
      emu_fail(emu, NULL, "an ordinary store went to shared memory at offset %zu, past the end: the block has %zu bytes", i, emu->shared_bytes);
}

unsigned int emu_shared_offset(rgc_emu *emu, const emu_site *site, unsigned int address, int bytes, int align) {
  unsigned int offset = address - EMU_SHARED_WINDOW;
  if (address < EMU_SHARED_WINDOW) emu_fail(emu, site, "%s at shared address %u, which is before the first byte: not from smem_u32?", site->primitive, address);
  if (offset + (size_t)bytes > emu->shared_bytes)
    emu_fail(emu, site, "%s touches %d bytes of shared memory at offset %u, out of bounds: the block has %zu bytes", site->primitive, bytes, offset,
             emu->shared_bytes);
  if (offset % (unsigned int)align)
    emu_fail(emu, site, "%s at shared offset %u, misaligned: it must be a multiple of %d", site->primitive, offset, align);
  return offset;
}

static _Noreturn void fail_in_flight(rgc_emu *emu, const emu_site *site, unsigned int offset, unsigned int who, const char *does) {
  if (who == IN_TMA) emu_fail(emu, site, "%s %s shared offset %u while a TMA copy into it is in flight: wait for its mbarrier first", site->primitive, does, offset);
  const emu_thread *thread = &emu->threads[who - 1];
  emu_fail(emu, site, "%s %s shared offset %u while the cp_async of thread %d (warp %d, lane %d) into it is in flight: a cp_wait and a barrier must come before",
           site->primitive, does, offset, thread->number, thread->warp->number, thread->lane);
}

static void check_landed(rgc_emu *emu, const emu_site *site, unsigned int offset, int bytes, const char *does) {
  for (unsigned int word = offset / 4; word < (offset + (unsigned int)bytes + 3) / 4; word++)
    if (emu->flights[word]) fail_in_flight(emu, site, word * 4, emu->flights[word], does);
}

/* Without a look for races. */
const void *emu_shared_peek(rgc_emu *emu, const emu_site *site, unsigned int address, int bytes, int align) {
  unsigned int offset = emu_shared_offset(emu, site, address, bytes, align);
  const unsigned char *at = emu->view.shared + offset;
  check_landed(emu, site, offset, bytes, "reads");
  bool poisoned = bytes >= 4;
  for (int i = 0; i < bytes && poisoned; i += 2) {
    unsigned short half;
    memcpy(&half, at + i, 2);
    poisoned = half == EMU_POISON;
  }
  if (poisoned) emu_fail(emu, site, "%s reads shared memory at offset %u that was never written: a barrier, a wait or a store is missing", site->primitive, offset);
  return at;
}

const void *emu_shared_read(rgc_emu *emu, const emu_site *site, unsigned int address, int bytes, int align) {
  const void *at = emu_shared_peek(emu, site, address, bytes, align);
  emu_race_read(emu, site, address - EMU_SHARED_WINDOW, bytes);
  return at;
}

void *emu_call_shared_at(emu_view *view, const emu_site *site, unsigned int address, int bytes, int writes) {
  rgc_emu *emu = emu_of(view);
  emu->current->site = site;
  if (!writes) return (void *)emu_shared_read(emu, site, address, bytes, bytes);
  unsigned int offset = emu_shared_offset(emu, site, address, bytes, bytes);
  check_landed(emu, site, offset, bytes, "writes");
  emu_race_write(emu, site, offset, bytes, false);
  return emu->view.shared + offset;
}

/* Copies of a few bytes of a larger struct may have any alignment. */
void emu_call_watch(emu_view *view, const emu_site *site, const void *address, int bytes, int writes) {
  rgc_emu *emu = emu_of(view);
  unsigned int where = (unsigned int)((const unsigned char *)address - view->shared) + EMU_SHARED_WINDOW;
  int align = bytes & (bytes - 1) ? 1 : bytes > 16 ? 16 : bytes;
  if (!writes) {
    emu_shared_read(emu, site, where, bytes, align);
    return;
  }
  unsigned int offset = emu_shared_offset(emu, site, where, bytes, align);
  check_landed(emu, site, offset, bytes, "writes");
  emu_race_write(emu, site, offset, bytes, false);
}

void emu_shared_take_off(rgc_emu *emu, const emu_site *site, unsigned int offset, int bytes, int by) {
  check_landed(emu, site, offset, bytes, "writes");
  emu_race_write(emu, site, offset, bytes, by == IN_TMA);
  for (unsigned int word = offset / 4; word < (offset + (unsigned int)bytes) / 4; word++) emu->flights[word] = (unsigned short)by;
}

void emu_shared_land(rgc_emu *emu, unsigned int offset, int bytes) {
  memset(emu->flights + offset / 4, 0, (size_t)bytes / 4 * sizeof *emu->flights);
}

/* Global memory. */

void *rgc_emu_alloc(rgc_emu *emu, const char *name, size_t size_bytes) {
  emu_allocation made = {.name = name, .size_bytes = size_bytes};
  size_t room = round_up(size_bytes ? size_bytes : 1, PAGE);
  made.mapping = map_guarded(room, &made.mapping_bytes);
  made.begin = (char *)made.mapping + GUARD + room - round_up(size_bytes, 16);
  memset((char *)made.mapping + GUARD, 0xff, room);
  *EMU_PUSH(emu->allocations, emu->allocation_count, emu->allocation_capacity) = made;
  return made.begin;
}

void rgc_emu_register(rgc_emu *emu, const char *name, void *memory, size_t size_bytes) {
  *EMU_PUSH(emu->allocations, emu->allocation_count, emu->allocation_capacity) = (emu_allocation){.name = name, .begin = memory, .size_bytes = size_bytes};
}

void rgc_emu_free(rgc_emu *emu, void *memory) {
  for (int i = 0; i < emu->allocation_count; i++) {
    emu_allocation *found = &emu->allocations[i];
    if (found->begin != memory) continue;
    if (found->mapping) munmap(found->mapping, found->mapping_bytes);
    *found = emu->allocations[--emu->allocation_count];
    return;
  }
}

/* The allocation that holds the address or is nearest to it. */
static const emu_allocation *nearest(const rgc_emu *emu, const char *address) {
  const emu_allocation *best = NULL;
  uintptr_t distance = UINTPTR_MAX, at = (uintptr_t)address;
  for (int i = 0; i < emu->allocation_count && distance; i++) {
    const emu_allocation *a = &emu->allocations[i];
    uintptr_t begin = (uintptr_t)a->begin, end = begin + a->size_bytes;
    uintptr_t away = at < begin ? begin - at : at >= end ? at - end + 1 : 0;
    if (away < distance) best = a, distance = away;
  }
  return best;
}

static bool between(const void *at, const void *begin, size_t bytes) {
  return (uintptr_t)at >= (uintptr_t)begin && (uintptr_t)at < (uintptr_t)begin + bytes;
}

static void describe_global(const rgc_emu *emu, const char *address, char *words, size_t size) {
  const emu_allocation *a = nearest(emu, address);
  if (!a) snprintf(words, size, "address %p, and there is no global memory", (const void *)address);
  else if (address < a->begin)
    snprintf(words, size, "global memory %zu bytes before '%s' (%zu bytes)", (size_t)(a->begin - address), a->name, a->size_bytes);
  else if (address >= a->begin + a->size_bytes)
    snprintf(words, size, "global memory %zu bytes past the end of '%s' (%zu bytes)", (size_t)(address - a->begin) - a->size_bytes, a->name, a->size_bytes);
  else snprintf(words, size, "global memory at byte %zu of '%s' (%zu bytes)", (size_t)(address - a->begin), a->name, a->size_bytes);
}

/* The allocation that holds the address, and becomes the first: a kernel uses few of many. NULL: none does. */
static const emu_allocation *holder(rgc_emu *emu, const void *address) {
  emu_allocation *all = emu->allocations;
  for (int i = 0; i < emu->allocation_count; i++) {
    if (!between(address, all[i].begin, all[i].size_bytes)) continue;
    emu_allocation found = all[i];
    if (i) all[i] = all[0], all[0] = found;
    return all;
  }
  return NULL;
}

void *emu_global(rgc_emu *emu, const emu_site *site, const void *address, size_t bytes, int align, bool writes) {
  const emu_allocation *a = holder(emu, address);
  char words[EMU_WORDS];
  bool misaligned = (uintptr_t)address % (unsigned int)align;
  bool inside = a && (size_t)(a->begin + a->size_bytes - (char *)address) >= bytes;
  if (!misaligned && (inside || !emu->allocation_count || !bytes)) return (void *)address;
  describe_global(emu, address, words, sizeof words);
  if (misaligned) emu_fail(emu, site, "%s at %s, misaligned: its address must be a multiple of %d", site->primitive, words, align);
  emu_fail(emu, site, "%s %s %zu bytes out of bounds: %s", site->primitive, writes ? "writes" : "reads", bytes, words);
}

void *emu_call_global_at(emu_view *view, const emu_site *site, const void *address, int bytes, int writes) {
  emu_of(view)->current->site = site;
  return emu_global(emu_of(view), site, address, (size_t)bytes, bytes, writes);
}

void emu_describe_address(const rgc_emu *emu, const char *address, char *words, size_t size) {
  if (between(address, emu->shared_mapping, emu->shared_room + 2 * (size_t)GUARD))
    snprintf(words, size, "shared memory out of bounds, at offset %lld: the block has %zu bytes",
             (long long)(address - (char *)emu->view.shared), emu->shared_bytes);
  else if (between(address, emu->stacks - GUARD, (size_t)MAX_THREADS * STACK_BYTES + GUARD))
    snprintf(words, size, "past the end of its stack of %d bytes: large local arrays?", STACK_BYTES);
  else describe_global(emu, address, words, size);
}
