/* network_text.h: a network of a text, for tests that write their own. */
#ifndef RGC_TEST_NETWORK_TEXT_H
#define RGC_TEST_NETWORK_TEXT_H
#include <criterion/criterion.h>
#include <string.h>
#include <unistd.h>

#include "compiler/lang/lang.h"

/* NULL with errors in `diags`, which name a file that is gone by then. */
static inline rgc_network *network_of_text(rgc_arena *arena, const char *yaml, rgc_diagnostics *diags) {
  char path[] = "/tmp/rgc-network-XXXXXX";
  int file = mkstemp(path);
  cr_assert_eq(write(file, yaml, strlen(yaml)), (ssize_t)strlen(yaml));
  close(file);
  rgc_network *network = rgc_network_load(arena, path, NULL, 0, diags);
  unlink(path);
  return network;
}
#endif
