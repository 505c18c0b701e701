/* emu_race.c: accesses to shared memory of different warps with no barrier between them.
 *
 * Each warp has a vector clock (Lamport 1978, Mattern 1989): clocks[w][v] is the last moment of warp v that warp w knows to be over. Barriers and
 * mbarriers join the clocks of who arrives into those of who waits. Each word of shared memory remembers its last write and each warp's last read: an
 * access is a race where the other warp's moment is not known to be over (as FastTrack, Flanagan and Freund 2009). Lanes of a warp are not told
 * apart. Of what TMA and wgmma do, TMA's write is checked when it is issued, and wgmma's read when it happens, as a read by its four warps.
 *
 * They see shared memory through another proxy than ordinary stores do: a store is theirs to see only when its warp, or one that knows of it, has passed
 * a fence_proxy_async since, and they know of that. So a clock has two rows: what is over, and what of it is fenced. Done for modules that are built
 * to be watched. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/device/emu/emu_state.h"

enum { NOBODY = 0xffff };

/* One 4-byte word. */
typedef struct word {
  unsigned int write_clock, read_clocks[MAX_THREADS / LANES];
  unsigned short write_warp;
  const emu_site *write_site, *read_site;
} word;

struct emu_races {
  emu_clock clocks[MAX_THREADS / LANES];
  emu_clock barriers[BARRIERS];
  word *words; /* of shared memory */
  size_t word_count;
};

void emu_race_open(rgc_emu *emu, bool watched) {
  emu->watched = watched;
  if (!watched) return;
  if (!emu->races) emu->races = calloc(1, sizeof *emu->races);
  emu->races->word_count = emu->shared_room / 4;
  free(emu->races->words);
  emu->races->words = malloc((emu->races->word_count + 1) * sizeof *emu->races->words);
}

void emu_race_close(rgc_emu *emu) {
  if (emu->races) free(emu->races->words);
  free(emu->races);
}

void emu_race_reset(rgc_emu *emu) {
  struct emu_races *races = emu->races;
  if (!emu->watched) return;
  memset(races->clocks, 0, sizeof races->clocks);
  memset(races->barriers, 0, sizeof races->barriers);
  memset(races->words, 0, races->word_count * sizeof *races->words);
  for (int w = 0; w < emu->warp_count; w++) races->clocks[w].over[w] = 1;
}

static void join(emu_clock *into, const emu_clock *from) {
  for (int i = 0; i < MAX_THREADS / LANES; i++) {
    if (from->over[i] > into->over[i]) into->over[i] = from->over[i];
    if (from->fenced[i] > into->fenced[i]) into->fenced[i] = from->fenced[i];
  }
}

/* What the current warp did so far is known to who waits with `clock`. */
void emu_race_release(rgc_emu *emu, emu_clock *clock) {
  if (!emu->watched) return;
  int warp = emu->current->warp->number;
  join(clock, &emu->races->clocks[warp]);
  emu->races->clocks[warp].over[warp]++;
}

/* All that the current warp knows to be over is fenced. */
void emu_call_fence_proxy_async(emu_view *view, const emu_site *site, int unused) {
  rgc_emu *emu = emu_of(view);
  int warp = emu->current->warp->number;
  (void)unused;
  emu->current->site = site;
  if (!emu->watched) return;
  emu_clock *own = &emu->races->clocks[warp];
  memcpy(own->fenced, own->over, sizeof own->fenced);
  own->over[warp]++;
}

void emu_race_acquire(rgc_emu *emu, const emu_clock *clock) {
  if (emu->watched) join(&emu->races->clocks[emu->current->warp->number], clock);
}

void emu_race_arrive(rgc_emu *emu, int barrier) {
  if (emu->watched) emu_race_release(emu, &emu->races->barriers[barrier]);
}

/* All that wait at the barrier go on; and the last one, if it waits too. */
void emu_race_pass(rgc_emu *emu, int barrier, bool current_too) {
  bool passes[MAX_THREADS / LANES] = {false};
  if (!emu->watched) return;
  if (current_too) passes[emu->current->warp->number] = true;
  for (int i = 0; i < emu->thread_count; i++)
    if (emu->threads[i].wait == EMU_AT_BARRIER && emu->threads[i].barrier == barrier) passes[i / LANES] = true;
  for (int w = 0; w < emu->warp_count; w++)
    if (passes[w]) join(&emu->races->clocks[w], &emu->races->barriers[barrier]);
  memset(&emu->races->barriers[barrier], 0, sizeof emu->races->barriers[barrier]);
}

static _Noreturn void fail(rgc_emu *emu, const emu_site *site, const char *does, size_t at, int warp, const char *did, const emu_site *other) {
  char where[120] = "before its first primitive";
  if (other && other->line) snprintf(where, sizeof where, "last seen in %s at line %d", other->primitive, other->line);
  emu_fail(emu, site, "race: %s %s shared offset %zu, which warp %d %s (%s) with no barrier between", site->primitive, does, at * 4, warp, did, where);
}

/* A write by a warp other than `warp` (NOBODY: any) that whose clock is `clock` has not been told of. */
static void check_written(rgc_emu *emu, const emu_site *site, const char *does, size_t i, int warp, const emu_clock *clock) {
  const word *at = &emu->races->words[i];
  if (at->write_clock && at->write_warp != NOBODY && at->write_warp != warp && at->write_clock > clock->over[at->write_warp])
    fail(emu, site, does, i, at->write_warp, "wrote", at->write_site);
}

/* A write by any warp that TMA and wgmma do not see yet. */
static void check_fenced(rgc_emu *emu, const emu_site *site, const char *does, size_t i, const emu_clock *clock) {
  const word *at = &emu->races->words[i];
  if (at->write_clock && at->write_warp != NOBODY && at->write_clock > clock->fenced[at->write_warp])
    emu_fail(emu, site, "%s %s shared offset %zu, which warp %d wrote by an ordinary store, with no fence_proxy_async between", site->primitive, does, i * 4,
             at->write_warp);
}

void emu_race_read(rgc_emu *emu, const emu_site *site, unsigned int offset, int bytes) {
  if (!emu->watched) return;
  int warp = emu->current->warp->number;
  const emu_clock *known = &emu->races->clocks[warp];
  for (size_t i = offset / 4; i < (offset + (size_t)bytes + 3) / 4; i++) {
    word *at = &emu->races->words[i];
    check_written(emu, site, "reads", i, warp, known);
    at->read_clocks[warp] = known->over[warp];
    at->read_site = emu->current->site;
  }
}

/* A read of all warps of a group, as of when they issued it; who waited for it knows that it is over. */
void emu_race_read_async(rgc_emu *emu, const emu_site *site, int group, unsigned int offset, int bytes) {
  const emu_clock *clock = &emu->groups[group].clock;
  if (!emu->watched) return;
  for (size_t i = offset / 4; i < (offset + (size_t)bytes + 3) / 4; i++) {
    word *at = &emu->races->words[i];
    check_written(emu, site, "reads", i, NOBODY, clock);
    check_fenced(emu, site, "reads", i, clock);
    for (int w = group * GROUP_WARPS; w < (group + 1) * GROUP_WARPS; w++)
      if (clock->over[w] > at->read_clocks[w]) at->read_clocks[w] = clock->over[w];
    at->read_site = site;
  }
}

void emu_race_write(rgc_emu *emu, const emu_site *site, unsigned int offset, int bytes, bool by_engine) {
  if (!emu->watched) return;
  int warp = emu->current->warp->number;
  const emu_clock *known = &emu->races->clocks[warp];
  for (size_t i = offset / 4; i < (offset + (size_t)bytes + 3) / 4; i++) {
    word *at = &emu->races->words[i];
    check_written(emu, site, "writes", i, warp, known);
    for (int w = 0; w < emu->warp_count; w++)
      if (w != warp && at->read_clocks[w] > known->over[w]) fail(emu, site, "writes", i, w, "read", at->read_site);
    if (by_engine) check_fenced(emu, site, "writes", i, known);
    at->write_warp = by_engine ? NOBODY : (unsigned short)warp;
    at->write_clock = known->over[warp];
    at->write_site = emu->current->site;
  }
}
