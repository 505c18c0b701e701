/* compilation.c: see compilation.h. */
#include "compiler/compilation.h"

void rgc_compilation_note(rgc_compilation *c, rgc_text *lines) {
  c->ledger = rgc_arena_printf(c->arena, "%s%s", c->ledger ? c->ledger : "", rgc_text_chars(lines));
  rgc_text_free(lines);
}

int64_t rgc_memory_bytes(const rgc_memory_plan *plan) {
  int64_t bytes = 0;
  for (int r = 0; r < RGC_REGION_COUNT; r++) bytes += plan->region_bytes[r];
  return bytes;
}
