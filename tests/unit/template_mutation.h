/* template_mutation.h: CUDA templates with a mistake in one of them, for tests of the tests. */
#ifndef RGC_TESTS_TEMPLATE_MUTATION_H
#define RGC_TESTS_TEMPLATE_MUTATION_H
#include <criterion/criterion.h>
#include <string.h>

#include "codegen/cuda/templates.h"
#include "compiler/base/text.h"

typedef struct template_mutation {
  const char *file, *from, *to;
} template_mutation;

/* The templates with all places of `from` in one file changed. Fails the test where there is none. */
static inline rgc_template *mutated_templates(const template_mutation *m, rgc_arena *arena) {
  rgc_template *made = RGC_NEW_ARRAY(arena, rgc_template, rgc_cuda_template_count);
  bool found = false;
  for (int i = 0; i < rgc_cuda_template_count; i++) {
    const char *slash = strrchr(rgc_cuda_templates[i].name, '/'), *at = rgc_cuda_templates[i].text;
    rgc_text text = {0};
    made[i] = rgc_cuda_templates[i];
    if (strcmp(slash ? slash + 1 : made[i].name, m->file)) continue;
    for (const char *next; (next = strstr(at, m->from)); at = next + strlen(m->from), found = true) {
      rgc_text_add_bytes(&text, at, (size_t)(next - at));
      rgc_text_add(&text, m->to);
    }
    rgc_text_add(&text, at);
    made[i].text = rgc_text_take(&text, arena);
  }
  cr_assert(found, "%s has no '%s' any more: bring this test up to date", m->file, m->from);
  return made;
}
#endif
