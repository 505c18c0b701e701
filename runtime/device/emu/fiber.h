/* fiber.h: functions that run on stacks of their own and hand control to one another, within one OS thread.
 *
 * Two ways to switch: a dozen instructions where this file knows the machine (x86-64), and ucontext (POSIX), which is slower for it
 * asks the kernel for the signal mask each time. */
#ifndef RGC_EMU_FIBER_H
#define RGC_EMU_FIBER_H
#include <stdbool.h>
#include <stddef.h>
#include <ucontext.h>

typedef struct rgc_fiber {
  void *stack_pointer;  /* while it does not run, and the switch is the machine's own */
  ucontext_t context;   /* ... and the switch is ucontext */
  void (*run)(void *);
  void *argument;
  void *stack;          /* lowest byte */
  size_t stack_bytes;
  void *fake_stack;     /* AddressSanitizer's */
  struct rgc_fiber *came_from; /* who switched here last */
} rgc_fiber;

bool rgc_fiber_has_own_switch(void);
/* Makes a fiber that will begin run(argument) on its stack; run must never return. */
void rgc_fiber_prepare(rgc_fiber *fiber, void *stack, size_t stack_bytes, void (*run)(void *), void *argument, bool portable);
/* Goes on with `to`; returns when somebody switches to `from`. `from` may be a zeroed fiber: the one that runs now. */
void rgc_fiber_switch(rgc_fiber *from, rgc_fiber *to, bool portable);
#endif
