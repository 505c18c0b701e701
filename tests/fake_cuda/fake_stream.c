/* fake_stream.c: what was asked of streams, and when it happens. See fake.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codegen/cuda/templates.h"
#include "compiler/base/clock.h"
#include "runtime/device/emu/emu_module.h"
#include "tests/fake_cuda/fake.h"

static void push(fake_operations *to, fake_operation operation) {
  if (to->count == to->capacity) {
    to->capacity = to->capacity ? 2 * to->capacity : 64;
    to->items = realloc(to->items, sizeof *to->items * (size_t)to->capacity);
  }
  to->items[to->count++] = operation;
}

void fake_operations_free(fake_operations *operations) {
  for (int i = 0; i < operations->count; i++) free(operations->items[i].owned);
  free(operations->items);
  *operations = (fake_operations){0};
}

/* ---- kernels ---- */

enum { FILES = 8 };

/* All modules that were loaded and not built, at once and in a few files: the host's compiler starts seldom. */
bool fake_build_modules(void) {
  rgc_text files[FILES] = {0};
  int count = 0;
  for (CUmodule m = fake_modules; m; m = m->next)
    if (!m->built) rgc_text_printf(&files[count++ % FILES], "#line 1 \"%s\"\n%s\n", m->name, m->text);
  if (!count) return true;
  if (count > FILES) count = FILES;
  rgc_arena *arena = rgc_arena_create();
  rgc_diagnostics diags;
  rgc_diagnostics_init(&diags, arena);
  rgc_template texts[FILES];
  for (int i = 0; i < count; i++) texts[i] = (rgc_template){rgc_arena_printf(arena, "modules-%d.cu", i), rgc_text_take(&files[i], arena)};
  rgc_emu_module *built = rgc_emu_module_build(texts, count, rgc_cuda_templates, rgc_cuda_template_count, false, &diags);
  for (CUmodule m = fake_modules; built && m; m = m->next)
    if (!m->built) m->built = built; /* shared, and never closed: the process is a test */
  if (!built) fprintf(stderr, "fake driver: a kernel does not compile: %s\n", diags.items[0].message);
  rgc_arena_destroy(arena);
  return built != NULL;
}

static void run_kernel(const fake_operation *o) {
  static uint64_t launches;
  const char *skip = getenv("RGC_FAKE_CUDA_SKIP");
  if (skip && strlen(skip) > 4 && strstr(o->function->module->text, skip)) return;
  rgc_emu_launch launch = {.kernel = o->function->name, .grid = {o->grid[0], o->grid[1], o->grid[2]}, .block = {o->block[0], o->block[1], o->block[2]},
                           .shared_bytes = o->shared_bytes, .args = o->owned, .args_bytes = o->size_bytes};
  rgc_arena *arena = rgc_arena_create();
  rgc_diagnostics diags;
  rgc_diagnostics_init(&diags, arena);
  bool good = rgc_emu_run(fake_emu(), o->function->module->built, &launch, &(rgc_emu_options){.seed = launches++, .async = RGC_EMU_MIXED}, &diags);
  if (!good) fprintf(stderr, "fake driver: %s\n", diags.items[0].message);
  if (!good || fake_kernel_fails()) fake_stick(ILLEGAL_ADDRESS);
  rgc_arena_destroy(arena);
}

/* ---- when ---- */

static void run(const fake_operation *o) {
  switch (o->kind) {
    case FAKE_COPY: memcpy(o->to, o->from, o->size_bytes); break;
    case FAKE_SET: memset(o->to, o->value, o->size_bytes); break;
    case FAKE_KERNEL: run_kernel(o); break;
    case FAKE_PRODUCT: fake_run_product(o->owned); break;
    case FAKE_GRAPH:
      for (int i = 0; i < o->graph->nodes.count; i++) run(&o->graph->nodes.items[i]);
      break;
    case FAKE_RECORD: o->event->seconds = rgc_now_seconds(); break;
    case FAKE_WAIT: fake_run_stream(o->other, o->position); break;
  }
}

static void run_until(CUstream stream, int position) {
  while (stream->done < position) {
    fake_operation *o = &stream->asked.items[stream->done++];
    run(o);
    free(stream->asked.items[stream->done - 1].owned);
    stream->asked.items[stream->done - 1].owned = NULL;
  }
}

void fake_run_stream(CUstream stream, int position) {
  static int depth;
  if (!depth++) fake_open_memory();
  run_until(stream, position);
  if (!--depth) fake_close_memory();
}

static bool happens_now(const struct CUstream_st *stream) {
  static uint64_t random;
  const char *order = getenv("RGC_FAKE_CUDA_ORDER");
  if (!order || !strcmp(order, "late")) return false;
  if (!strcmp(order, "early-copies")) return stream->number == 2;
  if (!random) random = strtoull(order, NULL, 10) * 2 + 1;
  random = random * 6364136223846793005u + 1442695040888963407u;
  return random >> 63;
}

unsigned int fake_ask(CUstream stream, fake_operation operation) {
  if (stream->capture) return push(&stream->capture->nodes, operation), CUDA_SUCCESS;
  push(&stream->asked, operation);
  if (happens_now(stream)) fake_run_stream(stream, stream->asked.count);
  return CUDA_SUCCESS;
}
