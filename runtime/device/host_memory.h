/* host_memory.h: how much memory this process may still take. */
#ifndef RGC_DEVICE_HOST_MEMORY_H
#define RGC_DEVICE_HOST_MEMORY_H
#include <stdint.h>

/* The least of what the machine has available, what the limit on the process's address space leaves (ulimit -v) and what its control groups leave
 * (containers, systemd); INT64_MAX where none of them is known. */
int64_t rgc_host_free_bytes(void);
#endif
