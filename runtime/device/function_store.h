/* function_store.h: a program's functions as entries of the cache (cache.h), whatever compiles them. */
#ifndef RGC_DEVICE_FUNCTION_STORE_H
#define RGC_DEVICE_FUNCTION_STORE_H
#include "runtime/device/cache.h"
#include "runtime/device/function_group.h"

typedef struct rgc_function_store {
  rgc_cache cache;
  const rgc_function *functions; /* [count] */
  int count;
  uint64_t key;       /* of all that machine code depends on but a function's text */
  const char *suffix; /* of an entry: "so", "cubin" */
  bool (*use)(const char *path); /* rgc_cache_use or rgc_cache_use_library */
} rgc_function_store;

/* Compiles groups of missing functions, with files in `dir`, a folder of the cache that is gone afterwards, and publishes what it makes. */
typedef bool rgc_function_compiler(void *context, const rgc_function_group *groups, int count, const char *dir);

/* The path of a function's entry, in the cache's arena. */
char *rgc_function_entry(const rgc_function_store *store, int function);
/* The file `made` becomes the entry of each function of the group. False with a DEVICE error. */
bool rgc_function_publish(const rgc_function_store *store, const rgc_function_group *group, const char *made);
/* Has compiled what is not there. `compiled` gets how many functions that were, `seconds` what it took (nothing is written if none were). */
bool rgc_function_store_fill(const rgc_function_store *store, rgc_function_compiler *compile, void *context, int *compiled, double *seconds);
#endif
