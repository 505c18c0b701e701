/* pattern.c: which layers and parameters a pattern names; see lang.h. */
#include <string.h>

#include "compiler/lang/lang.h"

/* Ends: each turn goes on in `pattern`, or in `name` behind the last star, at most once for each of its places. */
bool rgc_layer_holds(const char *pattern, const char *name) {
  const char *star = NULL, *behind = name;
  for (;;) {
    if (*pattern == '*') {
      star = ++pattern;
      behind = name;
    } else if (!*pattern && (!*name || *name == '.')) {
      return true;
    } else if (*name && *pattern == *name) {
      pattern++, name++;
    } else if (star && *behind) {
      pattern = star;
      name = ++behind;
    } else {
      return false;
    }
  }
}

bool rgc_network_is_frozen(const rgc_network *network, const char *parameter) {
  bool listed = false;
  for (int i = 0; i < network->freeze.count; i++) listed |= rgc_layer_holds(network->freeze.items[i], parameter);
  return network->freeze_all_but ? !listed : listed;
}
