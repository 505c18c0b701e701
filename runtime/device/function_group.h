/* function_group.h: which functions are compiled together: a contract by itself, and first, for it takes longest; light functions a few at
 * a time, for then the compiler starts seldom and reads the templates once. */
#ifndef RGC_DEVICE_FUNCTION_GROUP_H
#define RGC_DEVICE_FUNCTION_GROUP_H
#include "codegen/function.h"

typedef struct rgc_function_group {
  int *functions, count, capacity; /* numbers of functions */
} rgc_function_group;

/* Groups of those functions that are missing[]. */
rgc_function_group *rgc_function_groups(const rgc_function *functions, int function_count, const bool *missing, rgc_arena *arena, int *count);
/* The functions of a group as one text; messages name the line of the file NAME.SUFFIX, as rgc compile --emit writes it. */
void rgc_function_group_print(const rgc_function *functions, const rgc_function_group *group, const char *suffix, rgc_text *out);
#endif
