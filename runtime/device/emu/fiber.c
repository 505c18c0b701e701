/* fiber.c: see fiber.h. */
#include "runtime/device/emu/fiber.h"

#include <stdint.h>
#include <string.h>

#ifdef RGC_SANITIZE
#include <sanitizer/common_interface_defs.h>
/* AddressSanitizer must know on which stack it is; where the stack that was left begins, it says itself. */
static void leave(rgc_fiber *from, rgc_fiber *to) {
  to->came_from = from;
  __sanitizer_start_switch_fiber(&from->fake_stack, to->stack, to->stack_bytes);
}
static void arrive(rgc_fiber *here) {
  __sanitizer_finish_switch_fiber(here->fake_stack, (const void **)&here->came_from->stack, &here->came_from->stack_bytes);
}
#else
static void leave(rgc_fiber *from, rgc_fiber *to) { to->came_from = from; }
static void arrive(rgc_fiber *here) { (void)here; }
#endif

static void begin(rgc_fiber *fiber) {
  arrive(fiber);
  fiber->run(fiber->argument);
  __builtin_unreachable();
}

#ifdef __x86_64__
/* Saves what a function must keep, in the order of the System V ABI's list, changes stacks and returns there. A new fiber's stack is made to
 * look as if it had been left so (prepare_own): its return address is rgc_fiber_enter, its rbx the fiber. */
void rgc_fiber_exchange(void **from, void *to);
void rgc_fiber_enter(void);
__asm__(
    ".text\n"
    ".type rgc_fiber_exchange,@function\n"
    "rgc_fiber_exchange:\n"
    "  push %rbp\n  push %rbx\n  push %r12\n  push %r13\n  push %r14\n  push %r15\n"
    "  mov %rsp, (%rdi)\n"
    "  mov %rsi, %rsp\n"
    "  pop %r15\n  pop %r14\n  pop %r13\n  pop %r12\n  pop %rbx\n  pop %rbp\n"
    "  ret\n"
    ".size rgc_fiber_exchange, .-rgc_fiber_exchange\n"
    ".type rgc_fiber_enter,@function\n"
    "rgc_fiber_enter:\n"
    "  mov %rbx, %rdi\n"
    "  call *%r12\n"
    "  ud2\n"
    ".size rgc_fiber_enter, .-rgc_fiber_enter\n");

static void prepare_own(rgc_fiber *fiber) {
  void **top = (void **)((uintptr_t)((char *)fiber->stack + fiber->stack_bytes) & ~(uintptr_t)15);
  *--top = NULL; /* so that the stack is 16-aligned when rgc_fiber_enter calls */
  *--top = NULL;
  *--top = (void *)rgc_fiber_enter;
  *--top = NULL;          /* rbp */
  *--top = fiber;         /* rbx */
  *--top = (void *)begin; /* r12 */
  top -= 3;               /* r13 to r15 */
  fiber->stack_pointer = top;
}
bool rgc_fiber_has_own_switch(void) { return true; }
#else
static void rgc_fiber_exchange(void **from, void *to) { (void)from, (void)to; }
static void prepare_own(rgc_fiber *fiber) { (void)fiber; }
bool rgc_fiber_has_own_switch(void) { return false; }
#endif

/* makecontext hands over ints: a pointer is two. */
static void begin_context(unsigned int high, unsigned int low) { begin((rgc_fiber *)(uintptr_t)((uint64_t)high << 32 | low)); }

void rgc_fiber_prepare(rgc_fiber *fiber, void *stack, size_t stack_bytes, void (*run)(void *), void *argument, bool portable) {
  fiber->run = run;
  fiber->argument = argument;
  fiber->stack = stack;
  fiber->stack_bytes = stack_bytes;
  fiber->fake_stack = NULL;
  if (!portable && rgc_fiber_has_own_switch()) {
    prepare_own(fiber);
    return;
  }
  getcontext(&fiber->context);
  fiber->context.uc_stack.ss_sp = stack;
  fiber->context.uc_stack.ss_size = stack_bytes;
  fiber->context.uc_link = NULL;
  uint64_t self = (uintptr_t)fiber;
  makecontext(&fiber->context, (void (*)(void))begin_context, 2, (unsigned int)(self >> 32), (unsigned int)self);
}

void rgc_fiber_switch(rgc_fiber *from, rgc_fiber *to, bool portable) {
  leave(from, to);
  if (!portable && rgc_fiber_has_own_switch()) rgc_fiber_exchange(&from->stack_pointer, to->stack_pointer);
  else swapcontext(&from->context, &to->context);
  arrive(from);
}
