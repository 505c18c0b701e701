/* temp_folder.h: an arena, diagnostics and a folder of its own for a test, gone afterwards with all that is in it. */
#ifndef RGC_TEST_TEMP_FOLDER_H
#define RGC_TEST_TEMP_FOLDER_H
#include <criterion/criterion.h>
#include <stdlib.h>

#include "compiler/base/diag.h"

typedef struct fixture {
  rgc_arena *arena;
  rgc_diagnostics diags;
  char dir[64];
} fixture;

static inline fixture setup(void) {
  fixture f = {.arena = rgc_arena_create(), .dir = "/tmp/rgc_test_XXXXXX"};
  rgc_diagnostics_init(&f.diags, f.arena);
  cr_assert(mkdtemp(f.dir));
  return f;
}

static inline void teardown(fixture *f) {
  cr_assert_eq(system(rgc_arena_printf(f->arena, "rm -r %s", f->dir)), 0);
  rgc_arena_destroy(f->arena);
}
#endif
