/* function_store.c: see function_store.h. */
#include "runtime/device/function_store.h"

#include "compiler/base/clock.h"

char *rgc_function_entry(const rgc_function_store *store, int function) {
  return rgc_cache_path(&store->cache, store->functions[function].name, store->key, store->suffix);
}

bool rgc_function_publish(const rgc_function_store *store, const rgc_function_group *group, const char *made) {
  for (int i = 0; i < group->count; i++)
    if (!rgc_cache_publish(&store->cache, made, rgc_function_entry(store, group->functions[i]))) return false;
  return true;
}

bool rgc_function_store_fill(const rgc_function_store *store, rgc_function_compiler *compile, void *context, int *compiled, double *seconds) {
  bool *missing = RGC_NEW_ARRAY(store->cache.arena, bool, store->count + 1);
  int missing_count = 0, group_count;
  for (int i = 0; i < store->count; i++) {
    missing[i] = !store->use(rgc_function_entry(store, i));
    missing_count += missing[i];
  }
  if (!missing_count) return true;
  *compiled = missing_count;
  double start = rgc_now_seconds();
  rgc_cache_bound(&store->cache);
  rgc_function_group *groups = rgc_function_groups(store->functions, store->count, missing, store->cache.arena, &group_count);
  char *dir = rgc_cache_make_work(&store->cache);
  bool good = dir && compile(context, groups, group_count, dir);
  if (dir) rgc_cache_remove_work(dir);
  *seconds = rgc_now_seconds() - start;
  return good;
}
