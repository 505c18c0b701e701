/* cuda_card.c: see cuda_card.h. */
#include "runtime/device/cuda_card.h"

#include <stdlib.h>
#include <string.h>

enum { LEAST_MAJOR = 8 }; /* tensor cores for tf32 and bf16, cp.async */

static bool look_at(rgc_cuda_card *card, rgc_diagnostics *diags) {
  const rgc_cuda_driver *cu = &card->driver;
  int count = 0;
  if (!RGC_CUDA(cu, cuDeviceGetCount, NULL, diags, &count)) return false;
  if (!count) return rgc_diag_fail(diags, RGC_CODE_DEVICE, NULL, "is CUDA_VISIBLE_DEVICES set? --device cpu needs no GPU", "the CUDA driver sees no GPU");
  return RGC_CUDA(cu, cuDeviceGet, NULL, diags, &card->device, 0) &&
         RGC_CUDA(cu, cuDeviceGetName, NULL, diags, card->name, (int)sizeof card->name, card->device) &&
         RGC_CUDA(cu, cuDeviceGetAttribute, NULL, diags, &card->major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, card->device) &&
         RGC_CUDA(cu, cuDeviceGetAttribute, NULL, diags, &card->minor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, card->device);
}

bool rgc_cuda_card_open(rgc_cuda_card *card, rgc_diagnostics *diags) {
  *card = (rgc_cuda_card){0};
  if (!rgc_cuda_driver_open(&card->driver, diags) || !look_at(card, diags)) return false;
  return card->major >= LEAST_MAJOR ||
         rgc_diag_fail(diags, RGC_CODE_DEVICE, NULL, "--device cpu runs on this machine's cores",
                       "%s is sm_%d%d: rgc needs sm_80 or later, whose tensor cores know tf32 and bf16", card->name, card->major, card->minor);
}

/* Machine code runs on cards of its major version that are not older; that of an "a" target on its own card alone. */
static bool suits(const rgc_cuda_card *card, const rgc_cuda_target *target) {
  char *end;
  long number = strtol(target->arch + strlen("sm_"), &end, 10);
  return number / 10 == card->major && (*end == 'a' ? number % 10 == card->minor : number % 10 <= card->minor);
}

const rgc_cuda_target *rgc_cuda_card_target(const rgc_cuda_card *card, rgc_diagnostics *diags) {
  rgc_text list = {0};
  for (const rgc_cuda_target *target = rgc_cuda_targets; target->arch; target++) {
    if (suits(card, target)) return rgc_text_free(&list), target;
    rgc_text_printf(&list, "%s%s", list.length ? ", " : "there are kernels for ", target->arch);
  }
  rgc_diag_fail(diags, RGC_CODE_DEVICE, NULL, rgc_text_take(&list, diags->arena), "%s is sm_%d%d, for which rgc has no kernels", card->name, card->major,
                card->minor);
  return NULL;
}

const rgc_target *rgc_cuda_find_target(rgc_diagnostics *diags) {
  rgc_cuda_card card;
  const rgc_cuda_target *target = rgc_cuda_card_open(&card, diags) ? rgc_cuda_card_target(&card, diags) : NULL;
  rgc_cuda_card_close(&card);
  return target ? &target->facts : NULL;
}

static bool make_streams(rgc_cuda_card *card, rgc_diagnostics *diags) {
  const rgc_cuda_driver *cu = &card->driver;
  return RGC_CUDA(cu, cuDevicePrimaryCtxRetain, NULL, diags, &card->context, card->device) &&
         rgc_cuda_card_enter(card, diags) && RGC_CUDA(cu, cuStreamCreate, NULL, diags, &card->compute, CU_STREAM_NON_BLOCKING) &&
         RGC_CUDA(cu, cuStreamCreate, NULL, diags, &card->copy, CU_STREAM_NON_BLOCKING);
}

static bool check_target(const rgc_cuda_card *card, const rgc_target *target, rgc_diagnostics *diags) {
  const rgc_cuda_target *wanted = rgc_cuda_target_named(target->name), *own = rgc_cuda_card_target(card, diags);
  if (!own || (wanted && suits(card, wanted))) return own != NULL;
  return rgc_diag_fail(diags, RGC_CODE_DEVICE, NULL, rgc_arena_printf(diags->arena, "leave out --target, or give --target %s", own->facts.name),
                       "target %s does not run on this GPU: %s is sm_%d%d", target->name, card->name, card->major, card->minor);
}

void *rgc_cuda_memory_open(const rgc_target *target, rgc_diagnostics *diags) {
  rgc_cuda_card *card = calloc(1, sizeof *card);
  if (!card) rgc_internal_error("cuda", "no memory for a card");
  if (rgc_cuda_card_open(card, diags) && check_target(card, target, diags) && make_streams(card, diags)) return card;
  rgc_cuda_memory_close(card);
  return NULL;
}

/* What fails while everything is given back is not told: the run is over, and its own errors were. */
void rgc_cuda_card_close(rgc_cuda_card *card) {
  const rgc_cuda_driver *cu = &card->driver;
  if (!card->context) return;
  cu->cuCtxSetCurrent(card->context);
  rgc_cublas_close(&card->cublas);
  rgc_cublas_record_close(card->record);
  for (int r = 0; r < RGC_REGION_COUNT; r++)
    if (card->regions[r]) cu->cuMemFree(card->regions[r]);
  if (card->swap_room) cu->cuMemFree(card->swap_room);
  if (card->copy) cu->cuStreamDestroy(card->copy);
  if (card->compute) cu->cuStreamDestroy(card->compute);
  cu->cuDevicePrimaryCtxRelease(card->device);
}

void rgc_cuda_memory_close(void *card) {
  rgc_cuda_card_close(card);
  free(card);
}

bool rgc_cuda_card_enter(const rgc_cuda_card *card, rgc_diagnostics *diags) {
  return RGC_CUDA(&card->driver, cuCtxSetCurrent, NULL, diags, card->context);
}

bool rgc_cuda_card_wait(rgc_cuda_card *card, CUstream stream, rgc_diagnostics *diags) {
  unsigned int result = card->driver.cuStreamSynchronize(stream);
  int64_t asked = card->asked;
  card->asked = 0;
  if (rgc_cuda_check(&card->driver, result, "cuStreamSynchronize", "found an error of work that was asked for before it", diags)) return true;
  diags->items[diags->count - 1].help =
      rgc_arena_printf(diags->arena, "one of the %lld kernels since the wait before went wrong: RGC_CUDA_SYNC=1 waits after each, and names it", (long long)asked);
  return false;
}

const rgc_cublas *rgc_cuda_card_cublas(rgc_cuda_card *card, rgc_diagnostics *diags) {
  if (!card->cublas_sought) rgc_cublas_open(&card->cublas, diags);
  card->cublas_sought = true;
  return card->cublas.library ? &card->cublas : NULL;
}

rgc_cublas_record *rgc_cuda_card_record(rgc_cuda_card *card, rgc_diagnostics *diags) {
  const char *name = rgc_arena_printf(diags->arena, "%s, sm_%d%d", card->name, card->major, card->minor);
  if (!card->record) card->record = rgc_cublas_record_open(name, card->cublas.version, diags);
  return card->record;
}

bool rgc_cuda_memory_tell_free(void *opaque, int64_t *bytes, rgc_diagnostics *diags) {
  rgc_cuda_card *card = opaque;
  size_t free_bytes, total_bytes;
  if (!rgc_cuda_card_enter(card, diags) || !RGC_CUDA(&card->driver, cuMemGetInfo, NULL, diags, &free_bytes, &total_bytes)) return false;
  *bytes = (int64_t)free_bytes;
  return true;
}

bool rgc_cuda_card_allocate(const rgc_cuda_card *card, CUdeviceptr *made, int64_t size_bytes, const char *what, rgc_diagnostics *diags) {
  size_t free_bytes = 0, total_bytes = 0;
  unsigned int result = size_bytes ? card->driver.cuMemAlloc(made, (size_t)size_bytes) : CUDA_SUCCESS;
  if (result != CUDA_ERROR_OUT_OF_MEMORY) return rgc_cuda_check(&card->driver, result, "cuMemAlloc", what, diags);
  if (card->driver.cuMemGetInfo(&free_bytes, &total_bytes)) free_bytes = 0;
  return rgc_diag_fail(diags, RGC_CODE_MEMORY, NULL, "give a smaller --batch", "%s has no %.1f MB for %s: %.1f MB of %.1f MB are free", card->name,
                       (double)size_bytes * 1e-6, what, (double)free_bytes * 1e-6, (double)total_bytes * 1e-6);
}

static const char *const region_names[RGC_REGION_COUNT] = {"parameters", "optimizer state", "folded weights", "activations"};

bool rgc_cuda_memory_resize(void *opaque, rgc_region region, int64_t size_bytes, rgc_diagnostics *diags) {
  rgc_cuda_card *card = opaque;
  const rgc_cuda_driver *cu = &card->driver;
  CUdeviceptr made = 0, old = card->regions[region];
  int64_t kept = card->region_bytes[region];
  if (!rgc_cuda_card_enter(card, diags) || !rgc_cuda_card_allocate(card, &made, size_bytes, region_names[region], diags)) return false;
  card->regions[region] = made;
  card->region_bytes[region] = size_bytes;
  bool good = (!kept || RGC_CUDA(cu, cuMemcpyDtoDAsync, NULL, diags, made, old, (size_t)kept, card->compute)) &&
              RGC_CUDA(cu, cuMemsetD8Async, NULL, diags, made + (CUdeviceptr)kept, 0, (size_t)(size_bytes - kept), card->compute) &&
              rgc_cuda_card_wait(card, card->compute, diags);
  return (!old || RGC_CUDA(cu, cuMemFree, NULL, diags, old)) && good;
}

/* In the order of the stream: the plain copy from memory that is not pinned returns before the card has all of it. */
bool rgc_cuda_memory_upload(void *opaque, rgc_region region, int64_t offset_bytes, const void *host, int64_t size_bytes, rgc_diagnostics *diags) {
  rgc_cuda_card *card = opaque;
  return rgc_cuda_card_enter(card, diags) &&
         RGC_CUDA(&card->driver, cuMemcpyHtoDAsync, NULL, diags, card->regions[region] + (CUdeviceptr)offset_bytes, host, (size_t)size_bytes, card->compute) &&
         rgc_cuda_card_wait(card, card->compute, diags);
}

bool rgc_cuda_memory_download(void *opaque, rgc_region region, int64_t offset_bytes, void *host, int64_t size_bytes, rgc_diagnostics *diags) {
  rgc_cuda_card *card = opaque;
  return rgc_cuda_card_enter(card, diags) && rgc_cuda_card_wait(card, card->compute, diags) &&
         RGC_CUDA(&card->driver, cuMemcpyDtoH, NULL, diags, host, card->regions[region] + (CUdeviceptr)offset_bytes, (size_t)size_bytes);
}

static CUdeviceptr address_of(const rgc_cuda_card *card, rgc_device_place place) { return card->regions[place.region] + (CUdeviceptr)place.offset_bytes; }

static bool move(rgc_cuda_card *card, CUdeviceptr to, CUdeviceptr from, int64_t size_bytes, rgc_diagnostics *diags) {
  return RGC_CUDA(&card->driver, cuMemcpyDtoDAsync, "of weights and averages", diags, to, from, (size_t)size_bytes, card->compute);
}

static bool make_swap_room(rgc_cuda_card *card, rgc_diagnostics *diags) {
  return card->swap_room || rgc_cuda_card_allocate(card, &card->swap_room, CUDA_SWAP_BYTES, "exchanging weights with their averages", diags);
}

/* A piece at a time, as much as there is room for. */
bool rgc_cuda_memory_swap(void *opaque, rgc_device_place a, rgc_device_place b, int64_t size_bytes, rgc_diagnostics *diags) {
  rgc_cuda_card *card = opaque;
  CUdeviceptr x = address_of(card, a), y = address_of(card, b);
  if (!rgc_cuda_card_enter(card, diags) || !make_swap_room(card, diags)) return false;
  for (int64_t at = 0; at < size_bytes; at += CUDA_SWAP_BYTES) {
    int64_t piece = size_bytes - at < CUDA_SWAP_BYTES ? size_bytes - at : CUDA_SWAP_BYTES;
    CUdeviceptr from = x + (CUdeviceptr)at, to = y + (CUdeviceptr)at;
    if (!move(card, card->swap_room, from, piece, diags) || !move(card, from, to, piece, diags) || !move(card, to, card->swap_room, piece, diags)) return false;
  }
  return true;
}

/* Averages begin as copies of the weights, before the first step: if there is no room to exchange them later, that is known now. */
bool rgc_cuda_memory_copy(void *opaque, rgc_device_place to, rgc_device_place from, int64_t size_bytes, rgc_diagnostics *diags) {
  rgc_cuda_card *card = opaque;
  return rgc_cuda_card_enter(card, diags) && make_swap_room(card, diags) && move(card, address_of(card, to), address_of(card, from), size_bytes, diags);
}
