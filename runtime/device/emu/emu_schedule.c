/* emu_schedule.c: who runs when, barriers, and the meeting of a warp's lanes.
 *
 * In a round each warp gets its turn, in an order drawn anew, and runs until all its lanes wait: warps are as far apart as the kernel's barriers
 * let them be. Some rounds leave warps out. When in a full round nobody got further, asynchronous copies land, one by one; when there are none
 * left, nobody ever will get further: a deadlock. */
#include <stdlib.h>
#include <string.h>

#include "runtime/device/emu/emu_state.h"

/* splitmix64 (Steele, Lea and Flood, 2014). */
unsigned int emu_draw(rgc_emu *emu, unsigned int below) {
  uint64_t z = emu->random += 0x9e3779b97f4a7c15u;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return (unsigned int)((z ^ z >> 31) >> 33) % below;
}

bool emu_lands_now(rgc_emu *emu) {
  return emu->options.async == RGC_EMU_EARLY || (emu->options.async == RGC_EMU_MIXED && emu_draw(emu, 2));
}

void emu_leave(rgc_emu *emu, emu_wait wait) {
  emu_thread *thread = emu->current;
  thread->wait = wait;
  rgc_fiber_switch(&thread->fiber, &emu->scheduler, emu->options.portable_switch);
}

void emu_poll(rgc_emu *emu, unsigned int what) {
  emu->current->polled = what;
  emu_leave(emu, EMU_POLLING);
}

/* Barriers. */

static void release_barrier(rgc_emu *emu, int id, bool current_too) {
  emu_race_pass(emu, id, current_too);
  emu->barrier_arrived[id] = emu->barrier_threads[id] = 0;
  for (int i = 0; i < emu->thread_count; i++)
    if (emu->threads[i].wait == EMU_AT_BARRIER && emu->threads[i].barrier == id) emu->threads[i].wait = EMU_READY;
}

/* bar.sync is one instruction of a warp: its lanes may not meet from two places. */
static void check_same_place(rgc_emu *emu, const emu_site *site) {
  const emu_warp *warp = emu->current->warp;
  for (int i = 0; i < warp->thread_count; i++) {
    const emu_thread *other = &warp->threads[i];
    if (other->wait != EMU_AT_BARRIER || other->barrier != emu->current->barrier || other->site == site) continue;
    emu_fail_divergent(emu, site, "the lanes of a warp are at different barriers");
  }
}

void emu_call_barrier(emu_view *view, const emu_site *site, int id, int threads, int wait) {
  rgc_emu *emu = emu_of(view);
  emu_thread *self = emu->current;
  self->site = site;
  if (id < 0 || id >= BARRIERS) emu_fail(emu, site, "there is no barrier %d: they are 0 to 15", id);
  if (threads % LANES || threads < 0) emu_fail(emu, site, "a barrier for %d threads: it must be a multiple of 32", threads);
  if (threads > emu->thread_count) emu_fail(emu, site, "a barrier for %d threads in a block of %d", threads, emu->thread_count);
  self->barrier = id;
  if (wait) check_same_place(emu, site);
  if (emu->barrier_arrived[id] && emu->barrier_threads[id] != threads)
    emu_fail(emu, site, "barrier %d is for %d threads here and for %d elsewhere", id, threads, emu->barrier_threads[id]);
  emu->barrier_threads[id] = threads;
  emu_race_arrive(emu, id);
  if (++emu->barrier_arrived[id] == (threads ? threads : emu->live)) release_barrier(emu, id, wait);
  else if (wait) emu_leave(emu, EMU_AT_BARRIER);
}

/* Warps. */

static void check_convergence(rgc_emu *emu, const emu_site *site) {
  const emu_warp *warp = emu->current->warp;
  if (!warp->arrived || warp->site == site) return;
  emu_fail_divergent(emu, site, "the lanes of a warp are at different ones");
}

bool emu_warp_arrive(rgc_emu *emu, const emu_site *site, bool all_lanes) {
  emu_thread *self = emu->current;
  emu_warp *warp = self->warp;
  self->site = site;
  check_convergence(emu, site);
  if (all_lanes && warp->live != LANES) emu_fail(emu, site, "%s needs all 32 lanes, and the warp has %d", site->primitive, warp->live);
  warp->site = site;
  emu_own_slot(emu)->lane = self->lane;
  if (++warp->arrived == warp->live) return true;
  emu_leave(emu, EMU_AT_WARP);
  return false;
}

void emu_warp_release(rgc_emu *emu) {
  emu_warp *warp = emu->current->warp;
  warp->arrived = 0;
  for (int i = 0; i < warp->thread_count; i++)
    if (warp->threads[i].wait == EMU_AT_WARP) warp->threads[i].wait = EMU_READY;
}

void emu_call_sync_warp(emu_view *view, const emu_site *site, int unused) {
  (void)unused;
  if (emu_warp_arrive(emu_of(view), site, false)) emu_warp_release(emu_of(view));
}

/* Threads. */

static void end_thread(rgc_emu *emu) {
  emu_thread *self = emu->current;
  static const emu_site end = {"the kernel's end", "", 0};
  emu_copies_finish(emu, self);
  self->site = &end;
  emu->live--;
  self->warp->live--;
  if (self->warp->arrived) emu_fail_divergent(emu, self->warp->site, "a lane of the warp has ended");
  if (emu->barrier_arrived[0] && !emu->barrier_threads[0] && emu->barrier_arrived[0] == emu->live) release_barrier(emu, 0, false);
  for (;;) emu_leave(emu, EMU_DONE);
}

static void run_thread(void *argument) {
  rgc_emu *emu = argument;
  emu->entry(emu->launch->args);
  end_thread(emu);
}

static void prepare_thread(rgc_emu *emu, int i) {
  const unsigned int *block = emu->launch->block;
  emu_thread *thread = &emu->threads[i];
  unsigned int at = (unsigned int)i;
  emu_copies_reset(&thread->copies);
  thread->index = (emu_index){at % block[0], at / block[0] % block[1], at / block[0] / block[1]};
  thread->number = i;
  thread->lane = i % LANES;
  thread->warp = &emu->warps[i / LANES];
  thread->wait = EMU_READY;
  thread->site = NULL;
  rgc_fiber_prepare(&thread->fiber, emu->stacks + (size_t)i * STACK_BYTES + PAGE, STACK_BYTES - PAGE, run_thread, emu, emu->options.portable_switch);
}

static void prepare_block(rgc_emu *emu) {
  emu->live = emu->thread_count;
  memset(emu->barrier_arrived, 0, sizeof emu->barrier_arrived);
  emu->mbarrier_count = emu->tma_count = 0;
  emu_wgmma_reset(emu);
  emu_shared_poison(emu);
  emu_race_reset(emu);
  for (int i = 0; i < emu->thread_count; i++) prepare_thread(emu, i);
  for (int i = 0; i < emu->warp_count; i++) {
    emu_warp *warp = &emu->warps[i];
    int left = emu->thread_count - i * LANES;
    warp->threads = &emu->threads[i * LANES];
    warp->number = i;
    warp->thread_count = warp->live = left < LANES ? left : LANES;
    warp->arrived = warp->wgmma_issued = warp->wgmma_groups = 0;
    warp->wgmma_fenced = false;
  }
}

/* Rounds. */

/* Runs a thread until it waits. Who had polled, and polls again, tells itself whether it got further. */
static void resume(rgc_emu *emu, emu_thread *thread) {
  bool had_polled = thread->had_polled;
  thread->had_polled = false;
  emu->current = thread;
  emu->view.thread = thread->index;
  rgc_fiber_switch(&emu->scheduler, &thread->fiber, emu->options.portable_switch);
  emu->current = NULL;
  if (emu->failed) siglongjmp(emu->leave, 1);
  if (!had_polled || thread->wait != EMU_POLLING) emu->further = true;
}

static void run_warp(rgc_emu *emu, emu_warp *warp) {
  bool more = true;
  int first = emu->options.in_order ? 0 : (int)emu_draw(emu, (unsigned int)warp->thread_count);
  while (more) {
    more = false;
    for (int i = 0; i < warp->thread_count; i++) {
      emu_thread *thread = &warp->threads[(first + i) % warp->thread_count];
      if (thread->wait != EMU_READY) continue;
      more = true;
      resume(emu, thread);
    }
  }
}

static void wake_polling(rgc_emu *emu) {
  for (int i = 0; i < emu->thread_count; i++) {
    emu->threads[i].had_polled = emu->threads[i].wait == EMU_POLLING;
    if (emu->threads[i].had_polled) emu->threads[i].wait = EMU_READY;
  }
}

static void run_round(rgc_emu *emu, bool everyone) {
  int order[MAX_THREADS / LANES];
  emu->further = false;
  for (int i = 0; i < emu->warp_count; i++) order[i] = i;
  for (int i = emu->warp_count - 1; i > 0 && !emu->options.in_order; i--) {
    int other = (int)emu_draw(emu, (unsigned int)i + 1), keep = order[i];
    order[i] = order[other];
    order[other] = keep;
  }
  for (int i = 0; i < emu->warp_count; i++)
    if (everyone || emu_draw(emu, 4)) run_warp(emu, &emu->warps[order[i]]);
}

void emu_run_block(rgc_emu *emu) {
  prepare_block(emu);
  while (emu->live) {
    wake_polling(emu);
    bool everyone = emu->options.in_order || emu_draw(emu, 4);
    run_round(emu, everyone);
    if (emu->further || !everyone) continue;
    if (!emu_copies_advance(emu) && !emu_tma_advance(emu)) emu_fail_deadlock(emu);
  }
  emu_shared_check_end(emu);
}
