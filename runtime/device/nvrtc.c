/* nvrtc.c: see nvrtc.h. The functions of the library are rows of a table; nothing of CUDA's headers is needed. */
#include "runtime/device/nvrtc.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/clock.h"

typedef struct program *nvrtc_program; /* nvrtcProgram */

/* FUNCTION(name in rgc_nvrtc, name in the library, parameters); each returns 0 or an error. */
#define NVRTC_FUNCTIONS(FUNCTION)                                                                                      \
  FUNCTION(version, nvrtcVersion, (int *major, int *minor))                                                            \
  FUNCTION(architecture_count, nvrtcGetNumSupportedArchs, (int *count))                                                \
  FUNCTION(list_architectures, nvrtcGetSupportedArchs, (int *numbers))                                                 \
  FUNCTION(create, nvrtcCreateProgram,                                                                                 \
           (nvrtc_program * made, const char *text, const char *name, int header_count, const char *const *headers,    \
            const char *const *header_names))                                                                          \
  FUNCTION(destroy, nvrtcDestroyProgram, (nvrtc_program * program))                                                    \
  FUNCTION(compile, nvrtcCompileProgram, (nvrtc_program program, int option_count, const char *const *options))        \
  FUNCTION(log_size, nvrtcGetProgramLogSize, (nvrtc_program program, size_t *bytes))                                   \
  FUNCTION(log, nvrtcGetProgramLog, (nvrtc_program program, char *text))                                               \
  FUNCTION(cubin_size, nvrtcGetCUBINSize, (nvrtc_program program, size_t *bytes))                                      \
  FUNCTION(cubin, nvrtcGetCUBIN, (nvrtc_program program, char *bytes))

struct rgc_nvrtc {
  rgc_arena *arena;
  void *library;
  const char *name;          /* under which it was found */
  int version_number;
  const char *architectures; /* separated by blanks */
#define FUNCTION(name, symbol, parameters) int(*name) parameters;
  NVRTC_FUNCTIONS(FUNCTION)
#undef FUNCTION
};

/* It is never unloaded: it leaves threads and memory behind. */
enum { open_flags = RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE };

static const char help_install[] = "install CUDA 12 or 13 (the package cuda-nvrtc is enough), or set RGC_NVRTC to the library's path";

/* Finding it. */

static void *open_library(const char **name, rgc_diagnostics *diags) {
  static const char *const names[] = {"libnvrtc.so.13", "/usr/local/cuda/lib64/libnvrtc.so.13", "libnvrtc.so.12",
                                      "/usr/local/cuda/lib64/libnvrtc.so.12"};
  const char *chosen = getenv("RGC_NVRTC");
  if (chosen && *chosen) {
    void *library = dlopen(chosen, open_flags);
    *name = chosen;
    if (!library) rgc_diag_fail(diags, RGC_CODE_DEVICE, chosen, "correct or unset RGC_NVRTC", "NVRTC cannot be opened: %s", dlerror());
    return library;
  }
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    void *library = dlopen(names[i], open_flags);
    if (library) return *name = names[i], library;
  }
  rgc_diag_fail(diags, RGC_CODE_DEVICE, NULL, help_install,
                "NVRTC, which compiles kernels for a GPU, is not there: looked for libnvrtc.so.13 and .12 where the loader looks and in "
                "/usr/local/cuda/lib64");
  return NULL;
}

static bool find_functions(rgc_nvrtc *nvrtc, rgc_diagnostics *diags) {
  void *found;
#define FUNCTION(name, symbol, parameters)                                                                             \
  if (!(found = dlsym(nvrtc->library, #symbol)))                                                                       \
    return rgc_diag_fail(diags, RGC_CODE_DEVICE, NULL, help_install, "this NVRTC has no %s: it is too old", #symbol);  \
  memcpy(&nvrtc->name, &found, sizeof found);
  NVRTC_FUNCTIONS(FUNCTION)
#undef FUNCTION
  return true;
}

/* sm_90 stands for sm_90a as well: from 90 on each architecture has features of its own, under the letter. */
static void list_architectures(rgc_nvrtc *nvrtc) {
  int count = 0, numbers[128];
  rgc_text list = {0};
  if (nvrtc->architecture_count(&count) || count > 128 || nvrtc->list_architectures(numbers)) count = 0;
  for (int i = 0; i < count; i++) {
    rgc_text_printf(&list, "%ssm_%d", i ? " " : "", numbers[i]);
    if (numbers[i] >= 90) rgc_text_printf(&list, " sm_%da", numbers[i]);
  }
  nvrtc->architectures = rgc_text_take(&list, nvrtc->arena);
}

rgc_nvrtc *rgc_nvrtc_open(rgc_diagnostics *diags) {
  const char *name;
  void *library = open_library(&name, diags);
  if (!library) return NULL;
  rgc_arena *arena = rgc_arena_create();
  rgc_nvrtc *nvrtc = RGC_NEW(arena, rgc_nvrtc);
  nvrtc->arena = arena;
  nvrtc->library = library;
  nvrtc->name = rgc_arena_strdup(arena, name);
  int major = 0, minor = 0;
  if (!find_functions(nvrtc, diags)) return rgc_nvrtc_close(nvrtc), NULL;
  nvrtc->version(&major, &minor);
  nvrtc->version_number = major * 1000 + minor * 10;
  list_architectures(nvrtc);
  return nvrtc;
}

void rgc_nvrtc_close(rgc_nvrtc *nvrtc) {
  if (!nvrtc) return;
  dlclose(nvrtc->library);
  rgc_arena_destroy(nvrtc->arena);
}

int rgc_nvrtc_version(const rgc_nvrtc *nvrtc) { return nvrtc->version_number; }
const char *rgc_nvrtc_name(const rgc_nvrtc *nvrtc) { return nvrtc->name; }

bool rgc_nvrtc_check_architecture(const rgc_nvrtc *nvrtc, const char *arch, rgc_diagnostics *diags) {
  size_t length = strlen(arch);
  for (const char *at = nvrtc->architectures; (at = strstr(at, arch)) && length; at += length)
    if ((at == nvrtc->architectures || at[-1] == ' ') && (at[length] == ' ' || !at[length])) return true;
  rgc_diagnostic *d = rgc_diag_add(diags, RGC_ERROR, RGC_CODE_DEVICE, (rgc_location){0}, "'%s' is no architecture that this NVRTC (%d.%d) knows",
                                   arch, nvrtc->version_number / 1000, nvrtc->version_number % 1000 / 10);
  d->expected = rgc_arena_printf(diags->arena, "one of %s", nvrtc->architectures);
  return false;
}

/* Compiling. */

typedef struct compilation {
  const rgc_nvrtc *nvrtc;
  nvrtc_program program;
  rgc_arena *arena;
} compilation;

static bool create(compilation *c, const rgc_template *source, const rgc_template *headers, int header_count) {
  const char **texts = RGC_NEW_ARRAY(c->arena, const char *, header_count + 1);
  const char **names = RGC_NEW_ARRAY(c->arena, const char *, header_count + 1);
  for (int i = 0; i < header_count; i++) texts[i] = headers[i].text, names[i] = headers[i].name;
  return !c->nvrtc->create(&c->program, source->text, source->name, header_count, texts, names);
}

static int compile(compilation *c, const char *arch, const char *const *options, int option_count) {
  const char **all = RGC_NEW_ARRAY(c->arena, const char *, option_count + 5);
  int count = 0;
  all[count++] = rgc_arena_printf(c->arena, "--gpu-architecture=%s", arch);
  all[count++] = "--ptxas-options=-v";
  all[count++] = "--minimal";
  for (int i = 0; i < option_count; i++) all[count++] = options[i];
  return c->nvrtc->compile(c->program, count, all);
}

static const char *read_log(compilation *c) {
  size_t size = 0;
  if (c->nvrtc->log_size(c->program, &size) || !size) return "";
  char *text = rgc_arena_alloc(c->arena, size + 1);
  return c->nvrtc->log(c->program, text) ? "" : text;
}

static bool read_cubin(compilation *c, rgc_cubin *cubin) {
  if (c->nvrtc->cubin_size(c->program, &cubin->size_bytes) || !cubin->size_bytes) return false;
  char *bytes = rgc_arena_alloc(c->arena, cubin->size_bytes);
  cubin->bytes = bytes;
  return !c->nvrtc->cubin(c->program, bytes);
}

rgc_cubin *rgc_nvrtc_compile(const rgc_nvrtc *nvrtc, const rgc_template *source, const rgc_template *headers, int header_count,
                             const char *arch, const char *const *options, int option_count, rgc_arena *arena,
                             rgc_diagnostics *diags) {
  if (!rgc_nvrtc_check_architecture(nvrtc, arch, diags)) return NULL;
  compilation c = {.nvrtc = nvrtc, .arena = arena};
  double start = rgc_now_seconds();
  if (!create(&c, source, headers, header_count))
    return rgc_diag_fail(diags, RGC_CODE_DEVICE, source->name, NULL, "NVRTC cannot begin with this text"), NULL;
  rgc_cubin *cubin = RGC_NEW(arena, rgc_cubin);
  int error = compile(&c, arch, options, option_count);
  cubin->log = read_log(&c);
  bool good = !error && read_cubin(&c, cubin);
  nvrtc->destroy(&c.program);
  cubin->seconds = rgc_now_seconds() - start;
  if (!good)
    return rgc_diag_fail(diags, RGC_CODE_DEVICE, source->name, NULL, "NVRTC does not compile this kernel for %s (error %d):\n%s", arch, error, cubin->log), NULL;
  rgc_cubin_find_kernels(cubin, arena);
  return cubin;
}
