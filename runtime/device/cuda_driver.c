/* cuda_driver.c: see cuda_driver.h. */
#include "runtime/device/cuda_driver.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

static const char help_install[] = "install NVIDIA's driver, or set RGC_CUDA_DRIVER to the path of its libcuda.so.1; --device cpu needs neither";

/* Where a function's pointer lies in rgc_cuda_driver. */
typedef struct function_row {
  const char *symbol;
  size_t offset_bytes;
} function_row;

#define FUNCTION(name, suffix, parameters) {#name #suffix, offsetof(rgc_cuda_driver, name)},
static const function_row functions[] = {CUDA_FUNCTIONS(FUNCTION)};
#undef FUNCTION

static void *open_library(rgc_diagnostics *diags) {
  const char *chosen = getenv("RGC_CUDA_DRIVER");
  bool own = chosen && *chosen;
  void *library = dlopen(own ? chosen : "libcuda.so.1", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (!library && own) rgc_diag_fail(diags, RGC_CODE_DEVICE, chosen, "correct or unset RGC_CUDA_DRIVER", "the CUDA driver cannot be opened: %s", dlerror());
  else if (!library) rgc_diag_fail(diags, RGC_CODE_DEVICE, NULL, help_install, "libcuda.so.1, NVIDIA's driver, which runs kernels on a GPU, is not there");
  return library;
}

static bool find_functions(rgc_cuda_driver *driver, rgc_diagnostics *diags) {
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
    void *found = dlsym(driver->library, functions[i].symbol);
    if (!found)
      return rgc_diag_fail(diags, RGC_CODE_DEVICE, NULL, "update NVIDIA's driver: rgc needs one for CUDA 12 or later",
                           "the CUDA driver has no %s: it is too old", functions[i].symbol);
    memcpy((char *)driver + functions[i].offset_bytes, &found, sizeof found);
  }
  return true;
}

bool rgc_cuda_check(const rgc_cuda_driver *driver, unsigned int result, const char *call, const char *of, rgc_diagnostics *diags) {
  const char *name = NULL, *words = NULL;
  if (result == CUDA_SUCCESS) return true;
  if (driver->cuGetErrorName(result, &name) || !name) name = "an error that the driver has no name for";
  if (driver->cuGetErrorString(result, &words) || !words) words = "no explanation";
  return rgc_diag_fail(diags, RGC_CODE_DEVICE, NULL, NULL, "%s failed%s%s: %s (%u, %s)", call, of ? ", " : "", of ? of : "", name, result, words);
}

bool rgc_cuda_driver_open(rgc_cuda_driver *driver, rgc_diagnostics *diags) {
  *driver = (rgc_cuda_driver){.library = open_library(diags)};
  if (!driver->library || !find_functions(driver, diags)) return false;
  unsigned int result = driver->cuInit(0);
  if (result == CUDA_ERROR_NO_DEVICE)
    return rgc_diag_fail(diags, RGC_CODE_DEVICE, NULL, "is CUDA_VISIBLE_DEVICES set? --device cpu needs no GPU", "the CUDA driver sees no GPU");
  return rgc_cuda_check(driver, result, "cuInit", NULL, diags) && RGC_CUDA(driver, cuDriverGetVersion, NULL, diags, &driver->version);
}
