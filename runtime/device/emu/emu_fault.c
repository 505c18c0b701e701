/* emu_fault.c: ordinary loads and stores that hit a page without access, and divisions by zero, become messages.
 *
 * A signal handler cannot be given an argument: the emulator that runs on this OS thread stands in a thread-local variable, the only state
 * of this folder that is not in rgc_emu. Faults of others go to whoever handled them before. */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <ucontext.h>

#include "runtime/device/emu/emu_state.h"

enum { SIGNAL_STACK_BYTES = 64 << 10 };
static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE};
static struct sigaction before[NSIG];
static _Thread_local rgc_emu *watched;
static pthread_once_t installed = PTHREAD_ONCE_INIT;

static const char *verb(const void *context) {
#if defined(__x86_64__) && defined(REG_ERR)
  return ((const ucontext_t *)context)->uc_mcontext.gregs[REG_ERR] & 2 ? "writes" : "reads";
#else
  (void)context;
  return "touches";
#endif
}

static void hand_on(int signal, siginfo_t *info, void *context) {
  struct sigaction *old = &before[signal];
  if (old->sa_flags & SA_SIGINFO) old->sa_sigaction(signal, info, context);
  else sigaction(signal, old, NULL); /* the instruction is tried again, and now ends the process as it would have */
}

static void on_fault(int signal, siginfo_t *info, void *context) {
  rgc_emu *emu = watched;
  if (!emu || !emu->current) {
    hand_on(signal, info, context);
    return;
  }
  const emu_site *site = emu->current->site;
  char words[EMU_WORDS];
  emu_begin_message(emu);
  emu_describe_address(emu, info->si_addr, words, sizeof words);
  if (signal == SIGFPE) rgc_text_add(&emu->message, "divides an integer by zero");
  else rgc_text_printf(&emu->message, "an ordinary access %s %s", verb(context), words);
  if (site && site->line) rgc_text_printf(&emu->message, "; its last primitive was %s at line %d", site->primitive, site->line);
  emu->failed_at = site;
  siglongjmp(emu->leave, 1);
}

static void install(void) {
  struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  sigemptyset(&action.sa_mask);
  for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) sigaction(signals[i], &action, &before[signals[i]]);
}

void emu_fault_watch(rgc_emu *emu) {
  if (!emu->signal_stack) emu->signal_stack = malloc(SIGNAL_STACK_BYTES);
  stack_t stack = {.ss_sp = emu->signal_stack, .ss_size = SIGNAL_STACK_BYTES};
  sigaltstack(&stack, NULL);
  pthread_once(&installed, install);
  watched = emu;
}

void emu_fault_unwatch(rgc_emu *emu) {
  stack_t none = {.ss_flags = SS_DISABLE};
  (void)emu;
  watched = NULL;
  sigaltstack(&none, NULL);
}
