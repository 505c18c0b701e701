/* async_copy.c: cp.async. From issue to wait its words of shared memory are in flight: nobody may touch them, whenever the bytes
 * themselves arrive. */
#include <stdlib.h>
#include <string.h>

#include "runtime/device/emu/emu_state.h"

static void land(rgc_emu *emu, emu_copy *copy) {
  unsigned char *to = emu->view.shared + copy->to;
  if (copy->landed) return;
  memset(to, 0, (size_t)copy->size);
  memcpy(to, copy->from, (size_t)copy->bytes);
  copy->landed = true;
}

/* The first `count` copies are there, for all that the thread knows. */
static void finish(rgc_emu *emu, emu_copies *copies, int count) {
  for (int i = 0; i < count; i++) {
    land(emu, &copies->items[i]);
    emu_shared_land(emu, copies->items[i].to, copies->items[i].size);
  }
  copies->count -= count;
  if (copies->count) memmove(copies->items, copies->items + count, (size_t)copies->count * sizeof *copies->items);
}

void emu_copies_reset(emu_copies *copies) { copies->count = copies->group_count = copies->arrival_count = 0; }

/* All copies, and who is to hear of it. */
void emu_copies_finish(rgc_emu *emu, emu_thread *thread) {
  emu_copies *copies = &thread->copies;
  finish(emu, copies, copies->count);
  if (copies->group_count) memset(copies->groups, 0, (size_t)copies->group_count * sizeof *copies->groups);
  for (int i = 0; i < copies->arrival_count; i++) {
    emu_mbarrier *bar = emu_mbarrier_at(emu, copies->arrivals[i]);
    bar->pending--;
    emu_mbarrier_advance(bar);
  }
  copies->arrival_count = 0;
}

bool emu_copies_advance(rgc_emu *emu) {
  bool any = false;
  for (int i = 0; i < emu->thread_count; i++) {
    if (!emu->threads[i].copies.arrival_count) continue;
    emu_copies_finish(emu, &emu->threads[i]);
    any = true;
  }
  return any;
}

void emu_call_cp_async(emu_view *view, const emu_site *site, unsigned int to, const void *from, int size, int bytes) {
  rgc_emu *emu = emu_of(view);
  emu_thread *self = emu->current;
  emu_copies *copies = &self->copies;
  self->site = site;
  if (bytes < 0 || bytes > size) emu_fail(emu, site, "%s of %d bytes: it must be 0 to %d", site->primitive, bytes, size);
  unsigned int offset = emu_shared_offset(emu, site, to, size, size);
  emu_global(emu, site, from, (size_t)bytes, size, false);
  emu_shared_take_off(emu, site, offset, size, self->number + 1);
  emu_copy *copy = EMU_PUSH(copies->items, copies->count, copies->capacity);
  *copy = (emu_copy){.to = offset, .from = from, .size = size, .bytes = bytes};
  if (emu_lands_now(emu)) land(emu, copy);
}

void emu_call_cp_commit(emu_view *view, const emu_site *site, int unused) {
  emu_copies *copies = &emu_of(view)->current->copies;
  int before = 0;
  (void)unused;
  emu_of(view)->current->site = site;
  for (int i = 0; i < copies->group_count; i++) before += copies->groups[i];
  *EMU_PUSH(copies->groups, copies->group_count, copies->group_capacity) = copies->count - before;
}

void emu_call_cp_wait(emu_view *view, const emu_site *site, int groups_left) {
  rgc_emu *emu = emu_of(view);
  emu_copies *copies = &emu->current->copies;
  int over = copies->group_count - groups_left, count = 0;
  emu->current->site = site;
  if (over <= 0) return;
  for (int i = 0; i < over; i++) count += copies->groups[i];
  finish(emu, copies, count);
  copies->group_count -= over;
  memmove(copies->groups, copies->groups + over, (size_t)copies->group_count * sizeof *copies->groups);
}

void emu_call_mbar_arrive_cp(emu_view *view, const emu_site *site, unsigned int bar) {
  rgc_emu *emu = emu_of(view);
  emu_copies *copies = &emu->current->copies;
  emu->current->site = site;
  *EMU_PUSH(copies->arrivals, copies->arrival_count, copies->arrival_capacity) = emu_mbarrier_find(emu, site, bar)->at;
  emu_race_release(emu, &emu_mbarrier_find(emu, site, bar)->clock);
  if (emu_lands_now(emu)) emu_copies_finish(emu, emu->current);
}
