/* nvrtc.h: kernel texts to machine code of a GPU, by NVIDIA's run-time compiler. It needs no GPU and no driver.
 *
 * The library is opened when first asked for, so rgc runs without it. Texts come with the files that they include, each under its
 * name, so messages point at the template: "codegen/cuda/templates/map.cuh(37): error: ...". Several threads may compile with one
 * handle at once, each with an arena and diagnostics of its own. */
#ifndef RGC_DEVICE_NVRTC_H
#define RGC_DEVICE_NVRTC_H
#include "codegen/template.h"
#include "compiler/base/diag.h"
#include "runtime/device/cubin.h"

typedef struct rgc_nvrtc rgc_nvrtc;

/* $RGC_NVRTC, or libnvrtc.so.13, .12 where the loader or /usr/local/cuda has it. NULL with a diagnostic that says where was looked. */
rgc_nvrtc *rgc_nvrtc_open(rgc_diagnostics *diags);
void rgc_nvrtc_close(rgc_nvrtc *nvrtc); /* NULL is allowed */
/* 13000 for 13.0, and the library's name or path: parts of a cache's key, for another library may say the same version. */
int rgc_nvrtc_version(const rgc_nvrtc *nvrtc);
const char *rgc_nvrtc_name(const rgc_nvrtc *nvrtc);
/* False with a diagnostic that lists what it compiles for: "sm_75 sm_80 ... sm_90 sm_90a ...". */
bool rgc_nvrtc_check_architecture(const rgc_nvrtc *nvrtc, const char *arch, rgc_diagnostics *diags);

/* Compiles source (its name is for messages) with `headers` for `arch`, "sm_90a". `options` are further ones, or NULL. The result lives
 * in `arena`. NULL with a diagnostic: an arch that is not known, or a text that does not compile, with the log. */
rgc_cubin *rgc_nvrtc_compile(const rgc_nvrtc *nvrtc, const rgc_template *source, const rgc_template *headers, int header_count,
                             const char *arch, const char *const *options, int option_count, rgc_arena *arena,
                             rgc_diagnostics *diags);
#endif
