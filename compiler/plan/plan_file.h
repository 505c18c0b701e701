/* plan_file.h: plans as files (docs/PLAN_FORMAT.md).
 *
 * A plan's file is a valid safetensors file; everything but the weights is text in its metadata. It may come from a stranger: what
 * rgc_plan_parse returns has passed rgc_plan_verify, so every graph, every place and every tensor in it may be trusted to fit together. */
#ifndef RGC_PLAN_PLAN_FILE_H
#define RGC_PLAN_PLAN_FILE_H
#include "compiler/plan/plan.h"

/* Reads a plan and verifies it. On any fault errors are added, of which at least one names the file, and NULL is returned. */
rgc_plan *rgc_plan_read(rgc_arena *arena, const char *path, rgc_diagnostics *diags);
/* The same from memory; `bytes` must outlive the plan, whose tensors point into it. `name` is for messages. */
rgc_plan *rgc_plan_parse(rgc_arena *arena, const void *bytes, size_t size_bytes, const char *name, rgc_diagnostics *diags);
/* Verifies the plan and writes it, atomically: if anything fails, a full disk too, nothing half-written is left and an earlier file of
 * that name is untouched. */
bool rgc_plan_write(const rgc_plan *plan, const char *path, rgc_diagnostics *diags);
#endif
