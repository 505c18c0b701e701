/* wgmma_checks.h: what the tests of the templates with TMA and wgmma share: a bench run whenever copies and products happen, and mistakes put into the template.
 *
 * Included behind the includer's own `contract` (what is computed), `bench` (it on the emulator: .arena, .emu, .maps, .args, .defines) and TEMPLATE (the file's
 * name); which defines behind it what is declared here. */
#ifndef RGC_TEST_WGMMA_CHECKS_H
#define RGC_TEST_WGMMA_CHECKS_H
#include <criterion/criterion.h>
#include <stdlib.h>

#include "codegen/cuda/tensor_map.h"
#include "tests/unit/emu_fixture.h"
#include "tests/unit/template_mutation.h"

static const double tolerance = 2e-6;

/* `mistake`: in the templates; NULL: none. */
static bench *open_bench(const contract *what, bool watched, const template_mutation *mistake);
static bool run(bench *b);
/* The largest error, as a part of the sizes of what is summed; infinite where nothing, or too much, was stored. */
static double worst_error(const bench *b);

static void close_bench(bench *b) {
  emu_fixture_close(&b->emu);
  rgc_arena_destroy(b->arena);
  free(b);
}

/* The bench's tensor maps behind a launch's arguments. */
static void give_maps(bench *b, char maps[][RGC_TENSOR_MAP_BYTES]) {
  for (int i = 0; i < b->maps.count; i++)
    cr_assert(rgc_emu_tensor_map(maps[i], &b->maps.items[i], b->args.operands[b->maps.items[i].input], &b->emu.diags), "%s", emu_fixture_message(&b->emu));
}

/* Late, early and mixed; late and early where it is watched. */
static void check_by(contract what, bool watched) {
  bench *b = open_bench(&what, watched, NULL);
  for (int async = RGC_EMU_LATE; async <= (watched ? RGC_EMU_EARLY : RGC_EMU_MIXED); async++) {
    b->emu.options.async = (rgc_emu_async)async;
    b->emu.options.seed += (uint64_t)async;
    cr_assert(run(b), "RGC_EMU_SEED=%llu: %s", (unsigned long long)b->emu.options.seed, emu_fixture_message(&b->emu));
    double error = worst_error(b);
    cr_assert(error < tolerance, "RGC_EMU_SEED=%llu async %d: off by %g in\n%s", (unsigned long long)b->emu.options.seed, async, error, b->defines);
  }
  close_bench(b);
}

static void check(contract what) { check_by(what, false); }
static void check_watched(contract what) { check_by(what, true); }

/* What must be found; watched: only there. */
typedef struct template_mistake {
  template_mutation what;
  bool watched;
} template_mistake;

#define MISTAKE(from, to) {{TEMPLATE, from, to}, false}
#define WATCHED(from, to) {{TEMPLATE, from, to}, true}

static bool is_found(const contract *what, const template_mistake *m) {
  bool found = false;
  bench *b = open_bench(what, m->watched, &m->what);
  for (int launch = 0; launch < 8 && !found; launch++, b->emu.options.seed++) {
    b->emu.options.async = (rgc_emu_async)(launch % 3);
    found = !run(b) || !(worst_error(b) < tolerance);
  }
  close_bench(b);
  return found;
}

static void check_mistakes(const contract *what, const template_mistake *mistakes, size_t count) {
  for (size_t i = 0; i < count; i++)
    cr_expect(is_found(what, &mistakes[i]), "not found: '%s' instead of '%s'", mistakes[i].what.to, mistakes[i].what.from);
}
#endif
