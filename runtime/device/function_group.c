/* function_group.c: see function_group.h. */
#include "runtime/device/function_group.h"

enum { LIGHT_GROUP = 12 };

rgc_function_group *rgc_function_groups(const rgc_function *functions, int function_count, const bool *missing, rgc_arena *arena, int *count) {
  rgc_function_group *groups = NULL;
  int capacity = 0;
  *count = 0;
  for (int heavy = 1; heavy >= 0; heavy--)
    for (int i = 0, first = 1; i < function_count; i++) {
      if (!missing[i] || functions[i].heavy != heavy) continue;
      if (heavy || first || groups[*count - 1].count == LIGHT_GROUP) *RGC_PUSH(arena, groups, *count, capacity) = (rgc_function_group){0};
      rgc_function_group *to = &groups[*count - 1];
      *RGC_PUSH(arena, to->functions, to->count, to->capacity) = i;
      first = 0;
    }
  return groups;
}

void rgc_function_group_print(const rgc_function *functions, const rgc_function_group *group, const char *suffix, rgc_text *out) {
  for (int i = 0; i < group->count; i++) {
    const rgc_function *function = &functions[group->functions[i]];
    rgc_text_printf(out, "#line 1 \"%s.%s\"\n", function->name, suffix);
    rgc_function_print(function, out);
  }
}
