/* test_sanitizers.c: what AddressSanitizer and LeakSanitizer are told wherever rgc_tests was built with them (RGC_SANITIZE=ON), and that they look.
 *
 * intercept_tls_get_addr: for a thread's variable in a library that came by dlopen, as kernels, NVRTC and drivers do, this interceptor guesses
 * where the variable's block begins. glibc has the block from malloc, which is AddressSanitizer's; where it lies 16 bytes into a page, gcc 12's
 * takes AddressSanitizer's own header for one of glibc 2.19, and the leak check dies of reading at an address like 0x2f0 ("Tracer caught signal
 * 11"): nothing is checked, and nothing fails. Without the interceptor the blocks are found from the thread's own table of them. */
#ifdef RGC_SANITIZE
#include <criterion/criterion.h>
#include <dlfcn.h>
#include <pthread.h>
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/temp_folder.h"

#define SAID_TO_A_SANITIZER __attribute__((visibility("default"), used, no_sanitize("address", "undefined"))) const char *
SAID_TO_A_SANITIZER __asan_default_options(void);
SAID_TO_A_SANITIZER __lsan_default_options(void);
SAID_TO_A_SANITIZER __lsan_default_suppressions(void);
const char *__asan_default_options(void) { return "intercept_tls_get_addr=0"; }
const char *__lsan_default_options(void) { return "print_suppressions=0"; }
/* Criterion leaks a few bytes of its own for tests with a timeout. */
const char *__lsan_default_suppressions(void) { return "leak:libcriterion\n"; }

static bool leaks(void) {
  __sanitizer_set_report_path("/dev/null"); /* a leak that is wanted is no news */
  bool found = __lsan_do_recoverable_leak_check();
  __sanitizer_set_report_path("stderr");
  return found;
}

static uintptr_t hidden; /* a pointer that LeakSanitizer does not know */
static void *found_again;

/* Not inlined, so that no copy of the pointer stays in the caller's frame. */
static __attribute__((noinline)) void lose_a_block(void) { hidden = ~(uintptr_t)malloc(33); }

static void expect_lost_block_is_found(void) {
  cr_expect(!leaks());
  lose_a_block();
  cr_expect(leaks());
  found_again = (void *)~hidden;
  free(found_again);
}

Test(sanitizers, a_leak_is_found) { expect_lost_block_is_found(); }

/* 64 bytes with AddressSanitizer's header: of so many threads' blocks one begins 16 bytes into a page. */
enum { THREADS = 150 };
static const char library_text[] = "#include <stdlib.h>\nstatic __thread struct { void *kept; char more[40]; } own;\nvoid keep(void) { own.kept = malloc(77); }\n"
                                   "void drop(void) { free(own.kept); }\n";

typedef struct crowd {
  void (*keep)(void), (*drop)(void);
  pthread_barrier_t came, may_go;
} crowd;

static void *keep_and_wait(void *argument) {
  crowd *c = argument;
  c->keep();
  pthread_barrier_wait(&c->came);
  pthread_barrier_wait(&c->may_go);
  c->drop();
  return NULL;
}

static void *open_library(fixture *f) {
  const char *source = rgc_arena_printf(f->arena, "%s/own.c", f->dir), *library = rgc_arena_printf(f->arena, "%s/own.so", f->dir);
  FILE *to = fopen(source, "w");
  cr_assert(to && fputs(library_text, to) >= 0 && !fclose(to));
  cr_assert_eq(system(rgc_arena_printf(f->arena, "cc -shared -fPIC -o %s %s", library, source)), 0);
  void *opened = dlopen(library, RTLD_NOW);
  cr_assert(opened, "%s", dlerror());
  return opened;
}

Test(sanitizers, threads_with_variables_of_opened_libraries_are_looked_through) {
  fixture f = setup();
  crowd c;
  pthread_t threads[THREADS];
  void *library = open_library(&f), *keep = dlsym(library, "keep"), *drop = dlsym(library, "drop");
  memcpy(&c.keep, &keep, sizeof keep);
  memcpy(&c.drop, &drop, sizeof drop);
  cr_assert(!pthread_barrier_init(&c.came, NULL, THREADS + 1) && !pthread_barrier_init(&c.may_go, NULL, THREADS + 1));
  for (int i = 0; i < THREADS; i++) cr_assert(!pthread_create(&threads[i], NULL, keep_and_wait, &c));
  pthread_barrier_wait(&c.came);
  expect_lost_block_is_found();
  pthread_barrier_wait(&c.may_go);
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  dlclose(library);
  teardown(&f);
}
#else
typedef int no_sanitizers; /* ISO C wants a declaration */
#endif
