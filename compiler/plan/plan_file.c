/* plan_file.c: see plan_file.h. A plan is the texts and tensors of a safetensors file; which keys it has is said here, once. */
#include "compiler/plan/plan_file.h"

#include <string.h>

#include "compiler/base/parallel.h"
#include "compiler/plan/plan_text.h"

/* The keys of the metadata, beside "digest" (safetensors.h) and one "program...." for each program. */
static const char version_key[] = "rgc_plan", source_key[] = "source", line_map_key[] = "line_map", graph_key[] = "graph";

typedef struct reader {
  rgc_plan *plan;
  const rgc_tensor_file *file;
  const char *name;
  rgc_diagnostics *diags;
} reader;

static bool fail(const reader *r, const char *what, const char *which) {
  return rgc_diag_fail(r->diags, RGC_CODE_PLAN_FORMAT, r->name, "compile the network again", "%s%s", what, which);
}

/* Reading. */

static bool is_program_key(const char *key) { return !strncmp(key, "program.", 8); }

static bool is_known_key(const char *key) {
  return !strcmp(key, version_key) || !strcmp(key, source_key) || !strcmp(key, line_map_key) || !strcmp(key, graph_key) ||
         !strcmp(key, "digest") || is_program_key(key);
}

static bool check_keys(const reader *r) {
  const char *version = rgc_metadata_find(r->file, version_key);
  if (!version) return fail(r, "this is no plan: it has no entry ", version_key);
  if (strcmp(version, RGC_PLAN_VERSION))
    return rgc_diag_fail(r->diags, RGC_CODE_PLAN_FORMAT, r->name, "compile the network again with this rgc",
                         "the plan is of format %.20s, and this rgc reads " RGC_PLAN_VERSION, version);
  const char *const wanted[] = {source_key, line_map_key, graph_key, "digest"};
  for (int i = 0; i < 4; i++)
    if (!rgc_metadata_find(r->file, wanted[i])) return fail(r, "the plan has no entry ", wanted[i]);
  for (int i = 0; i < r->file->metadata_count; i++)
    if (!is_known_key(r->file->metadata[i].key)) return fail(r, "the plan has an unknown entry ", r->file->metadata[i].key);
  return true;
}

static bool read_program(const reader *r, const rgc_metadata *entry) {
  rgc_plan *plan = r->plan;
  rgc_program program;
  if (plan->program_count == RGC_PLAN_MAX_PROGRAMS) return fail(r, "the plan has too many programs", "");
  if (!rgc_program_parse(plan->arena, entry->text, r->name, r->diags, &program)) return false;
  if (strcmp(entry->key, rgc_program_key(&program, plan->arena))) return fail(r, "a program of another name is called ", entry->key);
  *RGC_PUSH(plan->arena, plan->programs, plan->program_count, plan->program_capacity) = program;
  return true;
}

static bool read_texts(const reader *r) {
  rgc_plan *plan = r->plan;
  plan->source = rgc_metadata_find(r->file, source_key);
  plan->line_map = rgc_metadata_find(r->file, line_map_key);
  plan->unfused = rgc_plan_graph(plan->arena, rgc_metadata_find(r->file, graph_key), r->name, "the unfused graph", r->diags);
  if (!plan->unfused) return false;
  for (int i = 0; i < r->file->metadata_count; i++)
    if (is_program_key(r->file->metadata[i].key) && !read_program(r, &r->file->metadata[i])) return false;
  return true;
}

static rgc_plan *plan_of(rgc_arena *arena, const rgc_tensor_file *file, const char *name, rgc_diagnostics *diags) {
  reader r = {.plan = RGC_NEW(arena, rgc_plan), .file = file, .name = name, .diags = diags};
  if (!file) return NULL;
  r.plan->arena = arena;
  r.plan->tensors = file->tensors;
  r.plan->tensor_count = r.plan->tensor_capacity = file->tensor_count;
  if (check_keys(&r) && read_texts(&r)) return rgc_plan_verify(r.plan, name, diags) ? r.plan : NULL;
  fail(&r, "the plan cannot be read", "");
  return NULL;
}

rgc_plan *rgc_plan_parse(rgc_arena *arena, const void *bytes, size_t size_bytes, const char *name, rgc_diagnostics *diags) {
  return plan_of(arena, rgc_safetensors_parse(arena, bytes, size_bytes, name, diags), name, diags);
}

rgc_plan *rgc_plan_read(rgc_arena *arena, const char *path, rgc_diagnostics *diags) {
  return plan_of(arena, rgc_safetensors_read(arena, path, diags), path, diags);
}

/* Writing. */

static void add_entry(rgc_arena *arena, rgc_tensor_file *file, const char *key, const char *text) {
  *RGC_PUSH(arena, file->metadata, file->metadata_count, file->metadata_capacity) = (rgc_metadata){key, text};
}

/* The texts of the programs and, last, of the unfused graph: on the heap, as they are large, and to be freed when the file is written. The plan is verified
 * while they are printed: its graphs were, when they were compiled or read. */
typedef struct writing {
  const rgc_plan *plan;
  const char *path;
  rgc_diagnostics *diags; /* of the verification */
  bool verified;
  rgc_text *texts; /* [program_count + 1] */
} writing;

static void verify_or_print(void *context, int task) {
  writing *w = context;
  int i = task - 1;
  if (i < 0) w->verified = rgc_plan_verify(w->plan, w->path, w->diags);
  else if (i < w->plan->program_count) rgc_program_print(&w->plan->programs[i], &w->texts[i]);
  else rgc_graph_print(w->plan->unfused, &w->texts[i]);
}

static void add_texts(rgc_arena *arena, const rgc_plan *plan, rgc_text *texts, rgc_tensor_file *file) {
  add_entry(arena, file, version_key, RGC_PLAN_VERSION);
  add_entry(arena, file, source_key, plan->source);
  add_entry(arena, file, line_map_key, plan->line_map);
  add_entry(arena, file, graph_key, rgc_text_chars(&texts[plan->program_count]));
  for (int i = 0; i < plan->program_count; i++)
    add_entry(arena, file, rgc_program_key(&plan->programs[i], arena), rgc_text_chars(&texts[i]));
}

bool rgc_plan_write(const rgc_plan *plan, const char *path, rgc_diagnostics *diags) {
  rgc_arena *arena = rgc_arena_create();
  rgc_tensor_file file = {.tensors = plan->tensors, .tensor_count = plan->tensor_count};
  writing w = {.plan = plan, .path = path, .diags = diags, .texts = RGC_NEW_ARRAY(arena, rgc_text, plan->program_count + 1)};
  rgc_parallel(plan->program_count + 2, verify_or_print, &w);
  if (w.verified) add_texts(arena, plan, w.texts, &file);
  bool good = w.verified && rgc_safetensors_write(&file, path, diags);
  for (int i = 0; i <= plan->program_count; i++) rgc_text_free(&w.texts[i]);
  rgc_arena_destroy(arena);
  return good;
}
