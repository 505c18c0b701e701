/* device_memory.c: the regions of device.h. Of this process they are pages of their own, huge ones where the system has them; of a device
 * with memory of its own a copy, of which a page costs nothing until it is looked at. */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "runtime/device/device.h"

bool rgc_device_memory_open(rgc_device_memory *memory, const rgc_device *device, const rgc_target *target, rgc_diagnostics *diags) {
  *memory = (rgc_device_memory){.device = device};
  if (!device->card) return true;
  memory->card = device->card->open(target, diags);
  return memory->card != NULL;
}

void rgc_device_memory_close(rgc_device_memory *memory) {
  for (int r = 0; r < RGC_REGION_COUNT; r++)
    if (memory->host[r]) munmap(memory->host[r], (size_t)memory->size_bytes[r]);
  if (memory->card) memory->device->card->close(memory->card);
}

/* From /proc/meminfo. */
static int64_t host_free_bytes(void) {
  char line[128];
  long long kilobytes = -1;
  FILE *info = fopen("/proc/meminfo", "r");
  while (info && kilobytes < 0 && fgets(line, sizeof line, info))
    if (sscanf(line, "MemAvailable: %lld kB", &kilobytes) != 1) kilobytes = -1;
  if (info) fclose(info);
  return kilobytes < 0 ? INT64_MAX : (int64_t)kilobytes * 1024;
}

bool rgc_device_memory_free_bytes(const rgc_device_memory *memory, int64_t *bytes, rgc_diagnostics *diags) {
  if (memory->card) return memory->device->card->tell_free(memory->card, bytes, diags);
  *bytes = host_free_bytes();
  return true;
}

bool rgc_device_memory_extra_bytes(const rgc_device_memory *memory, const rgc_graph *graph, const rgc_target *target, int64_t *bytes,
                                   rgc_diagnostics *diags) {
  *bytes = 0;
  return !memory->card || memory->device->card->tell_extra(memory->card, graph, target, bytes, diags);
}

/* Zeroed. What was there is copied, but for a copy of a device's own: that is read again when it is needed. */
static bool grow_host(rgc_device_memory *memory, rgc_region region, int64_t size_bytes, rgc_diagnostics *diags) {
  int flags = MAP_PRIVATE | MAP_ANONYMOUS | (memory->card ? MAP_NORESERVE : 0);
  void *made = mmap(NULL, (size_t)size_bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
  if (made == MAP_FAILED)
    return rgc_diag_fail(diags, RGC_CODE_MEMORY, NULL, "a smaller --batch needs less", "%lld MB of memory are not there", (long long)(size_bytes >> 20));
  if (!memory->card) madvise(made, (size_t)size_bytes, MADV_HUGEPAGE);
  if (memory->host[region]) {
    if (!memory->card) memcpy(made, memory->host[region], (size_t)memory->size_bytes[region]);
    munmap(memory->host[region], (size_t)memory->size_bytes[region]);
  }
  memory->host[region] = made;
  memory->size_bytes[region] = size_bytes;
  return true;
}

bool rgc_device_memory_grow(rgc_device_memory *memory, const int64_t size_bytes[RGC_REGION_COUNT], rgc_diagnostics *diags) {
  for (int r = 0; r < RGC_REGION_COUNT; r++) {
    if (size_bytes[r] <= memory->size_bytes[r]) continue;
    if (memory->card && !memory->device->card->resize(memory->card, (rgc_region)r, size_bytes[r], diags)) return false;
    if (!grow_host(memory, (rgc_region)r, size_bytes[r], diags)) return false;
  }
  return true;
}

bool rgc_device_memory_upload(const rgc_device_memory *m, rgc_region region, rgc_diagnostics *diags) {
  return !m->card || !m->host[region] || m->device->card->upload(m->card, region, 0, m->host[region], m->size_bytes[region], diags);
}

bool rgc_device_memory_download(const rgc_device_memory *m, rgc_region region, rgc_diagnostics *diags) {
  return !m->card || !m->host[region] || m->device->card->download(m->card, region, 0, m->host[region], m->size_bytes[region], diags);
}
