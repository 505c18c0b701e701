/* emu_module.c: kernel texts to libraries, by the host's C compiler, through the cache on disk (cache.h). */
#include "runtime/device/emu/emu_module.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "compiler/base/file.h"
#include "runtime/device/cache.h"
#include "runtime/device/compile.h"
#include "runtime/device/emit_files.h"

/* -O1: kernels run as long as they take to compile. Stacks are touched page by page, so that none is jumped over. */
static const char flags[] = "-DRGC_EMU -O1 -fstack-clash-protection";
/* Calls for ordinary accesses (emu_watch.cuh), and not the library that they are of. */
static const char watch_flags[] = "-DRGC_EMU -DRGC_EMU_WATCH -O1 -fstack-clash-protection -fsanitize=thread -nodefaultlibs -lc";

struct rgc_emu_module {
  rgc_arena *arena;
  void **libraries; /* one a text */
  int count, compiled;
  bool watched;
};

typedef struct workshop {
  rgc_arena *arena;
  rgc_diagnostics *diags;
  rgc_cache cache;
  const rgc_template *texts, *headers;
  char **libraries; /* the entries of the texts */
  const char *flags;
  int count, header_count, compiled;
} workshop;

static int find_header(const workshop *shop, const char *name, size_t length) {
  for (int i = 0; i < shop->header_count; i++)
    if (!strncmp(shop->headers[i].name, name, length) && !shop->headers[i].name[length]) return i;
  return -1;
}

/* The hash with each header that the text includes, or that one of those does, once; whether or not a condition takes it out. seen[header_count] */
static uint64_t hash_included(const workshop *shop, uint64_t hash, const char *text, bool *seen) {
  static const char word[] = "#include \"";
  for (const char *at = text; (at = strstr(at, word));) {
    at += strlen(word);
    int header = find_header(shop, at, strcspn(at, "\""));
    if (header < 0 || seen[header]) continue;
    seen[header] = true;
    hash = hash_included(shop, rgc_cache_hash_templates(hash, &shop->headers[header], 1), shop->headers[header].text, seen);
  }
  return hash;
}

/* An entry is named after its text, and its key is of all that the text includes, of the flags and of the compiler. */
static bool open_workshop(workshop *shop) {
  const char *version = rgc_cache_open(&shop->cache, shop->arena, shop->diags) ? rgc_compiler_version(shop->arena, shop->diags) : NULL;
  if (!version) return false;
  for (int i = 0; i < shop->count; i++) {
    uint64_t text = rgc_cache_hash(rgc_cache_hash(0, shop->texts[i].name), shop->texts[i].text);
    bool *seen = RGC_NEW_ARRAY(shop->arena, bool, shop->header_count + 1);
    uint64_t key = hash_included(shop, rgc_cache_hash(rgc_cache_hash(0, version), shop->flags), shop->texts[i].text, seen);
    shop->libraries[i] = rgc_cache_path(&shop->cache, rgc_arena_printf(shop->arena, "emu%016llx", (unsigned long long)text), key, "so");
  }
  return true;
}

static bool write_source(workshop *shop, const rgc_template *text, const char *path) {
  rgc_text all = {0};
  rgc_text_printf(&all, "#line 1 \"%s\"\n%s", text->name, text->text);
  bool good = rgc_write_text_file(path, rgc_text_chars(&all), "is the disk full?", shop->diags);
  rgc_text_free(&all);
  return good;
}

/* Compiles the texts whose entries are missing[] in `dir`. */
static bool compile_texts(workshop *shop, const int *missing, int count, const char *dir) {
  rgc_compile_job *jobs = RGC_NEW_ARRAY(shop->arena, rgc_compile_job, count + 1);
  for (int i = 0; i < count; i++) {
    jobs[i] = (rgc_compile_job){.source = rgc_arena_printf(shop->arena, "%s/text%d.c", dir, i),
                                .library = rgc_arena_printf(shop->arena, "%s/text%d.so", dir, i),
                                .log = rgc_arena_printf(shop->arena, "%s/text%d.log", dir, i)};
    if (!write_source(shop, &shop->texts[missing[i]], jobs[i].source)) return false;
  }
  if (!rgc_compile_all(jobs, count, shop->flags, dir, shop->diags)) return false;
  for (int i = 0; i < count; i++)
    if (!rgc_cache_seal(&shop->cache, jobs[i].library) || !rgc_cache_publish(&shop->cache, jobs[i].library, shop->libraries[missing[i]])) return false;
  return true;
}

static bool compile_missing(workshop *shop) {
  int *missing = RGC_NEW_ARRAY(shop->arena, int, shop->count + 1), count = 0;
  for (int i = 0; i < shop->count; i++)
    if (!rgc_cache_use_library(shop->libraries[i])) missing[count++] = i;
  shop->compiled = count;
  if (!count) return true;
  rgc_cache_bound(&shop->cache);
  char *dir = rgc_cache_make_work(&shop->cache);
  bool good = dir && rgc_write_templates(dir, "", shop->headers, shop->header_count, shop->diags) && compile_texts(shop, missing, count, dir);
  if (dir) rgc_cache_remove_work(dir);
  return good;
}

static bool open_libraries(workshop *shop, rgc_emu_module *module) {
  for (int i = 0; i < module->count; i++) {
    module->libraries[i] = dlopen(shop->libraries[i], RTLD_NOW | RTLD_LOCAL);
    if (!module->libraries[i]) return rgc_cache_refuse(&shop->cache, dlerror());
  }
  return true;
}

rgc_emu_module *rgc_emu_module_build(const rgc_template *texts, int text_count, const rgc_template *headers, int header_count,
                                     bool watched, rgc_diagnostics *diags) {
  rgc_arena *arena = rgc_arena_create(), *scratch = rgc_arena_create();
  workshop shop = {.arena = scratch, .diags = diags, .texts = texts, .count = text_count, .headers = headers, .header_count = header_count,
                   .flags = watched ? watch_flags : flags, .libraries = RGC_NEW_ARRAY(scratch, char *, text_count + 1)};
  rgc_emu_module *module = RGC_NEW(arena, rgc_emu_module);
  *module = (rgc_emu_module){.arena = arena, .count = text_count, .watched = watched, .libraries = RGC_NEW_ARRAY(arena, void *, text_count + 1)};
  bool good = open_workshop(&shop) && compile_missing(&shop) && open_libraries(&shop, module);
  module->compiled = shop.compiled;
  rgc_arena_destroy(scratch);
  if (!good) rgc_emu_module_close(module);
  return good ? module : NULL;
}

void rgc_emu_module_close(rgc_emu_module *module) {
  if (!module) return;
  for (int i = 0; i < module->count; i++)
    if (module->libraries[i]) dlclose(module->libraries[i]);
  rgc_arena_destroy(module->arena);
}

int rgc_emu_module_compiled(const rgc_emu_module *module) { return module->compiled; }

bool emu_module_find(const rgc_emu_module *module, const char *name, emu_kernel *kernel) {
  char limits[256];
  snprintf(limits, sizeof limits, "%s_limits", name);
  for (int i = 0; i < module->count; i++) {
    void *entry = dlsym(module->libraries[i], name), *bind = dlsym(module->libraries[i], "rgc_emu_bind");
    void *limit = dlsym(module->libraries[i], limits);
    if (!entry || !bind || !limit) continue;
    memcpy(&kernel->entry, &entry, sizeof entry);
    memcpy(&kernel->bind, &bind, sizeof bind);
    kernel->limits = limit;
    kernel->watched = module->watched;
    return true;
  }
  return false;
}
