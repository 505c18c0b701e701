/* cuda_emu.h: device cuda-emu (device.h): the launches of a CUDA program, in order, through the emulator (emu/emu.h). */
#ifndef RGC_DEVICE_CUDA_EMU_H
#define RGC_DEVICE_CUDA_EMU_H
#include "runtime/device/device.h"
#include "runtime/device/emu/emu.h"

void *rgc_cuda_emu_create(const rgc_device_memory *memory, const rgc_graph *graph, const rgc_target *target, void *const *data, int threads,
                          rgc_diagnostics *diags);
/* The same from other templates than rgc's own: tests put mistakes into them. Watched: emu.h. */
void *rgc_cuda_emu_create_with(const rgc_graph *graph, const rgc_target *target, void *const *data, const rgc_template *templates,
                               int template_count, bool watched, rgc_diagnostics *diags);
void rgc_cuda_emu_destroy(void *program);
/* False with what the emulator says of a kernel that does what it must not. */
bool rgc_cuda_emu_run_ops(void *program, const rgc_cpu_step *step, int first, int count, rgc_diagnostics *diags);
/* The same under `options`. */
bool rgc_cuda_emu_try_ops(void *program, const rgc_cpu_step *step, int first, int count, const rgc_emu_options *options,
                          rgc_diagnostics *diags);
bool rgc_cuda_emu_profile(void *program, const rgc_cpu_step *step, double *seconds, rgc_diagnostics *diags);
void rgc_cuda_emu_tell(const void *program, rgc_device_facts *facts);
#endif
