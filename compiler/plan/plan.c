/* plan.c: see plan.h; the file is plan_file.c's, what holds of a plan plan_verify.c's. */
#include "compiler/plan/plan.h"

#include <string.h>

const rgc_program *rgc_plan_program(const rgc_plan *plan, rgc_program_kind kind, const char *target, const char *precision, int64_t batch) {
  for (int i = 0; i < plan->program_count; i++) {
    const rgc_program *p = &plan->programs[i];
    if (p->kind == kind && p->batch == batch && !strcmp(p->target, target) && !strcmp(p->precision, precision)) return p;
  }
  return NULL;
}

int rgc_torch_shape(const rgc_value *v, int64_t shape[RGC_TENSOR_MAX_RANK]) {
  const int64_t *s = v->shape, conv[4] = {s[0], s[3], s[1], s[2]}, linear[4] = {s[0], s[1] * s[2] * s[3]}, vector[4] = {s[3]}, row[4] = {s[0], s[3], s[2]};
  memcpy(shape, v->torch_rank == 4 ? conv : v->torch_rank == 3 ? row : v->torch_rank == 2 ? linear : vector, sizeof conv);
  return v->torch_rank;
}
