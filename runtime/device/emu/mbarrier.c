/* mbarrier.c: barriers in shared memory that count arrivals and bytes. Their state is kept aside; in shared memory stands a mark. */
#include <string.h>

#include "runtime/device/emu/emu_state.h"

enum { MAX_COUNT = (1 << 20) - 1 };

emu_mbarrier *emu_mbarrier_at(rgc_emu *emu, unsigned int offset) {
  for (int i = 0; i < emu->mbarrier_count; i++)
    if (emu->mbarriers[i].at == offset) return &emu->mbarriers[i];
  return NULL;
}

emu_mbarrier *emu_mbarrier_find(rgc_emu *emu, const emu_site *site, unsigned int address) {
  unsigned int offset = emu_shared_offset(emu, site, address, 8, 8);
  emu_mbarrier *found = emu_mbarrier_at(emu, offset);
  if (!found) emu_fail(emu, site, "%s: no mbar_init was seen for the mbarrier at shared offset %u: is a barrier missing?", site->primitive, offset);
  return found;
}

void emu_mbarrier_advance(emu_mbarrier *bar) {
  if (bar->pending || bar->bytes) return;
  bar->phase ^= 1;
  bar->pending = bar->count;
}

void emu_call_mbar_init(emu_view *view, const emu_site *site, unsigned int bar, unsigned int count) {
  rgc_emu *emu = emu_of(view);
  emu->current->site = site;
  if (count < 1 || count > MAX_COUNT) emu_fail(emu, site, "mbar_init for %u arrivals: it must be 1 to %d", count, MAX_COUNT);
  unsigned int offset = emu_shared_offset(emu, site, bar, 8, 8);
  emu_mbarrier *found = emu_mbarrier_at(emu, offset);
  if (!found) found = EMU_PUSH(emu->mbarriers, emu->mbarrier_count, emu->mbarrier_capacity);
  *found = (emu_mbarrier){.at = offset, .count = count, .pending = count};
  memset(emu->view.shared + offset, 0, 8);
}

void emu_call_mbar_arrive(emu_view *view, const emu_site *site, unsigned int bar, unsigned int expected_bytes) {
  rgc_emu *emu = emu_of(view);
  emu->current->site = site;
  emu_mbarrier *found = emu_mbarrier_find(emu, site, bar);
  if (!found->pending) emu_fail(emu, site, "%s: all %u arrivals of this phase of the mbarrier were there already", site->primitive, found->count);
  emu_race_release(emu, &found->clock);
  found->bytes += expected_bytes;
  found->pending--;
  emu_mbarrier_advance(found);
}

/* A phase of parity p is over when the barrier is in one of the other parity. */
int emu_call_mbar_try_wait(emu_view *view, const emu_site *site, unsigned int bar, unsigned int parity) {
  rgc_emu *emu = emu_of(view);
  emu->current->site = site;
  unsigned int at = emu_mbarrier_find(emu, site, bar)->at;
  if (emu_mbarrier_at(emu, at)->phase != (parity & 1)) {
    emu_race_acquire(emu, &emu_mbarrier_at(emu, at)->clock);
    return 1;
  }
  emu_poll(emu, at);
  bool over = emu_mbarrier_at(emu, at)->phase != (parity & 1);
  if (over) emu->further = true;
  if (over) emu_race_acquire(emu, &emu_mbarrier_at(emu, at)->clock);
  return over;
}
