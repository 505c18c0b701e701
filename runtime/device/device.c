/* device.c: see device.h. */
#include "runtime/device/device.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/device/cpu_peak.h"
#include "runtime/device/cuda_emu.h"
#include "runtime/device/cuda_peak.h"
#include "runtime/device/cuda_program.h"
#include "runtime/device/cuda_tune.h"
#include "runtime/device/target_code.h"

struct rgc_device_program {
  const rgc_device_memory *memory;
  const rgc_device *device;
  const rgc_graph *graph;
  void *const *data; /* [value_count] */
  void *program;     /* the device's own */
};

static void *cpu_create(const rgc_device_memory *memory, const rgc_graph *graph, const rgc_target *target, void *const *data, int threads,
                        rgc_diagnostics *diags) {
  (void)memory;
  return rgc_cpu_program_create(graph, rgc_cpu_target_named(target->name), data, threads, diags);
}

static void cpu_destroy(void *program) { rgc_cpu_program_destroy(program); }

static bool cpu_run_ops(void *program, const rgc_cpu_step *step, int first, int count, rgc_diagnostics *diags) {
  (void)diags;
  rgc_cpu_program_run_ops(program, step, first, count);
  return true;
}

static bool cpu_profile(void *program, const rgc_cpu_step *step, double *seconds, rgc_diagnostics *diags) {
  (void)diags;
  rgc_cpu_program_profile(program, step, seconds);
  return true;
}

static void cpu_tell(const void *program, rgc_device_facts *facts) {
  facts->threads = rgc_cpu_program_threads(program);
  facts->functions = rgc_cpu_program_code(program)->function_count;
  facts->compiled = rgc_cpu_program_compiled(program, &facts->compile_seconds);
}

const rgc_device rgc_devices[] = {
    {.name = "cpu", .about = "this machine's cores", .target = "cpu", .check_target = rgc_cpu_target_check_here, .create = cpu_create, .destroy = cpu_destroy, .run_ops = cpu_run_ops,
     .profile = cpu_profile, .tell = cpu_tell, .measure = rgc_cpu_measure},
    {.name = "cuda", .about = "an NVIDIA GPU, sm_80 or later", .target = "cuda", .find_target = rgc_cuda_find_target, .create = rgc_cuda_program_create,
     .destroy = rgc_cuda_program_destroy, .run_ops = rgc_cuda_program_run_ops, .profile = rgc_cuda_program_profile, .tell = rgc_cuda_program_tell,
     .tell_library = rgc_cuda_program_tell_library, .tune = rgc_cuda_program_tune, .measure = rgc_cuda_measure, .card = &rgc_cuda_card_functions},
    {.name = "cuda-emu", .about = "CUDA kernels, emulated on one core: slow, for tests", .target = "cuda", .create = rgc_cuda_emu_create,
     .destroy = rgc_cuda_emu_destroy, .run_ops = rgc_cuda_emu_run_ops, .profile = rgc_cuda_emu_profile, .tell = rgc_cuda_emu_tell},
    {.name = NULL}};

static bool runs(const rgc_device *device, const char *target) { return !strcmp(rgc_target_family(target), device->target); }

static const rgc_device *refuse_name(const char *name, rgc_diagnostics *diags) {
  rgc_text list = {0};
  for (const rgc_device *d = rgc_devices; d->name; d++) rgc_text_printf(&list, "%s%s (%s)", list.length ? ", " : "devices: auto, ", d->name, d->about);
  rgc_diag_fail(diags, RGC_CODE_DEVICE, NULL, rgc_text_take(&list, diags->arena), "there is no device '%s'", name);
  return NULL;
}

/* device NULL: no device runs it. */
static const rgc_device *refuse_target(const rgc_device *device, const char *target, rgc_diagnostics *diags) {
  rgc_text list = {0};
  for (const rgc_device *d = rgc_devices; d->name; d++)
    if (!device || d == device) rgc_text_printf(&list, "%stargets of device %s: %s", list.length ? "; " : "", d->name, rgc_target_list(d->target, diags->arena));
  const char *help = rgc_text_take(&list, diags->arena);
  if (device) rgc_diag_fail(diags, RGC_CODE_DEVICE, NULL, help, "device %s does not run target '%s'", device->name, target);
  else rgc_diag_fail(diags, RGC_CODE_DEVICE, NULL, help, "no device runs target '%s'", target);
  return NULL;
}

/* The first device that has to be looked for and can be used; else the first of all, and why. */
static const rgc_device *choose_best(rgc_diagnostics *diags) {
  rgc_arena *scratch = rgc_arena_create();
  rgc_diagnostics why;
  rgc_diagnostics_init(&why, scratch);
  const rgc_device *best = NULL;
  for (const rgc_device *d = rgc_devices; d->name && !best; d++)
    if (d->find_target && d->find_target(&why)) best = d;
  if (!best)
    rgc_diag_add(diags, RGC_NOTE, RGC_CODE_DEVICE, (rgc_location){0}, "device auto goes on with the CPU: %s", why.count ? why.items[0].message : "");
  rgc_arena_destroy(scratch);
  return best ? best : rgc_devices;
}

const rgc_device *rgc_device_choose(const char *name, const char *target, rgc_diagnostics *diags) {
  if (name && !strcmp(name, "auto") && !target) return choose_best(diags);
  bool any = !name || !strcmp(name, "auto");
  for (const rgc_device *d = rgc_devices; d->name; d++) {
    if (any && runs(d, target ? target : "cpu")) return d;
    if (any || strcmp(d->name, name)) continue;
    return !target || runs(d, target) ? d : refuse_target(d, target, diags);
  }
  return any ? refuse_target(NULL, target, diags) : refuse_name(name, diags);
}

const rgc_target *rgc_device_target(const rgc_device *device, const char *target, rgc_diagnostics *diags) {
  if (!target && device->find_target) return device->find_target(diags);
  const rgc_target *chosen = rgc_target_choose(target ? target : device->target, diags);
  return chosen && (!device->check_target || device->check_target(chosen->name, diags)) ? chosen : NULL;
}

rgc_device_program *rgc_device_program_create(const rgc_device_memory *memory, const rgc_graph *graph, const rgc_target *target,
                                              void *const *data, int threads, rgc_diagnostics *diags) {
  void *made = memory->device->create(memory, graph, target, data, threads, diags);
  if (!made) return NULL;
  rgc_device_program *program = calloc(1, sizeof *program);
  if (!program) rgc_internal_error("device", "no memory for a program");
  *program = (rgc_device_program){.memory = memory, .device = memory->device, .graph = graph, .data = data, .program = made};
  return program;
}

void rgc_device_program_destroy(rgc_device_program *program) {
  if (!program) return;
  program->device->destroy(program->program);
  free(program);
}

bool rgc_device_run_ops(rgc_device_program *program, const rgc_cpu_step *step, int first, int count, rgc_diagnostics *diags) {
  return program->device->run_ops(program->program, step, first, count, diags);
}

bool rgc_device_run(rgc_device_program *program, const rgc_cpu_step *step, rgc_diagnostics *diags) {
  return rgc_device_run_ops(program, step, 0, program->graph->op_count, diags);
}

bool rgc_device_run_step(rgc_device_program *p, const rgc_cpu_step *step, int loss, rgc_diagnostics *diags) {
  if (p->device->card) return p->device->card->run_step(p->program, step, loss, diags);
  int forward = p->graph->values[loss].op + 1;
  if (!rgc_device_run_ops(p, step, 0, forward, diags)) return false;
  return !isfinite(*(const float *)p->data[loss]) || rgc_device_run_ops(p, step, forward, p->graph->op_count - forward, diags);
}

bool rgc_device_profile(rgc_device_program *program, const rgc_cpu_step *step, double *seconds, rgc_diagnostics *diags) {
  return program->device->profile(program->program, step, seconds, diags);
}

rgc_device_facts rgc_device_tell(const rgc_device_program *program) {
  rgc_device_facts facts = {0};
  program->device->tell(program->program, &facts);
  return facts;
}

const char *rgc_device_tell_library(const rgc_device_program *p, int op) { return p->device->tell_library ? p->device->tell_library(p->program, op) : NULL; }

bool rgc_device_tune(rgc_device_program *p, const rgc_cpu_step *step, rgc_device_tuned *tuned, rgc_diagnostics *diags) {
  if (p->device->tune) return p->device->tune(p->program, step, tuned, diags);
  return rgc_diag_fail(diags, RGC_CODE_USAGE, NULL, "--tune is for device cuda, where cuBLAS may multiply", "device %s has nothing to choose from", p->device->name);
}

/* The region that holds data[value], and where in it. */
static rgc_device_place find_place(const rgc_device_program *p, int value) {
  const char *at = p->data[value];
  for (int r = 0; r < RGC_REGION_COUNT; r++) {
    const char *begin = p->memory->host[r];
    if (begin && at >= begin && at < begin + p->memory->size_bytes[r]) return (rgc_device_place){(rgc_region)r, at - begin};
  }
  rgc_internal_error("device", "value %d lies in no region", value);
}

static int64_t value_bytes(const rgc_device_program *p, int value) { return rgc_value_storage_bytes(&p->graph->values[value]); }

bool rgc_device_write(const rgc_device_program *p, int value, rgc_diagnostics *diags) {
  if (!p->device->card) return true;
  rgc_device_place place = find_place(p, value);
  return p->device->card->upload(p->memory->card, place.region, place.offset_bytes, p->data[value], value_bytes(p, value), diags);
}

bool rgc_device_read(const rgc_device_program *p, int value, rgc_diagnostics *diags) {
  if (!p->device->card) return true;
  rgc_device_place place = find_place(p, value);
  return p->device->card->download(p->memory->card, place.region, place.offset_bytes, p->data[value], value_bytes(p, value), diags);
}

bool rgc_device_swap(const rgc_device_program *p, int a, int b, rgc_diagnostics *diags) {
  if (p->device->card) return p->device->card->swap(p->memory->card, find_place(p, a), find_place(p, b), value_bytes(p, a), diags);
  char *x = p->data[a], *y = p->data[b];
  for (int64_t i = 0, bytes = value_bytes(p, a); i < bytes; i++) {
    char keep = x[i];
    x[i] = y[i];
    y[i] = keep;
  }
  return true;
}

bool rgc_device_copy(const rgc_device_program *p, int to, int from, rgc_diagnostics *diags) {
  if (p->device->card) return p->device->card->copy(p->memory->card, find_place(p, to), find_place(p, from), value_bytes(p, to), diags);
  memcpy(p->data[to], p->data[from], (size_t)value_bytes(p, to));
  return true;
}

bool rgc_device_stages_ahead(const rgc_device_program *program) { return program->device->card != NULL; }

bool rgc_device_stage(rgc_device_program *p, int slot, const rgc_device_input *inputs, int count, rgc_diagnostics *diags) {
  if (p->device->card) return p->device->card->stage(p->program, slot, inputs, count, diags);
  for (int i = 0; i < count; i++)
    if (p->data[inputs[i].value] != inputs[i].data) memcpy(p->data[inputs[i].value], inputs[i].data, inputs[i].size_bytes);
  return true;
}

bool rgc_device_load(rgc_device_program *p, int slot, rgc_diagnostics *diags) {
  return !p->device->card || p->device->card->load(p->program, slot, diags);
}
