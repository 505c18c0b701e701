/* test_plan.c: plans of real networks come back as they were; damaged files, and hand-made ones with a right digest, are refused with
 * an error that names the file. Runs in the source directory. */
#include <errno.h>
#include <signal.h>
#include <sys/resource.h>

#include "compiler/plan/plan_text.h"
#include "tests/unit/plan_fixture.h"

static const char *graph_text(fixture *f, const rgc_graph *graph) {
  rgc_text text = {0};
  rgc_graph_print(graph, &text);
  return rgc_text_take(&text, f->arena);
}

static void expect_equal(fixture *f, const rgc_plan *a, const rgc_plan *b) {
  cr_assert_str_eq(a->source, b->source);
  cr_assert_str_eq(a->line_map, b->line_map);
  cr_assert_str_eq(graph_text(f, a->unfused), graph_text(f, b->unfused));
  cr_assert_eq(a->program_count, b->program_count);
  for (int i = 0; i < a->program_count; i++) {
    const rgc_program *p = &a->programs[i], *q = rgc_plan_program(b, p->kind, p->target, p->precision, p->batch);
    cr_assert(q);
    cr_assert_str_eq(p->ledger, q->ledger);
    cr_assert_str_eq(graph_text(f, p->graph), graph_text(f, q->graph));
    cr_assert(!memcmp(p->memory->places, q->memory->places, sizeof *p->memory->places * (size_t)p->memory->place_count));
    cr_assert(!memcmp(p->memory->region_bytes, q->memory->region_bytes, sizeof p->memory->region_bytes));
    cr_assert(!memcmp(&p->memory->peak, &q->memory->peak, sizeof p->memory->peak));
  }
  cr_assert_eq(a->tensor_count, b->tensor_count);
  for (int i = 0; i < a->tensor_count; i++) {
    const rgc_tensor_file file = {.tensors = b->tensors, .tensor_count = b->tensor_count};
    const rgc_tensor *t = &a->tensors[i], *u = rgc_tensor_find(&file, t->name);
    cr_assert(u && u->size_bytes == t->size_bytes && !memcmp(t->data, u->data, t->size_bytes) && t->rank == u->rank);
  }
}

Test(plan, a_plan_of_a_network_comes_back, .timeout = 120) {
  fixture f = setup();
  rgc_network *network;
  rgc_plan *plan = empty_plan(&f, "graphs/cifar_resnet20.yaml", NULL, 0, &network);
  add_program(&f, plan, network, RGC_PROGRAM_TRAIN, 32);
  add_program(&f, plan, network, RGC_PROGRAM_EVAL, 1);
  add_program(&f, plan, network, RGC_PROGRAM_FOLD, 1);
  add_program(&f, plan, network, RGC_PROGRAM_INFER, 1);
  bytes b = written(&f, plan);
  rgc_plan *back = rgc_plan_parse(f.arena, b.data, b.size, "x.bin", &f.diags);
  cr_assert(back, "%s", rendered(&f));
  expect_equal(&f, plan, back);
  cr_assert(!rgc_plan_program(back, RGC_PROGRAM_TRAIN, "cpu-avx512", "fp32", 31));
  cr_assert(!rgc_plan_program(back, RGC_PROGRAM_INFER, plan->programs[0].target, "fp32", 32));
  add_tensors(&f, plan);
  char *path = temp_path(&f);
  cr_assert(rgc_plan_write(plan, path, &f.diags), "%s", rendered(&f));
  back = rgc_plan_read(f.arena, path, &f.diags);
  cr_assert(back, "%s", rendered(&f));
  expect_equal(&f, plan, back);
  cr_assert(rgc_plan_write(back, path, &f.diags), "a plan that was read can be written over itself");
  bytes again = slurp(&f, path);
  cr_assert(rgc_plan_write(plan, path, &f.diags));
  bytes first = slurp(&f, path);
  cr_assert(first.size == again.size);
  forget(path);
  rgc_arena_destroy(f.arena);
}

Test(plan, diagnostics_and_lines_of_a_plans_network_are_the_users) {
  fixture f = setup();
  rgc_network *network, *back;
  rgc_plan *plan = empty_plan(&f, "graphs/resnet18_10.yaml", NULL, 0, &network);
  bytes b = written(&f, plan);
  rgc_plan *read = rgc_plan_parse(f.arena, b.data, b.size, "x.bin", &f.diags);
  cr_assert(read, "%s", rendered(&f));
  back = rgc_network_parse(f.arena, read->source, read->line_map, &f.diags);
  cr_assert(back, "%s", rendered(&f));
  cr_assert_str_eq(graph_text(&f, rgc_network_build(back, 5, true, &f.diags)), graph_text(&f, rgc_network_build(network, 5, true, &f.diags)));
  rgc_arena_destroy(f.arena);
}

/* Refused, and some error names the file. */
static void expect_refused(const void *data, size_t size, const char *format, long long number) {
  fixture f = setup();
  const char *what = rgc_arena_printf(f.arena, "%s %lld", format, number);
  cr_assert_null(rgc_plan_parse(f.arena, data, size, "some.bin", &f.diags), "%s", what);
  cr_assert(f.diags.error_count > 0, "%s: no error", what);
  bool named = false;
  for (int i = 0; i < f.diags.count; i++) named |= f.diags.items[i].at.file && !strcmp(f.diags.items[i].at.file, "some.bin");
  cr_assert(named, "%s: the file is not named", what);
  rgc_arena_destroy(f.arena);
}

Test(plan, every_truncation_is_refused) {
  fixture f = setup();
  bytes b = written(&f, small_plan(&f));
  for (size_t size = 0; size < b.size; size += size < 64 ? 1 : b.size / 200 + 1) {
    unsigned char *cut = malloc(size + 1); /* of this very size, so that a sanitizer sees what is read behind it */
    memcpy(cut, b.data, size);
    expect_refused(cut, size, "truncated to", (long long)size);
    free(cut);
  }
  unsigned char *longer = rgc_arena_alloc(f.arena, b.size + 1);
  memcpy(longer, b.data, b.size);
  expect_refused(longer, b.size + 1, "longer by", 1);
  rgc_arena_destroy(f.arena);
}

Test(plan, every_flipped_bit_is_refused, .timeout = 120) {
  fixture f = setup();
  bytes b = written(&f, small_plan(&f));
  seed();
  for (int i = 0; i < 3000; i++) {
    uint64_t bit = i < 200 ? (uint64_t)i : draw(b.size * 8);
    b.data[bit / 8] ^= (unsigned char)(1u << bit % 8);
    expect_refused(b.data, b.size, "flipped bit", (long long)bit);
    b.data[bit / 8] ^= (unsigned char)(1u << bit % 8);
  }
  rgc_arena_destroy(f.arena);
}

/* Hand edits with a right digest. */

static bytes write_file(fixture *f, const rgc_tensor_file *file) {
  char *path = temp_path(f);
  cr_assert(rgc_safetensors_write(file, path, &f->diags), "%s", rendered(f));
  bytes b = slurp(f, path);
  forget(path);
  return b;
}

static char *replace(fixture *f, const char *text, const char *old, const char *new) {
  const char *at = strstr(text, old);
  return at ? rgc_arena_printf(f->arena, "%.*s%s%s", (int)(at - text), text, new, at + strlen(old)) : NULL;
}

/* The plan's file with the first `old` in entry `key...` replaced. The digest is made anew. */
static void expect_edit_refused(const char *key, const char *old, const char *new) {
  fixture f = setup();
  bytes b = written(&f, small_plan(&f));
  rgc_tensor_file *file = rgc_safetensors_parse(f.arena, b.data, b.size, "x", &f.diags);
  bool changed = false;
  for (int i = 0; i < file->metadata_count && !changed; i++) {
    if (strncmp(file->metadata[i].key, key, strlen(key))) continue;
    const char *edited = replace(&f, file->metadata[i].text, old, new);
    cr_assert(edited, "%s has no '%s':\n%s", key, old, file->metadata[i].text);
    file->metadata[i].text = edited;
    changed = true;
  }
  cr_assert(changed);
  b = write_file(&f, file);
  expect_refused(b.data, b.size, rgc_arena_printf(f.arena, "%s: '%s' -> '%s'", key, old, new), 0);
  rgc_arena_destroy(f.arena);
}

Test(plan, hand_edits_with_a_right_digest_are_refused, .timeout = 120) {
  static const char *const edits[][3] = {
      {"rgc_plan", "1", "2"},
      {"source", "rgc: 1\n", "rgc: 1\n\n"},
      {"source", "channels: 3", "channels: 4"},
      {"source", "width: 4", "width: 5"},
      {"source", "stem", "stem2"},
      {"line_map", "at 0", "at 0 "},
      {"line_map", "at 0 ", "at 7 "},
      {"line_map", "network ", "netwok "},
      {"graph", "batch 2", "batch 0"},
      {"graph", "batch 2", "batch 3"},
      {"graph", "value %input", "value  %input"},
      {"graph", "value %input f32 input [2,", "value %input f32 input [4,"},
      {"program.train", "program train", "program eval"},
      {"program.train", " fp32 2\n", " fp32 3\n"},
      {"program.train", " fp32 2\n", " fp32 99999999999999999999\n"},
      {"program.train", " fp32 2\n", " ../fp32 2\n"},
      {"program.train", "region param ", "region param 0"},
      {"program.train", "region param ", "region param 64000000000000000000"},
      {"program.train", "region param ", "region param -"},
      {"program.train", "region state", "region act"},
      {"program.train", "peak ", "peak 1"},
      {"program.train", "place %input act ", "place %input act -64"},
      {"program.train", "place %input act ", "place %input act 6"},
      {"program.train", "place %input act ", "place %inpot act "},
      {"program.train", "place %input act ", "place %input param "},
      {"program.train", "place %input act ", "place %x act 0 0\nplace %input act "},
      {"program.train", "value %input f32 input [2,8,8,3]", "value %input f32 input [2,8,8,2]"},
      {"program.train", "value %label i32 label [2,1,1,1]", "value %label i32 label [1,1,1,1]"},
      {"program.train", "value %label i32 label", "value %label f32 label"},
      {"program.train", "extent [2,", "extent [3,"},
      {"program.train", "a_extent [2,", "a_extent [9223372036854775807,"},
      {"program.train", "geometry 3,3,1,1,1,1,0", "geometry 3,3,1,0,1,1,0"},
      {"program.train", "store point ", "store sum "},
      {"program.train", "load 0", "load 9"},
      {"program.train", "layer=\"", "layer=\"*/ int x; /*"},
      {"program.train", "layout=panel(1,16,", "layout=panel(1,1,"},
      {"program.train", " batch 2\n", " batch 2\n# x\n"},
      {"program.eval", "program eval", "program infer"},
      {"program.infer", "value %input f32 input [2,8,8,3]", "value %input f32 input [2,8,7,3]"},
      {"program.infer", " folded [", " buffer ["},
      {"program.infer", "region folded", "region act"},
      {"program.fold", "program fold", "program infer"},
  };
  for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) expect_edit_refused(edits[i][0], edits[i][1], edits[i][2]);
}

/* The metadata and tensors of the small plan, to be changed. */
static rgc_tensor_file *open_file(fixture *f) {
  *f = setup();
  bytes b = written(f, small_plan(f));
  return rgc_safetensors_parse(f->arena, b.data, b.size, "x", &f->diags);
}

static void close_refused(fixture *f, const rgc_tensor_file *file, const char *what) {
  bytes b = write_file(f, file);
  expect_refused(b.data, b.size, what, 0);
  rgc_arena_destroy(f->arena);
}

static void drop_entry(rgc_tensor_file *file, int i) { file->metadata[i] = file->metadata[--file->metadata_count]; }

Test(plan, entries_missing_or_unknown_are_refused) {
  fixture f;
  int count = open_file(&f)->metadata_count;
  rgc_arena_destroy(f.arena);
  for (int i = 0; i < count; i++) {
    rgc_tensor_file *file = open_file(&f);
    bool needed = strncmp(file->metadata[i].key, "program.", 8) && strcmp(file->metadata[i].key, "digest"); /* the writer adds that one */
    drop_entry(file, i);
    if (needed) close_refused(&f, file, "an entry less");
    else rgc_arena_destroy(f.arena);
  }
  rgc_tensor_file *file = open_file(&f);
  *RGC_PUSH(f.arena, file->metadata, file->metadata_count, file->metadata_capacity) = (rgc_metadata){"more", "x"};
  close_refused(&f, file, "an unknown entry");
  file = open_file(&f);
  for (int i = 0; i < file->metadata_count; i++)
    if (!strncmp(file->metadata[i].key, "program.train", 13)) {
      const char *text = file->metadata[i].text;
      *RGC_PUSH(f.arena, file->metadata, file->metadata_count, file->metadata_capacity) = (rgc_metadata){"program.train.again", text};
      break;
    }
  close_refused(&f, file, "a program under another name");
}

Test(plan, a_plan_without_a_digest_is_refused) {
  fixture f = setup();
  bytes b = written(&f, small_plan(&f));
  unsigned char *at = memmem(b.data, b.size, "\"digest\"", 8);
  cr_assert(at);
  at[1] = 'D';
  expect_refused(b.data, b.size, "no digest", 0);
  rgc_arena_destroy(f.arena);
}

Test(plan, tensors_are_all_there_or_none_and_as_the_graph_has_them) {
  fixture f;
  rgc_tensor_file *file = open_file(&f);
  file->tensor_count--;
  close_refused(&f, file, "a tensor less");
  file = open_file(&f);
  file->tensors[0].name = "no.such";
  close_refused(&f, file, "another name");
  file = open_file(&f);
  file->tensors[0].name = "input";
  close_refused(&f, file, "no parameter");
  file = open_file(&f);
  int last = --file->tensors[0].rank;
  file->tensors[0].shape[last - 1] *= file->tensors[0].shape[last];
  close_refused(&f, file, "another rank");
  file = open_file(&f);
  file->tensors[0].dtype = RGC_TENSOR_I64;
  file->tensors[0].shape[0] /= 2;
  close_refused(&f, file, "another type");
  file = open_file(&f);
  file->tensor_count = 0;
  bytes b = write_file(&f, file);
  cr_assert(rgc_plan_parse(f.arena, b.data, b.size, "x", &f.diags), "no tensors at all: %s", rendered(&f));
  rgc_arena_destroy(f.arena);
}

/* In memory: what a pass or a caller may get wrong. */

static void refuse(fixture *f, const rgc_plan *plan, const char *what) {
  int before = f->diags.error_count;
  cr_assert_not(rgc_plan_verify(plan, "mine", &f->diags), "%s", what);
  cr_assert(f->diags.error_count > before, "%s", what);
}

/* Of two BN parameters, which have one size: right alone, but not beside other programs. */
static void exchange_places(rgc_program *p) {
  int a = rgc_graph_find(p->graph, "bn1.weight"), b = rgc_graph_find(p->graph, "bn1.bias");
  cr_assert(a >= 0 && b >= 0);
  rgc_place place = p->memory->places[a];
  p->memory->places[a] = p->memory->places[b];
  p->memory->places[b] = place;
}

Test(plan, writing_verifies_first) {
  fixture f = setup();
  rgc_plan *plan = small_plan(&f);
  cr_assert(rgc_plan_verify(plan, "mine", &f.diags), "%s", rendered(&f));
  rgc_program *p = &plan->programs[0], saved = *p;
  p->batch = 7;
  refuse(&f, plan, "batch");
  *p = saved;
  p->target = "x y";
  refuse(&f, plan, "target");
  *p = saved;
  p->graph = plan->unfused;
  refuse(&f, plan, "composite ops");
  *p = plan->programs[1];
  refuse(&f, plan, "twice");
  *p = saved;
  p->memory->places[0].offset_bytes += 64;
  refuse(&f, plan, "a place");
  char *path = temp_path(&f);
  cr_assert_not(rgc_plan_write(plan, path, &f.diags));
  cr_assert(access(path, F_OK) && errno == ENOENT, "nothing is written");
  p->memory->places[0].offset_bytes -= 64;
  exchange_places(&plan->programs[1]);
  refuse(&f, plan, "programs that do not agree where a parameter lies");
  exchange_places(&plan->programs[1]);
  const rgc_graph *unfused = plan->unfused;
  plan->unfused = p->graph;
  refuse(&f, plan, "kernels in the unfused graph");
  plan->unfused = (rgc_graph *)unfused;
  cr_assert(rgc_plan_verify(plan, "mine", &f.diags), "%s", rendered(&f));
  forget(path);
  rgc_arena_destroy(f.arena);
}

Test(plan, a_full_disk_leaves_the_earlier_file) {
  fixture f = setup();
  rgc_plan *plan = small_plan(&f);
  char *path = temp_path(&f);
  cr_assert(rgc_plan_write(plan, path, &f.diags));
  bytes before = slurp(&f, path);
  signal(SIGXFSZ, SIG_IGN); /* a write past the limit fails as one to a full disk does */
  for (size_t limit = 0; limit < before.size; limit += before.size / 7 + 1) {
    struct rlimit old, low = {.rlim_cur = limit, .rlim_max = RLIM_INFINITY};
    getrlimit(RLIMIT_FSIZE, &old);
    low.rlim_max = old.rlim_max;
    setrlimit(RLIMIT_FSIZE, &low);
    bool wrote = rgc_plan_write(plan, path, &f.diags);
    setrlimit(RLIMIT_FSIZE, &old);
    cr_assert_not(wrote);
  }
  bytes after = slurp(&f, path);
  cr_assert(before.size == after.size && !memcmp(before.data, after.data, before.size));
  remove(path);
  *strrchr(path, '/') = 0;
  cr_assert_eq(rmdir(path), 0, "something else was left in the folder");
  cr_assert_not(rgc_plan_write(plan, "/no/such/folder/plan.bin", &f.diags));
  cr_assert_null(rgc_plan_read(f.arena, "/no/such/plan.bin", &f.diags));
  rgc_arena_destroy(f.arena);
}

/* Texts with random edits, the digest right: accepted only if the plan is a right one, and never a crash. */
Test(plan, random_edits_never_crash, .timeout = 300) {
  fixture f = setup();
  bytes whole = written(&f, small_plan(&f));
  rgc_tensor_file *file = rgc_safetensors_parse(f.arena, whole.data, whole.size, "x", &f.diags);
  seed();
  const char *rounds = getenv("RGC_TEST_ROUNDS");
  for (int i = 0; i < (rounds ? atoi(rounds) : 400); i++) {
    fixture g = setup();
    rgc_tensor_file changed = *file;
    changed.metadata = RGC_NEW_ARRAY(g.arena, rgc_metadata, file->metadata_count);
    memcpy(changed.metadata, file->metadata, sizeof *file->metadata * (size_t)file->metadata_count);
    rgc_metadata *entry = &changed.metadata[draw((uint64_t)file->metadata_count)];
    char *text = rgc_arena_strdup(g.arena, entry->text);
    static const char letters[] = "0123456789-[],%=\n \"anhwc*/+.";
    for (uint64_t edits = 1 + draw(3); edits > 0 && *text; edits--) {
      char *at = text + draw(strlen(text));
      if (draw(2) && strlen(at) > 1) memmove(at, at + 1, strlen(at));
      else *at = letters[draw(sizeof letters - 1)];
    }
    entry->text = text;
    bytes b = write_file(&g, &changed);
    rgc_plan *plan = rgc_plan_parse(g.arena, b.data, b.size, "x", &g.diags);
    cr_assert(!plan == (g.diags.error_count > 0), "%s", rendered(&g));
    cr_assert(!plan || rgc_plan_verify(plan, "x", &g.diags));
    rgc_arena_destroy(g.arena);
  }
  rgc_arena_destroy(f.arena);
}

Test(plan, the_document_names_every_key) {
  fixture f;
  rgc_tensor_file *file = open_file(&f);
  bytes doc = slurp(&f, "docs/PLAN_FORMAT.md");
  for (int i = 0; i < file->metadata_count; i++) {
    const char *key = file->metadata[i].key;
    const char *shown = strncmp(key, "program.", 8) ? rgc_arena_printf(f.arena, "`%s`", key) : "`program.KIND.TARGET.PRECISION.BATCH`";
    cr_assert(strstr((const char *)doc.data, shown), "%s", shown);
  }
  static const char *const words[] = {"program ", "region ", "peak ", "ledger ", "place ", "network ", "file ", "text ", "at ", "plain "};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    cr_assert(strstr((const char *)doc.data, rgc_arena_printf(f.arena, "\n%s", words[i])), "%s", words[i]);
  rgc_arena_destroy(f.arena);
}
