/* cuda_batch.c: batches on their way to a program's inputs.
 *
 *   host            waits for slot.copied of the batch before, writes pinned memory
 *   copy            waits for slot.used of the batch before, copies to the card, records slot.copied
 *   compute         waits for slot.copied, moves the parts to the inputs' places (u8 through the kernel step_pixels), records slot.used
 *
 * With two slots the copy of one batch goes on while kernels work on the other. */
#include <string.h>

#include "runtime/device/cuda_program.h"

enum { ALIGN = 256 };

static int64_t align_up(int64_t bytes) { return (bytes + ALIGN - 1) / ALIGN * ALIGN; }

int64_t rgc_cuda_slot_bytes(const rgc_graph *graph) {
  int64_t bytes = align_up(sizeof(kernel_step));
  for (int i = 0; i < graph->value_count; i++) {
    const rgc_value *v = &graph->values[i];
    if (v->role == RGC_ROLE_INPUT || v->role == RGC_ROLE_LABEL) bytes += align_up(rgc_value_storage_bytes(v));
  }
  return bytes;
}

bool rgc_cuda_slot_open(rgc_cuda_program *p, rgc_cuda_slot *slot, rgc_diagnostics *diags) {
  const rgc_cuda_driver *cu = &p->card->driver;
  return RGC_CUDA(cu, cuEventCreate, NULL, diags, &slot->copied, CU_EVENT_DISABLE_TIMING) &&
         RGC_CUDA(cu, cuEventCreate, NULL, diags, &slot->used, CU_EVENT_DISABLE_TIMING);
}

static void free_room(const rgc_cuda_program *p, rgc_cuda_slot *slot) {
  if (slot->pinned) p->card->driver.cuMemFreeHost(slot->pinned);
  if (slot->device) p->card->driver.cuMemFree(slot->device);
  slot->pinned = NULL;
  slot->device = 0;
  slot->room_bytes = 0;
}

void rgc_cuda_slot_close(const rgc_cuda_program *p, rgc_cuda_slot *slot) {
  free_room(p, slot);
  if (slot->copied) p->card->driver.cuEventDestroy(slot->copied);
  if (slot->used) p->card->driver.cuEventDestroy(slot->used);
}

/* Where each input goes. Returns the bytes of all. */
static int64_t lay_out(rgc_cuda_slot *slot, const rgc_device_input *inputs, int count) {
  int64_t at = align_up(sizeof(kernel_step));
  if (count > CUDA_MAX_INPUTS) rgc_internal_error("cuda", "%d inputs of a batch", count);
  slot->part_count = count;
  for (int i = 0; i < count; i++) {
    slot->parts[i] = (rgc_cuda_part){inputs[i].value, at, (int64_t)inputs[i].size_bytes, -1};
    at = align_up(at + (int64_t)inputs[i].size_bytes);
    if (!inputs[i].mean) continue;
    slot->parts[i].table_bytes = at;
    at = align_up(at + 2 * inputs[i].channels * (int64_t)sizeof(float));
  }
  return at;
}

/* Room for a batch; grown when nothing is on its way. */
static bool make_room(rgc_cuda_program *p, rgc_cuda_slot *slot, int64_t size_bytes, rgc_diagnostics *diags) {
  if (size_bytes <= slot->room_bytes) return true;
  if (!rgc_cuda_card_wait(p->card, p->card->copy, diags) || !rgc_cuda_card_wait(p->card, p->card->compute, diags)) return false;
  free_room(p, slot);
  if (!RGC_CUDA(&p->card->driver, cuMemHostAlloc, "for a batch", diags, (void **)&slot->pinned, (size_t)size_bytes, 0) ||
      !rgc_cuda_card_allocate(p->card, &slot->device, size_bytes, "a batch on its way", diags))
    return false;
  slot->room_bytes = size_bytes;
  return true;
}

static void fill(const rgc_cuda_program *p, rgc_cuda_slot *slot, const rgc_device_input *inputs) {
  kernel_step step = {0};
  for (int i = 0; i < slot->part_count; i++) {
    const rgc_cuda_part *part = &slot->parts[i];
    const rgc_value *value = &p->graph->values[part->value];
    memcpy(slot->pinned + part->offset_bytes, inputs[i].data, inputs[i].size_bytes);
    if (part->table_bytes < 0) continue;
    size_t half = sizeof(float) * (size_t)inputs[i].channels;
    memcpy(slot->pinned + part->table_bytes, inputs[i].mean, half);
    memcpy(slot->pinned + part->table_bytes + half, inputs[i].stddev, half);
    step.valid = (int)(part->size_bytes / (rgc_shape_elems(value->shape) / value->shape[RGC_N]));
  }
  memcpy(slot->pinned, &step, sizeof step);
}

bool rgc_cuda_program_stage(void *program, int number, const rgc_device_input *inputs, int count, rgc_diagnostics *diags) {
  rgc_cuda_program *p = program;
  rgc_cuda_slot *slot = &p->slots[number];
  const rgc_cuda_driver *cu = &p->card->driver;
  if (!rgc_cuda_card_enter(p->card, diags) || !RGC_CUDA(cu, cuEventSynchronize, "for a batch's copy", diags, slot->copied)) return false;
  int64_t size_bytes = lay_out(slot, inputs, count);
  if (!make_room(p, slot, size_bytes, diags)) return false;
  fill(p, slot, inputs);
  return RGC_CUDA(cu, cuStreamWaitEvent, NULL, diags, p->card->copy, slot->used, 0) &&
         RGC_CUDA(cu, cuMemcpyHtoDAsync, "of a batch", diags, slot->device, slot->pinned, (size_t)size_bytes, p->card->copy) &&
         RGC_CUDA(cu, cuEventRecord, NULL, diags, slot->copied, p->card->copy);
}

static bool load_part(rgc_cuda_program *p, const rgc_cuda_slot *slot, const rgc_cuda_part *part, rgc_diagnostics *diags) {
  CUdeviceptr from = slot->device + (CUdeviceptr)part->offset_bytes, to = p->data[part->value];
  if (part->table_bytes < 0)
    return RGC_CUDA(&p->card->driver, cuMemcpyDtoDAsync, "of a batch", diags, to, from, (size_t)part->size_bytes, p->card->compute);
  kernel_args args = {.operands = {(const float *)from, (const float *)(slot->device + (CUdeviceptr)part->table_bytes)}, .outputs = {(float *)to},
                      .step = (const kernel_step *)slot->device};
  return rgc_cuda_program_launch(p, &p->code->pixels, &args, diags);
}

bool rgc_cuda_program_load(void *program, int number, rgc_diagnostics *diags) {
  rgc_cuda_program *p = program;
  const rgc_cuda_slot *slot = &p->slots[number];
  const rgc_cuda_driver *cu = &p->card->driver;
  bool good = rgc_cuda_card_enter(p->card, diags) && RGC_CUDA(cu, cuStreamWaitEvent, NULL, diags, p->card->compute, slot->copied, 0);
  for (int i = 0; i < slot->part_count && good; i++) good = load_part(p, slot, &slot->parts[i], diags);
  return good && RGC_CUDA(cu, cuEventRecord, NULL, diags, slot->used, p->card->compute);
}
