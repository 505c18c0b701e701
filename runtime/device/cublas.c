/* cublas.c: see cublas.h. That it is missing stops nothing: rgc has kernels of its own for all that it is asked. */
#include "runtime/device/cublas.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

static const char what_for[] = "which linear layers and 1x1 convolutions with nothing to fuse go through";
static const char instead[] = "they go through rgc's own kernels; RGC_CUBLAS names the library's path, RGC_CUBLAS=none asks for none";

/* Where a function's pointer lies in rgc_cublas. */
typedef struct function_row {
  const char *symbol;
  size_t offset_bytes;
} function_row;

#define FUNCTION(type, name, parameters) {#name, offsetof(rgc_cublas, name)},
static const function_row functions[] = {CUBLAS_FUNCTIONS(FUNCTION)};
#undef FUNCTION

static bool note(rgc_diagnostics *diags, const char *problem) {
  rgc_diag_add(diags, RGC_NOTE, RGC_CODE_DEVICE, (rgc_location){0}, "cuBLAS, %s, %s", what_for, problem)->help = instead;
  return false;
}

/* It is never unloaded: it leaves threads and memory behind. */
static void *open_library(rgc_diagnostics *diags) {
  static const char *const names[] = {"libcublasLt.so.13", "/usr/local/cuda/lib64/libcublasLt.so.13", "libcublasLt.so.12", "/usr/local/cuda/lib64/libcublasLt.so.12"};
  const char *chosen = getenv("RGC_CUBLAS");
  bool own = chosen && *chosen;
  void *library = own ? dlopen(chosen, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE) : NULL;
  for (size_t i = 0; !own && !library && i < sizeof names / sizeof *names; i++) library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (!library && own) note(diags, rgc_arena_printf(diags->arena, "cannot be opened: %s", dlerror()));
  else if (!library) note(diags, "is not there: looked for libcublasLt.so.13 and .12 where the loader looks and in /usr/local/cuda/lib64");
  return library;
}

static bool find_functions(rgc_cublas *cublas, rgc_diagnostics *diags) {
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
    void *found = dlsym(cublas->library, functions[i].symbol);
    if (!found) return note(diags, rgc_arena_printf(diags->arena, "is too old: it has no %s", functions[i].symbol));
    memcpy((char *)cublas + functions[i].offset_bytes, &found, sizeof found);
  }
  return true;
}

bool rgc_cublas_check(const rgc_cublas *cublas, int status, rgc_severity severity, const char *call, const char *of, rgc_diagnostics *diags) {
  if (status == CUBLAS_STATUS_SUCCESS) return true;
  rgc_diag_add(diags, severity, RGC_CODE_DEVICE, (rgc_location){0}, "%s failed%s%s: %s (%d, %s)", call, of ? ", " : "", of ? of : "",
               cublas->cublasLtGetStatusName(status), status, cublas->cublasLtGetStatusString(status));
  return false;
}

static bool start(rgc_cublas *cublas, rgc_diagnostics *diags) {
  int status = cublas->cublasLtCreate(&cublas->handle);
  cublas->version = (int)cublas->cublasLtGetVersion();
  return status == CUBLAS_STATUS_SUCCESS || note(diags, rgc_arena_printf(diags->arena, "does not start: cublasLtCreate failed: %s (%d, %s)",
                                                                        cublas->cublasLtGetStatusName(status), status, cublas->cublasLtGetStatusString(status)));
}

bool rgc_cublas_open(rgc_cublas *cublas, rgc_diagnostics *diags) {
  const char *chosen = getenv("RGC_CUBLAS");
  *cublas = (rgc_cublas){0};
  if (chosen && !strcmp(chosen, "none")) return false;
  cublas->library = open_library(diags);
  if (cublas->library && find_functions(cublas, diags) && start(cublas, diags)) return true;
  if (cublas->library) dlclose(cublas->library);
  *cublas = (rgc_cublas){0};
  return false;
}

void rgc_cublas_close(rgc_cublas *cublas) {
  if (!cublas->library) return;
  cublas->cublasLtDestroy(cublas->handle);
  dlclose(cublas->library);
  *cublas = (rgc_cublas){0};
}
