/* emu_report.c: what went wrong, who did it, and who waits where. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/device/emu/emu_state.h"

enum { MAX_WARPS_TOLD = 16 };

static const char *base_name(const char *file) {
  const char *slash = strrchr(file, '/');
  return slash ? slash + 1 : file;
}

static void add_site(const emu_site *site, rgc_text *text) {
  if (!site) rgc_text_printf(text, "before its first primitive");
  else if (!site->line) rgc_text_printf(text, "at %s", site->primitive);
  else rgc_text_printf(text, "%s at %s:%d", site->primitive, base_name(site->file), site->line);
}

static void add_wait(const rgc_emu *emu, const emu_thread *thread, rgc_text *text) {
  if (thread->wait == EMU_READY) rgc_text_add(text, thread == emu->current ? "" : "runs, last seen in ");
  else if (thread->wait != EMU_DONE) rgc_text_add(text, "waits in ");
  add_site(thread->site, text);
  if (thread->wait == EMU_AT_BARRIER) {
    int all = emu->barrier_threads[thread->barrier] ? emu->barrier_threads[thread->barrier] : emu->live;
    rgc_text_printf(text, ", barrier %d, %d of %d threads there", thread->barrier, emu->barrier_arrived[thread->barrier], all);
  } else if (thread->wait == EMU_AT_WARP) {
    rgc_text_printf(text, ", %d of %d lanes there", thread->warp->arrived, thread->warp->live);
  } else if (thread->wait == EMU_POLLING && thread->polled == NO_MBARRIER) {
    rgc_text_add(text, ", for the other warps of its warpgroup");
  } else if (thread->wait == EMU_POLLING) {
    for (int i = 0; i < emu->mbarrier_count; i++) {
      const emu_mbarrier *bar = &emu->mbarriers[i];
      if (bar->at != thread->polled) continue;
      rgc_text_printf(text, ", mbarrier at shared offset %u, phase parity %u, %u of %u arrivals and %lld bytes missing", bar->at, bar->phase,
                      bar->pending, bar->count, (long long)bar->bytes);
    }
  }
}

static bool same_place(const emu_thread *a, const emu_thread *b) {
  return a->wait == b->wait && a->site == b->site && a->barrier == b->barrier && (a->wait != EMU_POLLING || a->polled == b->polled);
}

/* Appends who is where in a warp, lanes at one place together. */
static void describe_warp(const rgc_emu *emu, const emu_warp *warp, rgc_text *text) {
  for (int i = 0, end; i < warp->thread_count; i = end) {
    for (end = i + 1; end < warp->thread_count && same_place(&warp->threads[i], &warp->threads[end]); end++) {}
    if (end == i + 1) rgc_text_printf(text, "  warp %d lane %d: ", warp->number, i);
    else rgc_text_printf(text, "  warp %d lanes %d-%d: ", warp->number, i, end - 1);
    add_wait(emu, &warp->threads[i], text);
    rgc_text_add(text, "\n");
  }
}

void emu_begin_message(rgc_emu *emu) {
  emu_index b = emu->view.block;
  rgc_text_printf(&emu->message, "kernel %s, block (%u,%u,%u)", emu->launch->kernel, b.x, b.y, b.z);
  if (emu->current) {
    emu_index t = emu->current->index;
    rgc_text_printf(&emu->message, ", thread (%u,%u,%u) (warp %d, lane %d)", t.x, t.y, t.z, emu->current->warp->number, emu->current->lane);
  }
  rgc_text_add(&emu->message, ": ");
}

/* A fiber hands over to the scheduler, which leaves; so no jump begins on a fiber's stack. */
static _Noreturn void leave_block(rgc_emu *emu) {
  emu->failed = true;
  if (!emu->current) siglongjmp(emu->leave, 1);
  for (;;) emu_leave(emu, EMU_DONE);
}

void emu_fail(rgc_emu *emu, const emu_site *site, const char *format, ...) {
  va_list args;
  char text[6000];
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  emu_begin_message(emu);
  rgc_text_add(&emu->message, text);
  if (site && !site->line && emu->current && emu->current->site) {
    rgc_text_add(&emu->message, "; its last primitive was ");
    add_site(emu->current->site, &emu->message);
    site = emu->current->site;
  }
  emu->failed_at = site;
  leave_block(emu);
}

void emu_fail_divergent(rgc_emu *emu, const emu_site *site, const char *what) {
  emu_begin_message(emu);
  rgc_text_printf(&emu->message, "divergent %s: %s\n", site->primitive, what);
  describe_warp(emu, emu->current->warp, &emu->message);
  emu->failed_at = site;
  leave_block(emu);
}

void emu_fail_deadlock(rgc_emu *emu) {
  const emu_site *first = NULL;
  int told = 0;
  emu_begin_message(emu);
  rgc_text_add(&emu->message, "deadlock: no thread can go on\n");
  for (int i = 0; i < emu->warp_count; i++) {
    if (!emu->warps[i].live || told++ >= MAX_WARPS_TOLD) continue;
    describe_warp(emu, &emu->warps[i], &emu->message);
  }
  for (int i = emu->thread_count - 1; i >= 0; i--)
    if (emu->threads[i].wait != EMU_DONE) first = emu->threads[i].site;
  if (told > MAX_WARPS_TOLD) rgc_text_printf(&emu->message, "  and %d more warps\n", told - MAX_WARPS_TOLD);
  emu->failed_at = first;
  leave_block(emu);
}

void emu_add_diagnostic(rgc_emu *emu, rgc_diagnostics *diags) {
  const emu_site *site = emu->failed_at;
  rgc_location at = {0};
  if (site && site->line) at = (rgc_location){rgc_arena_strdup(diags->arena, base_name(site->file)), site->line, 0};
  while (emu->message.length && emu->message.chars[emu->message.length - 1] == '\n') emu->message.chars[--emu->message.length] = 0;
  rgc_diag_add(diags, RGC_ERROR, RGC_CODE_DEVICE, at, "%s", rgc_text_chars(&emu->message));
  rgc_text_free(&emu->message);
  emu->message = (rgc_text){0};
}
