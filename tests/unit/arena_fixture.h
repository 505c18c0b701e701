/* arena_fixture.h: an arena and its diagnostics, which is all that many tests need. */
#ifndef RGC_TEST_ARENA_FIXTURE_H
#define RGC_TEST_ARENA_FIXTURE_H
#include "compiler/base/diag.h"

typedef struct fixture {
  rgc_arena *arena;
  rgc_diagnostics diags;
} fixture;

static inline fixture setup(void) {
  fixture f = {.arena = rgc_arena_create()};
  rgc_diagnostics_init(&f.diags, f.arena);
  return f;
}
#endif
