/* device.h: where programs run: rows of a table behind one interface.
 *
 * Data of all devices lies in memory that this process can read and write; data[v] is where value v of the graph lies. */
#ifndef RGC_DEVICE_H
#define RGC_DEVICE_H
#include "compiler/passes/target.h"
#include "runtime/device/cpu.h"

typedef struct rgc_device_program rgc_device_program;

typedef struct rgc_device_facts {
  int threads;      /* of this machine that work */
  int functions;    /* of machine code */
  int compiled;     /* of them, now */
  double compile_seconds;
} rgc_device_facts;

typedef struct rgc_device {
  const char *name, *about;
  const char *target; /* what its targets are called begins so: "cpu" */
  /* Compiles (or finds) the kernels of `graph`, which must outlive the program. threads 0: as many as there are. NULL with a diagnostic. */
  void *(*create)(const rgc_graph *graph, const rgc_target *target, void *const *data, int threads, rgc_diagnostics *diags);
  void (*destroy)(void *program);
  /* Ops [first, first + count). */
  void (*run_ops)(void *program, const rgc_cpu_step *step, int first, int count);
  /* All ops; adds each one's seconds to seconds[op]. */
  void (*profile)(void *program, const rgc_cpu_step *step, double *seconds);
  void (*tell)(const void *program, rgc_device_facts *facts);
} rgc_device;

extern const rgc_device rgc_devices[]; /* ends with a NULL name */

/* The device of that name; NULL or "auto": the first that runs `target` (a target's name, NULL: the cores'). NULL with a DEVICE error. */
const rgc_device *rgc_device_choose(const char *name, const char *target, rgc_diagnostics *diags);
/* The target to compile for: `target`, or, where that is NULL, the device's own. NULL with a DEVICE error. */
const rgc_target *rgc_device_target(const rgc_device *device, const char *target, rgc_diagnostics *diags);

rgc_device_program *rgc_device_program_create(const rgc_device *device, const rgc_graph *graph, const rgc_target *target, void *const *data,
                                              int threads, rgc_diagnostics *diags);
void rgc_device_program_destroy(rgc_device_program *program); /* NULL is allowed */
void rgc_device_run(rgc_device_program *program, const rgc_cpu_step *step);
void rgc_device_run_ops(rgc_device_program *program, const rgc_cpu_step *step, int first, int count);
void rgc_device_profile(rgc_device_program *program, const rgc_cpu_step *step, double *seconds);
rgc_device_facts rgc_device_tell(const rgc_device_program *program);
#endif
