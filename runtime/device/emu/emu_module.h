/* emu_module.h: a kernel of a compiled module, for emu_launch.c. */
#ifndef RGC_EMU_MODULE_H
#define RGC_EMU_MODULE_H
#include "codegen/cuda/templates/emu_calls.cuh"
#include "runtime/device/emu/emu.h"

typedef struct emu_kernel {
  void (*entry)(const void *args);
  void (*bind)(emu_view *view); /* of its library, for this OS thread */
  bool watched;
  const unsigned int *limits;   /* threads a block at most; bytes of args */
} emu_kernel;

/* False where no text has a kernel of this name. */
bool emu_module_find(const rgc_emu_module *module, const char *name, emu_kernel *kernel);
#endif
