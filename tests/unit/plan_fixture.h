/* plan_fixture.h: what the tests of plans share: diagnostics, random numbers, plans of real networks, and plans written to bytes. */
#ifndef RGC_TEST_PLAN_FIXTURE_H
#define RGC_TEST_PLAN_FIXTURE_H
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "codegen/cpu/targets.h"
#include "compiler/lang/lang.h"
#include "compiler/pipeline.h"
#include "compiler/plan/plan_file.h"
#include "tests/unit/arena_fixture.h"

static inline const char *rendered(fixture *f) {
  rgc_text text = {0};
  rgc_diag_render(&f->diags, false, &text);
  return rgc_text_take(&text, f->arena);
}

/* Random numbers: a fresh seed a run, which is printed; RGC_TEST_SEED=n repeats one. */

static uint64_t random_state;

static inline uint64_t draw(uint64_t below) {
  uint64_t *s = &random_state;
  *s ^= *s << 13, *s ^= *s >> 7, *s ^= *s << 17;
  return (*s >> 11) % below;
}

static inline void seed(void) {
  const char *fixed = getenv("RGC_TEST_SEED");
  random_state = fixed ? strtoull(fixed, NULL, 10) : (uint64_t)time(NULL) * 1000003u + 1;
  fprintf(stderr, "RGC_TEST_SEED=%llu\n", (unsigned long long)random_state);
}

static inline void add_program(fixture *f, rgc_plan *plan, rgc_network *network, rgc_program_kind kind, int64_t batch) {
  const rgc_target *target = &rgc_cpu_targets[0].facts;
  rgc_compilation *c = rgc_compile(network, &(rgc_compile_options){.kind = kind, .batch = batch, .target = target}, f->arena, &f->diags);
  cr_assert(c, "%s", rendered(f));
  *RGC_PUSH(f->arena, plan->programs, plan->program_count, plan->program_capacity) =
      (rgc_program){.kind = kind, .target = target->name, .precision = "fp32", .batch = batch, .parts = c->parts, .graph = c->graph, .memory = c->memory,
                    .ledger = c->ledger};
}

/* A plan without programs or tensors. */
static inline rgc_plan *empty_plan(fixture *f, const char *file, const char *const *sets, int set_count, rgc_network **network) {
  *network = rgc_network_load(f->arena, file, sets, set_count, &f->diags);
  cr_assert(*network, "%s", rendered(f));
  rgc_plan *plan = RGC_NEW(f->arena, rgc_plan);
  rgc_text source = {0}, map = {0};
  rgc_network_source(*network, &source, &map);
  plan->arena = f->arena;
  plan->source = rgc_text_take(&source, f->arena);
  plan->line_map = rgc_text_take(&map, f->arena);
  plan->unfused = rgc_network_build(*network, 2, true, &f->diags);
  cr_assert(plan->unfused, "%s", rendered(f));
  return plan;
}

/* All weights k/7 of the unfused graph, in PyTorch's shapes. */
static inline void add_tensors(fixture *f, rgc_plan *plan) {
  for (int i = 0; i < plan->unfused->value_count; i++) {
    const rgc_value *v = &plan->unfused->values[i];
    if (v->op >= 0 || (v->role != RGC_ROLE_PARAM && v->role != RGC_ROLE_BUFFER)) continue;
    int64_t count = rgc_shape_elems(v->shape);
    float *data = RGC_NEW_ARRAY(f->arena, float, count);
    for (int64_t k = 0; k < count; k++) data[k] = (float)k / 7;
    rgc_tensor t = {.name = v->name, .dtype = RGC_TENSOR_F32, .data = data, .size_bytes = 4 * (size_t)count};
    t.rank = rgc_torch_shape(v, t.shape);
    *RGC_PUSH(f->arena, plan->tensors, plan->tensor_count, plan->tensor_capacity) = t;
  }
}

/* A small network with a block, for tests that change one thing after the other. */
static inline rgc_plan *small_plan(fixture *f) {
  static const char *const sets[] = {"stages=[{block: basic, repeat: 1, width: 4, stride: 2}]", "stem.0.conv.out=4", "input.size=8"};
  rgc_network *network;
  rgc_plan *plan = empty_plan(f, "graphs/plain20.yaml", sets, 3, &network);
  add_program(f, plan, network, RGC_PROGRAM_TRAIN, 2);
  add_program(f, plan, network, RGC_PROGRAM_EVAL, 3);
  add_program(f, plan, network, RGC_PROGRAM_FOLD, 2);
  add_program(f, plan, network, RGC_PROGRAM_INFER, 2);
  add_tensors(f, plan);
  return plan;
}

typedef struct bytes {
  unsigned char *data;
  size_t size;
} bytes;

static inline char *temp_path(fixture *f) {
  char *folder = rgc_arena_strdup(f->arena, "/tmp/rgc_plan_XXXXXX");
  cr_assert(mkdtemp(folder));
  return rgc_arena_printf(f->arena, "%s/plan.bin", folder);
}

static inline bytes slurp(fixture *f, const char *path) {
  FILE *file = fopen(path, "rb");
  cr_assert(file);
  fseek(file, 0, SEEK_END);
  bytes b = {.size = (size_t)ftell(file)};
  rewind(file);
  b.data = rgc_arena_alloc(f->arena, b.size + 1);
  cr_assert_eq(fread(b.data, 1, b.size, file), b.size);
  fclose(file);
  return b;
}

static inline void forget(char *path) {
  remove(path);
  *strrchr(path, '/') = 0;
  rmdir(path);
}

static inline bytes written(fixture *f, const rgc_plan *plan) {
  char *path = temp_path(f);
  cr_assert(rgc_plan_write(plan, path, &f->diags), "%s", rendered(f));
  bytes b = slurp(f, path);
  forget(path);
  return b;
}
#endif
