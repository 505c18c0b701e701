/* device.c: see device.h. */
#include "runtime/device/device.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/device/cuda_emu.h"
#include "runtime/device/target_code.h"

struct rgc_device_program {
  const rgc_device *device;
  const rgc_graph *graph;
  void *program;
};

static void *cpu_create(const rgc_graph *graph, const rgc_target *target, void *const *data, int threads, rgc_diagnostics *diags) {
  const rgc_cpu_target *cpu = rgc_cpu_target_choose(target->name, diags);
  return cpu ? rgc_cpu_program_create(graph, cpu, data, threads, diags) : NULL;
}

static void cpu_destroy(void *program) { rgc_cpu_program_destroy(program); }

static void cpu_run_ops(void *program, const rgc_cpu_step *step, int first, int count) { rgc_cpu_program_run_ops(program, step, first, count); }

static void cpu_profile(void *program, const rgc_cpu_step *step, double *seconds) { rgc_cpu_program_profile(program, step, seconds); }

static void cpu_tell(const void *program, rgc_device_facts *facts) {
  facts->threads = rgc_cpu_program_threads(program);
  facts->functions = rgc_cpu_program_code(program)->function_count;
  facts->compiled = rgc_cpu_program_compiled(program, &facts->compile_seconds);
}

const rgc_device rgc_devices[] = {
    {.name = "cpu", .about = "this machine's cores", .target = "cpu", .create = cpu_create, .destroy = cpu_destroy, .run_ops = cpu_run_ops,
     .profile = cpu_profile, .tell = cpu_tell},
    {.name = "cuda-emu", .about = "CUDA kernels, emulated on one core: slow, for tests", .target = "cuda", .create = rgc_cuda_emu_create,
     .destroy = rgc_cuda_emu_destroy, .run_ops = rgc_cuda_emu_run_ops, .profile = rgc_cuda_emu_profile, .tell = rgc_cuda_emu_tell},
    {.name = NULL}};

static bool runs(const rgc_device *device, const char *target) { return !strncmp(target, device->target, strlen(device->target)); }

static const rgc_device *fail(rgc_diagnostics *diags, const char *what, const char *word) {
  rgc_text list = {0};
  for (const rgc_device *d = rgc_devices; d->name; d++) rgc_text_printf(&list, "%s%s (%s)", list.length ? ", " : "devices: auto, ", d->name, d->about);
  rgc_diag_fail(diags, RGC_CODE_DEVICE, NULL, rgc_text_take(&list, diags->arena), what, word);
  return NULL;
}

const rgc_device *rgc_device_choose(const char *name, const char *target, rgc_diagnostics *diags) {
  bool any = !name || !strcmp(name, "auto");
  for (const rgc_device *d = rgc_devices; d->name; d++) {
    if (any && runs(d, target ? target : "cpu")) return d;
    if (any || strcmp(d->name, name)) continue;
    return !target || runs(d, target) ? d : fail(diags, "the device does not run target '%s'", target);
  }
  return any ? rgc_devices : fail(diags, "there is no device '%s'", name);
}

const rgc_target *rgc_device_target(const rgc_device *device, const char *target, rgc_diagnostics *diags) {
  return rgc_target_choose(target ? target : device->target, diags);
}

rgc_device_program *rgc_device_program_create(const rgc_device *device, const rgc_graph *graph, const rgc_target *target, void *const *data,
                                              int threads, rgc_diagnostics *diags) {
  void *made = device->create(graph, target, data, threads, diags);
  if (!made) return NULL;
  rgc_device_program *program = calloc(1, sizeof *program);
  if (!program) rgc_internal_error("device", "no memory for a program");
  *program = (rgc_device_program){.device = device, .graph = graph, .program = made};
  return program;
}

void rgc_device_program_destroy(rgc_device_program *program) {
  if (!program) return;
  program->device->destroy(program->program);
  free(program);
}

void rgc_device_run_ops(rgc_device_program *program, const rgc_cpu_step *step, int first, int count) {
  program->device->run_ops(program->program, step, first, count);
}

void rgc_device_run(rgc_device_program *program, const rgc_cpu_step *step) { rgc_device_run_ops(program, step, 0, program->graph->op_count); }

void rgc_device_profile(rgc_device_program *program, const rgc_cpu_step *step, double *seconds) {
  program->device->profile(program->program, step, seconds);
}

rgc_device_facts rgc_device_tell(const rgc_device_program *program) {
  rgc_device_facts facts = {0};
  program->device->tell(program->program, &facts);
  return facts;
}
