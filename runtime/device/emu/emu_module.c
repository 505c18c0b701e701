/* emu_module.c: kernel texts to libraries, by the host's C compiler. They are made in a folder of their own, opened, and removed. */
#include "runtime/device/emu/emu_module.h"

#include <dlfcn.h>
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/device/compile.h"

/* -O1: kernels run as long as they take to compile. Stacks are touched page by page, so that none is jumped over. */
static const char flags[] = "-DRGC_EMU -O1 -fstack-clash-protection";
/* Calls for ordinary accesses (emu_watch.cuh), and not the library that they are of. */
static const char watch_flags[] = "-DRGC_EMU -DRGC_EMU_WATCH -O1 -fstack-clash-protection -fsanitize=thread -nodefaultlibs -lc";

struct rgc_emu_module {
  rgc_arena *arena;
  void **libraries; /* one a text */
  int count;
  bool watched;
};

typedef struct workshop {
  rgc_arena *arena;
  rgc_diagnostics *diags;
  char *dir;
} workshop;

static bool fail_write(workshop *shop, const char *path) {
  return rgc_diag_fail(shop->diags, RGC_CODE_FILE_WRITE, path, "is the disk full? TMPDIR names another place", "cannot be written: %s", strerror(errno));
}

/* The folders of dir/name. */
static bool make_parents(workshop *shop, const char *name) {
  for (const char *slash = strchr(name, '/'); slash; slash = strchr(slash + 1, '/')) {
    const char *path = rgc_arena_printf(shop->arena, "%s/%.*s", shop->dir, (int)(slash - name), name);
    if (mkdir(path, 0700) && errno != EEXIST) return fail_write(shop, path);
  }
  return true;
}

static bool write_text(workshop *shop, const char *name, const char *first_line, const char *text) {
  const char *path = rgc_arena_printf(shop->arena, "%s/%s", shop->dir, name);
  FILE *to = make_parents(shop, name) ? fopen(path, "w") : NULL;
  bool good = to && fputs(first_line, to) >= 0 && fputs(text, to) >= 0;
  if (to && fclose(to)) good = false;
  return good || fail_write(shop, path);
}

static int remove_entry(const char *path, const struct stat *about, int type, struct FTW *walk) {
  (void)about, (void)type, (void)walk;
  return remove(path);
}

static bool make_dir(workshop *shop) {
  const char *base = getenv("TMPDIR");
  shop->dir = rgc_arena_printf(shop->arena, "%s/rgc-emu-XXXXXX", base && *base ? base : "/tmp");
  if (mkdtemp(shop->dir)) return true;
  fail_write(shop, shop->dir);
  return false;
}

static bool compile_texts(workshop *shop, const rgc_template *texts, int count, bool watched) {
  rgc_compile_job *jobs = RGC_NEW_ARRAY(shop->arena, rgc_compile_job, count + 1);
  for (int i = 0; i < count; i++) {
    jobs[i] = (rgc_compile_job){.source = rgc_arena_printf(shop->arena, "%s/text%d.c", shop->dir, i),
                                .library = rgc_arena_printf(shop->arena, "%s/text%d.so", shop->dir, i),
                                .log = rgc_arena_printf(shop->arena, "%s/text%d.log", shop->dir, i)};
    const char *line = rgc_arena_printf(shop->arena, "#line 1 \"%s\"\n", texts[i].name);
    if (!write_text(shop, rgc_arena_printf(shop->arena, "text%d.c", i), line, texts[i].text)) return false;
  }
  long processors = sysconf(_SC_NPROCESSORS_ONLN);
  return rgc_compile_all(jobs, count, (int)(processors > 1 ? processors : 1), watched ? watch_flags : flags, shop->dir, shop->diags);
}

static bool open_libraries(workshop *shop, rgc_emu_module *module) {
  for (int i = 0; i < module->count; i++) {
    module->libraries[i] = dlopen(rgc_arena_printf(shop->arena, "%s/text%d.so", shop->dir, i), RTLD_NOW | RTLD_LOCAL);
    if (!module->libraries[i]) return rgc_diag_fail(shop->diags, RGC_CODE_DEVICE, NULL, NULL, "a compiled kernel cannot be opened: %s", dlerror());
  }
  return true;
}

rgc_emu_module *rgc_emu_module_build(const rgc_template *texts, int text_count, const rgc_template *headers, int header_count,
                                     bool watched, rgc_diagnostics *diags) {
  rgc_arena *arena = rgc_arena_create();
  workshop shop = {.arena = rgc_arena_create(), .diags = diags};
  rgc_emu_module *module = RGC_NEW(arena, rgc_emu_module);
  *module = (rgc_emu_module){.arena = arena, .count = text_count, .watched = watched, .libraries = RGC_NEW_ARRAY(arena, void *, text_count + 1)};
  bool made = make_dir(&shop), good = made;
  for (int i = 0; good && i < header_count; i++) good = write_text(&shop, headers[i].name, "", headers[i].text);
  good = good && compile_texts(&shop, texts, text_count, watched) && open_libraries(&shop, module);
  if (made) nftw(shop.dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
  rgc_arena_destroy(shop.arena);
  if (!good) rgc_emu_module_close(module);
  return good ? module : NULL;
}

void rgc_emu_module_close(rgc_emu_module *module) {
  if (!module) return;
  for (int i = 0; i < module->count; i++)
    if (module->libraries[i]) dlclose(module->libraries[i]);
  rgc_arena_destroy(module->arena);
}

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
