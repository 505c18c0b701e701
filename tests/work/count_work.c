/* count_work.c: how much work each pass does on networks of 150, 300, 600 and 1200 layers. Compiler and codegen are compiled with
 * -fsanitize-coverage=trace-pc for this program: every branch target that runs calls us, so work is counted, not timed, and the count is
 * the same on every machine (it leaves out what the C library does inside).
 *
 * Linear growth: from 600 to 1200 layers twice as much is added as from 300 to 600. A pass that adds MOST_GROWTH times as much fails: the
 * planner's tree adds 2.05 times, a quadratic pass 4 times. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "codegen/cpu/emit.h"
#include "compiler/plan/plan_build.h"
#include "compiler/plan/plan_file.h"

#define MOST_GROWTH 2.2
enum { SIZES = 4, MOST_STEPS = 64, REPEATS = 25 };

static _Atomic long long blocks_run; /* by all threads */

__attribute__((visibility("default"))) void __sanitizer_cov_trace_pc(void);
void __sanitizer_cov_trace_pc(void) { blocks_run++; }

/* work[s]: of size s, in the order in which steps run. */
typedef struct step {
  const char *program, *name;
  long long work[SIZES];
} step;

typedef struct counter {
  step steps[MOST_STEPS];
  int count, next, size; /* next: the step that is running */
  long long before;
} counter;

static void end_step(counter *c, const char *program, const char *name) {
  step *s = &c->steps[c->next++];
  s->program = program;
  s->name = name;
  s->work[c->size] = blocks_run - c->before;
  if (c->next > c->count) c->count = c->next;
  c->before = blocks_run;
}

static bool see_pass(void *context, const rgc_pass *pass, const rgc_compilation *compilation, double seconds) {
  (void)seconds;
  end_step(context, rgc_program_word(compilation->kind), pass->name);
  return true;
}

static bool count_programs(counter *c, rgc_plan *plan, rgc_arena *arena, rgc_diagnostics *diags) {
  static const rgc_program_kind kinds[] = {RGC_PROGRAM_TRAIN, RGC_PROGRAM_FOLD, RGC_PROGRAM_INFER};
  const rgc_cpu_target *target = &rgc_cpu_targets[0];
  for (int k = 0; k < 3; k++) {
    rgc_compile_options o = {.kind = kinds[k], .batch = 4, .target = &target->facts, .observer = see_pass, .context = c};
    const rgc_program *program = rgc_plan_need_program(plan, plan->network, &o, diags);
    if (!program || !rgc_cpu_emit(program->graph, target, arena, diags)) return false;
    end_step(c, rgc_program_word(kinds[k]), "emit");
  }
  return true;
}

/* All that rgc compile does, up to the file. */
static bool count_size(counter *c, int size, const char *path) {
  rgc_arena *arena = rgc_arena_create();
  rgc_diagnostics diags;
  rgc_diagnostics_init(&diags, arena);
  const char *repeats = rgc_arena_printf(arena, "stages.*.repeat=%d", REPEATS << size);
  c->size = size;
  c->next = 0;
  c->before = blocks_run;
  rgc_network *network = rgc_network_load(arena, "graphs/cifar_resnet20.yaml", &repeats, 1, &diags);
  rgc_plan *plan = network ? rgc_plan_create(network, arena, &diags) : NULL;
  end_step(c, "plan", "create");
  bool good = plan && count_programs(c, plan, arena, &diags) && rgc_plan_write(plan, path, &diags);
  end_step(c, "plan", "write");
  for (int i = 0; i < diags.count; i++) printf("%s\n", diags.items[i].message);
  rgc_arena_destroy(arena);
  return good;
}

static bool tell_step(const step *s) {
  double growth = (double)(s->work[3] - s->work[2]) / (double)(s->work[2] - s->work[1]);
  bool few = s->work[3] < 2 * s->work[1]; /* does not grow with depth, or hardly */
  bool good = few || growth <= MOST_GROWTH;
  printf("%-6s %-14s %11lld %11lld %11lld %11lld   grows %.2f times%s\n", s->program, s->name, s->work[0], s->work[1], s->work[2], s->work[3], growth,
         good ? "" : "  NOT LINEAR");
  return good;
}

int main(void) {
  char path[] = "/tmp/rgc-work-XXXXXX";
  counter c = {.count = 0};
  bool good = true;
  int file = mkstemp(path);
  if (file < 0) return perror("/tmp"), EXIT_FAILURE;
  close(file);
  for (int size = 0; good && size < SIZES; size++) good = count_size(&c, size, path);
  unlink(path);
  for (int i = 0; i < c.count; i++) good = tell_step(&c.steps[i]) && good;
  printf("%s\n", good ? "work grows linearly with depth" : "work does not grow linearly with depth");
  return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
