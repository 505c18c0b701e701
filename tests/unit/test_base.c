/* test_base.c: compiler/base: formats against the C library's, arenas that are put together, tasks on threads. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/diag.h"
#include "compiler/base/format.h"
#include "compiler/base/parallel.h"

enum { ROOM = 64 };

__attribute__((format(printf, 2, 3))) static size_t formatted(char chars[ROOM], const char *format, ...) {
  va_list args;
  va_start(args, format);
  size_t length = rgc_format(chars, ROOM, format, args);
  va_end(args);
  return length;
}

/* Both, into rooms of ROOM bytes. */
#define SAME_AS_LIBRARY(...)                                                                                           \
  do {                                                                                                                 \
    char ours[ROOM], theirs[ROOM];                                                                                     \
    memset(ours, '#', ROOM), memset(theirs, '#', ROOM);                                                                \
    int wanted = snprintf(theirs, ROOM, __VA_ARGS__);                                                                  \
    cr_expect_eq(formatted(ours, __VA_ARGS__), (size_t)wanted);                                                        \
    cr_expect_str_eq(ours, theirs);                                                                                    \
  } while (0)

Test(base, formats_as_the_library) {
  /* volatile: that texts are cut is no mistake to warn of */
  static const char *volatile long_text = "a text of more than sixty-four bytes, so that what comes behind is cut, as the library does";
  SAME_AS_LIBRARY("plain");
  SAME_AS_LIBRARY("%s", "");
  SAME_AS_LIBRARY("%s.%d%c%%", "name", -12, 'x');
  SAME_AS_LIBRARY("%d %d %u", INT32_MIN, INT32_MAX, UINT32_MAX);
  SAME_AS_LIBRARY("%lld|%ld", (long long)INT64_MIN, (long)INT64_MAX);
  SAME_AS_LIBRARY("%d %.3g %s", 7, 0.1, "mixed"); /* a conversion that the library has, behind one that it has not */
  SAME_AS_LIBRARY("%-5d|%5s|%llx", 3, "w", 255ULL);
  SAME_AS_LIBRARY("%s", long_text + 27); /* 63 bytes and the NUL, or nearly */
  SAME_AS_LIBRARY("%s and %d", long_text, 5);
}

Test(base, an_arena_takes_another_in) {
  rgc_arena *one = rgc_arena_create(), *two = rgc_arena_create(), *empty = rgc_arena_create();
  char *kept = rgc_arena_printf(two, "%s", "kept"), *large = rgc_arena_alloc(two, (size_t)3 << 20), *own = rgc_arena_strdup(one, "own");
  large[(3 << 20) - 1] = 1;
  size_t used = rgc_arena_used_bytes(one) + rgc_arena_used_bytes(two);
  rgc_arena_adopt(one, two);
  cr_expect_eq(rgc_arena_used_bytes(one), used);
  rgc_arena_adopt(empty, one);
  for (int i = 0; i < 1000; i++) {
    char *bytes = rgc_arena_alloc(empty, 100);
    for (int k = 0; k < 100; k++) cr_assert_eq(bytes[k], 0);
    memset(bytes, 0xff, 100);
  }
  cr_expect_str_eq(kept, "kept");
  cr_expect_str_eq(own, "own");
  rgc_arena_destroy(empty);
}

typedef struct made {
  rgc_arena *arena;
  rgc_diagnostics diags;
} made;

static void make(void *context, int i) {
  made *m = &((made *)context)[i];
  rgc_diagnostics_init(&m->diags, m->arena);
  rgc_diag_fail(&m->diags, RGC_CODE_USAGE, NULL, NULL, "task %d", i);
}

/* Each task once, and told in order. */
Test(base, tasks_are_put_together_in_order) {
  enum { TASKS = 100 };
  rgc_arena *arena = rgc_arena_create();
  rgc_diagnostics diags;
  made all[TASKS];
  rgc_diagnostics_init(&diags, arena);
  for (int i = 0; i < TASKS; i++) all[i].arena = rgc_arena_create();
  rgc_parallel(TASKS, make, all);
  for (int i = 0; i < TASKS; i++) rgc_diagnostics_adopt(&diags, &all[i].diags);
  cr_assert_eq(diags.error_count, TASKS);
  for (int i = 0; i < TASKS; i++) cr_expect_str_eq(diags.items[i].message, rgc_arena_printf(arena, "task %d", i));
  rgc_parallel(0, make, NULL);
  rgc_arena_destroy(arena);
}
