/* cuda_card.h: a GPU that was opened: its context, the streams that a model's programs share, and the regions of its memory.
 *
 *   compute   kernels, graphs, and what must stand in their order; all programs of a model, so that they run one after another
 *   copy      batches on their way from pinned memory, while kernels run
 *
 * Events order the two (cuda_batch.c). Everything here waits for what it asks for, unless it is said. */
#ifndef RGC_DEVICE_CUDA_CARD_H
#define RGC_DEVICE_CUDA_CARD_H
#include "codegen/cuda/targets.h"
#include "runtime/device/cublas_record.h"
#include "runtime/device/cuda_driver.h"
#include "runtime/device/device.h"

enum { CUDA_SWAP_BYTES = 1 << 20 };

typedef struct rgc_cuda_card {
  rgc_cuda_driver driver;
  CUdevice device;
  CUcontext context; /* the primary one, which the process shares; NULL: not yet */
  char name[128];
  int major, minor;  /* compute capability */
  CUstream compute, copy;
  CUdeviceptr regions[RGC_REGION_COUNT];
  int64_t region_bytes[RGC_REGION_COUNT];
  CUdeviceptr swap_room; /* CUDA_SWAP_BYTES, for what is exchanged within the card; 0: not yet */
  rgc_cublas cublas; /* opened when it is first asked for */
  bool cublas_sought;
  rgc_cublas_record *record; /* NULL: not yet */
  int64_t asked;     /* kernels that were asked for since the last wait, for messages */
} rgc_cuda_card;

/* Device 0 (CUDA_VISIBLE_DEVICES chooses), sm_80 at least. Close it in any case. */
bool rgc_cuda_card_open(rgc_cuda_card *card, rgc_diagnostics *diags);
void rgc_cuda_card_close(rgc_cuda_card *card);
/* The target whose kernels suit the card best; NULL with a DEVICE error: rgc has none. */
const rgc_cuda_target *rgc_cuda_card_target(const rgc_cuda_card *card, rgc_diagnostics *diags);
/* To be called before anything of the card is asked for: a context is current in one thread of the process, which may be another now. */
bool rgc_cuda_card_enter(const rgc_cuda_card *card, rgc_diagnostics *diags);
/* Waits for a stream. An error that comes to light here is of something asked for earlier, and the message says so. */
bool rgc_cuda_card_wait(rgc_cuda_card *card, CUstream stream, rgc_diagnostics *diags);
/* Memory of the card for `what`; an error of code MEMORY says how much is wanted and free. Nothing is asked for 0 bytes. */
bool rgc_cuda_card_allocate(const rgc_cuda_card *card, CUdeviceptr *made, int64_t size_bytes, const char *what, rgc_diagnostics *diags);

/* cuBLAS on this card; NULL: it is not there, which is noted once. The card must be entered. */
const rgc_cublas *rgc_cuda_card_cublas(rgc_cuda_card *card, rgc_diagnostics *diags);
/* What is recorded of cuBLAS's algorithms for this card; cuBLAS is open. NULL with an error. */
rgc_cublas_record *rgc_cuda_card_record(rgc_cuda_card *card, rgc_diagnostics *diags);

/* Of device.h. */
const rgc_target *rgc_cuda_find_target(rgc_diagnostics *diags);
void *rgc_cuda_memory_open(const rgc_target *target, rgc_diagnostics *diags);
void rgc_cuda_memory_close(void *card);
bool rgc_cuda_memory_tell_free(void *card, int64_t *bytes, rgc_diagnostics *diags);
bool rgc_cuda_memory_resize(void *card, rgc_region region, int64_t size_bytes, rgc_diagnostics *diags);
bool rgc_cuda_memory_upload(void *card, rgc_region region, int64_t offset_bytes, const void *host, int64_t size_bytes, rgc_diagnostics *diags);
bool rgc_cuda_memory_download(void *card, rgc_region region, int64_t offset_bytes, void *host, int64_t size_bytes, rgc_diagnostics *diags);
/* These do not wait. */
bool rgc_cuda_memory_swap(void *card, rgc_device_place a, rgc_device_place b, int64_t size_bytes, rgc_diagnostics *diags);
bool rgc_cuda_memory_copy(void *card, rgc_device_place to, rgc_device_place from, int64_t size_bytes, rgc_diagnostics *diags);
#endif
