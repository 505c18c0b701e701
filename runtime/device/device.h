/* device.h: where programs run: rows of a table behind one interface.
 *
 * data[v] is where this process sees value v of a program. Programs of most devices run on that very memory. A device with memory of its
 * own (a row with `card`) has every value there, too, at the same place of the same region, and the process sees a copy: what it
 * writes goes to the device by rgc_device_write, what the device computed comes back by rgc_device_read, and batches go by
 * rgc_device_stage. On the other devices these do nothing, so who uses them need not know.
 *
 * A run is only asked for: it may be under way when the function returns. What is asked for later comes after it, and rgc_device_read
 * waits. So a run that fails on the device may be told by a later call. */
#ifndef RGC_DEVICE_H
#define RGC_DEVICE_H
#include "compiler/passes/memory.h"
#include "compiler/passes/target.h"
#include "runtime/device/cpu.h"

typedef struct rgc_device rgc_device;
typedef struct rgc_device_program rgc_device_program;

typedef struct rgc_device_facts {
  int threads;      /* of this machine that work */
  int functions;    /* of machine code */
  int compiled;     /* of them, now */
  double compile_seconds;
  int products;     /* of the program's kernels: a library computes them where all samples of a batch count */
} rgc_device_facts;

/* A product that a library may compute, timed. */
typedef struct rgc_device_tuned {
  int algorithms;              /* of the library that were tried; -1: the op is none, or like one before it */
  double seconds, own_seconds; /* of the fastest of them; of rgc's own kernel */
  bool library;                /* which is the faster, and is used from now on */
} rgc_device_tuned;

/* The most a device does, measured by kernels that do nothing else. */
typedef struct rgc_device_peak {
  double flops; /* a second: multiply-adds count two; of a GPU, tensor cores on bf16 by mma.sync */
  double bytes; /* a second, read and written, of a large copy */
} rgc_device_peak;

/* The regions of a memory plan, which all programs of a model share. */
typedef struct rgc_device_memory {
  const rgc_device *device;
  void *host[RGC_REGION_COUNT]; /* as this process sees them */
  int64_t size_bytes[RGC_REGION_COUNT];
  void *card;                   /* of a device with memory of its own; else NULL */
} rgc_device_memory;

typedef struct rgc_device_place {
  rgc_region region;
  int64_t offset_bytes;
} rgc_device_place;

/* One input of a batch. */
typedef struct rgc_device_input {
  int value;                /* of the program */
  const void *data;         /* the samples that count, from the first on */
  size_t size_bytes;
  const float *mean, *stddev; /* [channels]: data is u8, and the value is to be (x / 255 - mean) / stddev; NULL: as the value is stored */
  int channels;
} rgc_device_input;

enum { RGC_DEVICE_SLOTS = 2 }; /* batches that a program can have: the one it is at, and the next */

/* What a device with memory of its own does. `card` is what open returned, `program` what create did. */
typedef struct rgc_card_functions {
  void *(*open)(const rgc_target *target, rgc_diagnostics *diags);
  void (*close)(void *card);
  bool (*tell_free)(void *card, int64_t *bytes, rgc_diagnostics *diags);
  /* What a program takes beside the regions, at most. */
  bool (*tell_extra)(void *card, const rgc_graph *graph, const rgc_target *target, int64_t *bytes, rgc_diagnostics *diags);
  /* Makes the region larger; what was there stays, what is new is zero. */
  bool (*resize)(void *card, rgc_region region, int64_t size_bytes, rgc_diagnostics *diags);
  bool (*upload)(void *card, rgc_region region, int64_t offset_bytes, const void *host, int64_t size_bytes, rgc_diagnostics *diags);
  bool (*download)(void *card, rgc_region region, int64_t offset_bytes, void *host, int64_t size_bytes, rgc_diagnostics *diags);
  /* Within the device, behind what was asked for before: two stretches of memory are exchanged; `to` becomes as `from` is. */
  bool (*swap)(void *card, rgc_device_place a, rgc_device_place b, int64_t size_bytes, rgc_diagnostics *diags);
  bool (*copy)(void *card, rgc_device_place to, rgc_device_place from, int64_t size_bytes, rgc_diagnostics *diags);
  bool (*stage)(void *program, int slot, const rgc_device_input *inputs, int count, rgc_diagnostics *diags);
  bool (*load)(void *program, int slot, rgc_diagnostics *diags);
  /* As rgc_device_run_step, without waiting in between. */
  bool (*run_step)(void *program, const rgc_cpu_step *step, int loss, rgc_diagnostics *diags);
} rgc_card_functions;

struct rgc_device {
  const char *name, *about;
  const char *target; /* what its targets are called begins so: "cpu" */
  /* The target that suits the machine; NULL with a diagnostic where the device cannot be used. A NULL function: the first that begins so. */
  const rgc_target *(*find_target)(rgc_diagnostics *diags);
  /* False with a DEVICE error where the machine cannot run the target of that name. NULL: that shows later. */
  bool (*check_target)(const char *name, rgc_diagnostics *diags);
  /* Compiles (or finds) the kernels of `graph`, which must outlive the program. threads 0: as many as there are. NULL with a diagnostic. */
  void *(*create)(const rgc_device_memory *memory, const rgc_graph *graph, const rgc_target *target, void *const *data, int threads,
                  rgc_diagnostics *diags);
  void (*destroy)(void *program);
  /* Ops [first, first + count). */
  bool (*run_ops)(void *program, const rgc_cpu_step *step, int first, int count, rgc_diagnostics *diags);
  /* All ops; adds each one's seconds to seconds[op]. */
  bool (*profile)(void *program, const rgc_cpu_step *step, double *seconds, rgc_diagnostics *diags);
  void (*tell)(const void *program, rgc_device_facts *facts);
  /* The library that runs the op of a full batch, "cuBLAS"; NULL: a kernel of rgc's own. A NULL function: none runs any. */
  const char *(*tell_library)(const void *program, int op);
  /* Times what a library may compute, fills tuned[op], and keeps what is faster for later runs. NULL: the device has no library. */
  bool (*tune)(void *program, const rgc_cpu_step *step, rgc_device_tuned *tuned, rgc_diagnostics *diags);
  /* NULL: its time means nothing. */
  bool (*measure)(const rgc_device_memory *memory, const rgc_target *target, int threads, rgc_device_peak *peak, rgc_diagnostics *diags);
  const rgc_card_functions *card; /* NULL: programs run on the memory of this process */
};

extern const rgc_device rgc_devices[]; /* ends with a NULL name */

/* The device of that name; NULL: the first that runs `target` (a target's name, NULL: the cores'). "auto": a GPU that can be used, else, with
 * a note that says why, the cores. NULL with a DEVICE error. */
const rgc_device *rgc_device_choose(const char *name, const char *target, rgc_diagnostics *diags);
/* The target to run: `target`, or, where that is NULL, the device's own. NULL with a DEVICE error, also where this machine cannot run it. */
const rgc_target *rgc_device_target(const rgc_device *device, const char *target, rgc_diagnostics *diags);

/* Memory, device_memory.c. Close it in any case. */
bool rgc_device_memory_open(rgc_device_memory *memory, const rgc_device *device, const rgc_target *target, rgc_diagnostics *diags);
void rgc_device_memory_close(rgc_device_memory *memory);
/* Bytes that could still be taken; INT64_MAX where that is not known. */
bool rgc_device_memory_free_bytes(const rgc_device_memory *memory, int64_t *bytes, rgc_diagnostics *diags);
/* Bytes that a program will take beside the regions, on a device with memory of its own; 0 on others. */
bool rgc_device_memory_extra_bytes(const rgc_device_memory *memory, const rgc_graph *graph, const rgc_target *target, int64_t *bytes,
                                   rgc_diagnostics *diags);
/* Makes regions at least so large. What is there stays, what is new is zero; programs must be made anew. */
bool rgc_device_memory_grow(rgc_device_memory *memory, const int64_t size_bytes[RGC_REGION_COUNT], rgc_diagnostics *diags);
/* A whole region to the device, and back. */
bool rgc_device_memory_upload(const rgc_device_memory *memory, rgc_region region, rgc_diagnostics *diags);
bool rgc_device_memory_download(const rgc_device_memory *memory, rgc_region region, rgc_diagnostics *diags);

/* data[v] lies in the regions of `memory`; where the device has no memory of its own only memory->device is looked at. Both must outlive the
 * program. */
rgc_device_program *rgc_device_program_create(const rgc_device_memory *memory, const rgc_graph *graph, const rgc_target *target,
                                              void *const *data, int threads, rgc_diagnostics *diags);
void rgc_device_program_destroy(rgc_device_program *program); /* NULL is allowed */
/* All ops, or ops [first, first + count). False with a DEVICE error. */
bool rgc_device_run(rgc_device_program *program, const rgc_cpu_step *step, rgc_diagnostics *diags);
bool rgc_device_run_ops(rgc_device_program *program, const rgc_cpu_step *step, int first, int count, rgc_diagnostics *diags);
/* All ops; but where the value `loss` is not finite, nothing behind the op that computes it changes a parameter, buffer or state. */
bool rgc_device_run_step(rgc_device_program *program, const rgc_cpu_step *step, int loss, rgc_diagnostics *diags);
bool rgc_device_profile(rgc_device_program *program, const rgc_cpu_step *step, double *seconds, rgc_diagnostics *diags);
rgc_device_facts rgc_device_tell(const rgc_device_program *program);
const char *rgc_device_tell_library(const rgc_device_program *program, int op);
bool rgc_device_tune(rgc_device_program *program, const rgc_cpu_step *step, rgc_device_tuned *tuned, rgc_diagnostics *diags);
/* data[value] to the device, and back. */
bool rgc_device_write(const rgc_device_program *program, int value, rgc_diagnostics *diags);
bool rgc_device_read(const rgc_device_program *program, int value, rgc_diagnostics *diags);
/* Where the values are: `a` and `b` exchange their numbers; `to` takes those of `from`. They have one type and shape. What the process sees of them is
 * then old, until it is read. */
bool rgc_device_swap(const rgc_device_program *program, int a, int b, rgc_diagnostics *diags);
bool rgc_device_copy(const rgc_device_program *program, int to, int from, rgc_diagnostics *diags);
/* Takes a batch to the device; what `inputs` points to may change on return. A device with memory of its own copies while it computes, and keeps
 * the batch until the slot's next one; others want nothing to run until the batch is used. */
bool rgc_device_stage(rgc_device_program *program, int slot, const rgc_device_input *inputs, int count, rgc_diagnostics *diags);
bool rgc_device_stages_ahead(const rgc_device_program *program);
/* Makes the slot's batch the input of the next run. */
bool rgc_device_load(rgc_device_program *program, int slot, rgc_diagnostics *diags);
#endif
