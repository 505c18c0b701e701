/* cache.h: the folder on disk in which machine code is kept, whatever it is for.
 *
 * It is $RGC_CACHE, $XDG_CACHE_HOME/rgc or ~/.cache/rgc: mode 0700 and owned by this user, or it is refused. An entry is a file NAME-KEY.SUFFIX:
 * NAME is the hash of a text, KEY that of all else which machine code depends on (templates, flags, the compiler's own version), so what
 * is found can be used. An entry is made in a folder of its own inside the cache and linked under its name when it is complete: two
 * processes may make the same one at once. The cache is kept below a size by removing what was used longest ago.
 *
 * A machine that stops may leave a library without its end, and running that is a bus error. So libraries are sealed: behind what the loader of
 * programs looks at stands a line with the number of bytes and their hash (a cubin has such a line of its own, cubin.h). */
#ifndef RGC_DEVICE_CACHE_H
#define RGC_DEVICE_CACHE_H
#include <stdint.h>

#include "codegen/template.h"
#include "compiler/base/diag.h"

typedef struct rgc_cache {
  const char *dir;
  rgc_arena *arena; /* where its paths lie */
  rgc_diagnostics *diags;
} rgc_cache;

/* The folder is made if it is not there. False with a DEVICE error. */
bool rgc_cache_open(rgc_cache *cache, rgc_arena *arena, rgc_diagnostics *diags);
/* Adds the DEVICE error that the cache cannot be used, and why. Returns false. */
bool rgc_cache_refuse(const rgc_cache *cache, const char *why);

/* Keys: a text, and the names and texts of templates, added to a hash. */
uint64_t rgc_cache_hash(uint64_t hash, const char *text);
uint64_t rgc_cache_hash_templates(uint64_t hash, const rgc_template *templates, int count);

/* The path of an entry; it need not be there. suffix: "so", "cubin". */
char *rgc_cache_path(const rgc_cache *cache, const char *name, uint64_t key, const char *suffix);
/* Whether the entry of that path is there; if so, it is used now. */
bool rgc_cache_use(const char *path);
/* The same of a sealed library; one that is not whole is removed, and so not there. */
bool rgc_cache_use_library(const char *path);
/* Seals a library that was made, before it is published. False with a DEVICE error. */
bool rgc_cache_seal(const rgc_cache *cache, const char *made);
/* `made` becomes the entry of that path, unless another process was first. The same file may become several. False with a DEVICE error. */
bool rgc_cache_publish(const rgc_cache *cache, const char *made, const char *path);

/* A new folder inside the cache to work in; NULL with a DEVICE error. */
char *rgc_cache_make_work(const rgc_cache *cache);
/* Removes it with all that is in it. */
void rgc_cache_remove_work(const char *dir);
/* Removes what was used longest ago until all entries together are below the limit (512 MB); and folders that killed processes worked in. */
void rgc_cache_bound(const rgc_cache *cache);
#endif
