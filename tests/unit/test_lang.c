/* test_lang.c: every file of graphs/ meets its expect: and the rules of the IR; the names and shapes of resnet18, 34 and 50 equal
 * torchvision's; every mistake of tests/golden/diag/NAME.yaml gives exactly NAME.txt. Runs in the source directory. */
#include <criterion/criterion.h>
#include <ctype.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/lang/formula.h"
#include "compiler/lang/layer.h"
#include "compiler/lang/lang.h"
#include "compiler/plan/plan.h"
#include "runtime/data/slurp.h"

typedef struct bench {
  rgc_arena *arena;
  rgc_diagnostics diags;
} bench;

static void open_bench(bench *b) {
  b->arena = rgc_arena_create();
  rgc_diagnostics_init(&b->diags, b->arena);
}

static const char *rendered(bench *b) {
  rgc_text text = {0};
  rgc_diag_render(&b->diags, false, &text);
  return rgc_text_take(&text, b->arena);
}

static rgc_graph *build(bench *b, const char *file, const char *const *sets, int count, bool training) {
  rgc_network *n = rgc_network_load(b->arena, file, sets, count, &b->diags);
  rgc_graph *graph = n ? rgc_network_build(n, 2, training, &b->diags) : NULL;
  cr_assert(graph, "%s: %s", file, rendered(b));
  cr_assert(rgc_graph_verify(graph, &b->diags), "%s: %s", file, rendered(b));
  return graph;
}

/* Whether `word` stands in the text as a word of its own. */
static bool has_word(const char *text, const char *word) {
  size_t length = strlen(word);
  for (const char *at = text; (at = strstr(at, word)); at++)
    if (!isalnum((unsigned char)at[length]) && at[length] != '_' && (at == text || (!isalnum((unsigned char)at[-1]) && at[-1] != '_'))) return true;
  return false;
}

/* What the fuzzer starts from has every layer word, and is right. */
Test(lang, the_corpus_has_every_layer_word) {
  static const char *const files[] = {"tests/fuzz/corpus/yaml/all_words.yaml", "tests/fuzz/corpus/yaml/family_words.yaml"};
  const char *words[128], *texts[2];
  bench b;
  open_bench(&b);
  for (int i = 0; i < 2; i++) {
    rgc_file_bytes bytes;
    cr_assert(rgc_file_slurp(files[i], b.arena, &bytes, &b.diags));
    texts[i] = rgc_arena_strndup(b.arena, (const char *)bytes.data, bytes.size_bytes);
    build(&b, files[i], NULL, 0, true);
  }
  int count = rgc_layer_kind_words(words, 128);
  for (int i = 0; i < count; i++) cr_expect(has_word(texts[0], words[i]) || has_word(texts[1], words[i]), "no file has '%s'", words[i]);
  rgc_arena_destroy(b.arena);
}

Test(lang, every_graph_file_meets_its_expectation, .timeout = 120) {
  glob_t files;
  cr_assert(glob("graphs/*.yaml", 0, NULL, &files) == 0);
  for (size_t i = 0; i < files.gl_pathc; i++) {
    bench b;
    open_bench(&b);
    build(&b, files.gl_pathv[i], NULL, 0, false);
    if (!strstr(files.gl_pathv[i], "twohead")) build(&b, files.gl_pathv[i], NULL, 0, true);
    rgc_arena_destroy(b.arena);
  }
  globfree(&files);
}

/* "[64, 3, 7, 7]" of a value in PyTorch's order. */
static const char *torch_shape(rgc_arena *arena, const rgc_value *v) {
  const int64_t *s = v->shape;
  if (v->torch_rank == 4) return rgc_arena_printf(arena, "[%d, %d, %d, %d]", (int)s[0], (int)s[3], (int)s[1], (int)s[2]);
  if (v->torch_rank == 2) return rgc_arena_printf(arena, "[%d, %d]", (int)s[0], (int)(s[1] * s[2] * s[3]));
  return rgc_arena_printf(arena, "[%d]", (int)s[3]);
}

static int count_saved(const rgc_graph *graph) {
  int count = 0;
  for (int i = 0; i < graph->value_count; i++)
    count += graph->values[i].role == RGC_ROLE_PARAM || graph->values[i].role == RGC_ROLE_BUFFER;
  return count;
}

static void compare_state(int depth) {
  bench b;
  open_bench(&b);
  const char *list = rgc_arena_printf(b.arena, "tests/data/resnet%d_state_dict.txt", depth);
  rgc_graph *graph = build(&b, rgc_arena_printf(b.arena, "graphs/resnet%d.yaml", depth), NULL, 0, true);
  FILE *f = fopen(list, "r");
  cr_assert(f);
  char name[128], shape[64];
  int count = 0;
  while (fscanf(f, "%127[^\t]\t%63[^\t]\t%*s\n", name, shape) == 2) {
    if (strstr(name, "num_batches_tracked")) continue;
    int id = rgc_graph_find(graph, name);
    cr_assert(id >= 0, "%s", name);
    cr_assert_str_eq(torch_shape(b.arena, &graph->values[id]), shape, "%s", name);
    count++;
  }
  fclose(f);
  cr_assert_eq(count, count_saved(graph));
  rgc_arena_destroy(b.arena);
}

Test(lang, state_equals_torchvision) {
  compare_state(18);
  compare_state(34);
  compare_state(50);
}

/* The family's state against tests/data/family_states.tsv, whose first line tells what its hashes are of. */

static int compare_lines(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

static uint64_t hash_state(bench *b, const rgc_graph *graph) {
  const char **lines = RGC_NEW_ARRAY(b->arena, const char *, graph->value_count + 1);
  int count = 0;
  for (int i = 0; i < graph->value_count; i++) {
    const rgc_value *v = &graph->values[i];
    if (v->role != RGC_ROLE_PARAM && v->role != RGC_ROLE_BUFFER) continue;
    int64_t shape[RGC_TENSOR_MAX_RANK];
    int rank = rgc_torch_shape(v, shape);
    const char *line = rgc_arena_printf(b->arena, "%s ", v->name);
    for (int k = 0; k < rank; k++) line = rgc_arena_printf(b->arena, "%s%s%lld", line, k ? "," : "", (long long)shape[k]);
    lines[count++] = line;
  }
  qsort(lines, (size_t)count, sizeof *lines, compare_lines);
  uint64_t hash = 14695981039346656037u;
  for (int i = 0; i < count; i++) {
    for (const char *at = lines[i]; *at; at++) hash = (hash ^ (unsigned char)*at) * 1099511628211u;
    hash = (hash ^ '\n') * 1099511628211u;
  }
  return hash;
}

Test(lang, state_of_the_family_equals_torchvision_and_timm, .timeout = 60) {
  FILE *f = fopen("tests/data/family_states.tsv", "r");
  cr_assert(f && fscanf(f, "%*[^\n]\n") == 0);
  char name[64];
  int tensors, models = 0;
  unsigned long long hash;
  for (; fscanf(f, "%63s %d %llx\n", name, &tensors, &hash) == 3; models++) {
    bench b;
    open_bench(&b);
    rgc_graph *graph = build(&b, rgc_arena_printf(b.arena, "graphs/%s.yaml", name), NULL, 0, false);
    cr_expect_eq(count_saved(graph), tensors, "%s: %d tensors, and must have %d", name, count_saved(graph), tensors);
    cr_expect_eq(hash_state(&b, graph), hash, "%s: a name or shape differs", name);
    rgc_arena_destroy(b.arena);
  }
  fclose(f);
  cr_assert_eq(models, 39);
}

static const char *read_file(bench *b, const char *path) {
  FILE *f = fopen(path, "r");
  if (!f) return "";
  char *text = rgc_arena_alloc(b->arena, 65536);
  text[fread(text, 1, 65535, f)] = 0;
  fclose(f);
  return text;
}

Test(lang, diagnostics_equal_golden, .timeout = 60) {
  glob_t files;
  cr_assert(glob("tests/golden/diag/*.yaml", 0, NULL, &files) == 0);
  for (size_t i = 0; i < files.gl_pathc; i++) {
    bench b;
    open_bench(&b);
    const char *file = files.gl_pathv[i];
    rgc_arena *arena = rgc_arena_create(); /* what is told outlives the network: sanitizers see what does not */
    rgc_network *n = rgc_network_load(arena, file, NULL, 0, &b.diags);
    if (n) cr_expect_null(rgc_network_build(n, 2, true, &b.diags), "%s", file);
    rgc_arena_destroy(arena);
    const char *golden = rgc_arena_printf(b.arena, "%.*s.txt", (int)strlen(file) - 5, file);
    if (getenv("RGC_UPDATE_GOLDEN")) {
      FILE *f = fopen(golden, "w");
      fputs(rendered(&b), f);
      fclose(f);
    }
    cr_expect_str_eq(rendered(&b), read_file(&b, golden), "%s gives\n%s", file, rendered(&b));
    rgc_arena_destroy(b.arena);
  }
  globfree(&files);
}

Test(lang, overrides_come_last) {
  bench b;
  open_bench(&b);
  const char *sets[] = {"stages.*.repeat=1", "classes=7", "train.batch=5", "train.optimizer={sgd: {lr: 0.1, momentum: 0.9}}"};
  rgc_network *n = rgc_network_load(b.arena, "graphs/resnet18.yaml", sets, 4, &b.diags);
  cr_assert(n, "%s", rendered(&b));
  cr_assert(n->train.batch == 5 && n->classes[0].count == 7 && n->train.momentum == 0.9);
  rgc_graph *graph = rgc_network_build(n, 3, false, &b.diags);
  cr_assert(graph, "%s", rendered(&b));
  cr_assert_eq(graph->values[rgc_graph_find(graph, "logits")].shape[RGC_C], 7);
  cr_assert(rgc_graph_find(graph, "layer1.1.conv1.weight") < 0);
  rgc_arena_destroy(b.arena);
}

Test(lang, another_optimizer_replaces_the_bases) {
  bench b;
  open_bench(&b);
  rgc_network *n = rgc_network_load(b.arena, "tests/data/other_optimizer.yaml", NULL, 0, &b.diags);
  cr_assert(n, "%s", rendered(&b));
  const rgc_train_settings *t = &n->train;
  cr_expect(t->optimizer == RGC_OPTIMIZER_ADAMW && t->lr == 0.5 && t->schedule == RGC_SCHEDULE_STEP && t->step_at[0] == 2 && t->batch == 3);
  cr_expect(t->losses[0].smoothing == 0.1 && t->losses[0].weight == 0.5);
  rgc_arena_destroy(b.arena);
}

Test(lang, freeze_names_layers) {
  bench b;
  open_bench(&b);
  rgc_network *n = rgc_network_load(b.arena, "graphs/seed_finetune.yaml", NULL, 0, &b.diags);
  cr_assert(n, "%s", rendered(&b));
  cr_assert(rgc_network_is_frozen(n, "fc.weight") && !rgc_network_is_frozen(n, "fc_last.weight"));
  cr_assert(n->classes[0].count == 10 && strcmp(n->classes[0].names[1], "wine bottle") == 0);
  rgc_arena_destroy(b.arena);
}

Test(lang, freeze_takes_words_and_patterns) {
  cr_assert(rgc_layer_holds("*.bias", "fc.bias") && rgc_layer_holds("*.bias", "layer1.0.bn1.bias") && rgc_layer_holds("layer*.bn1", "layer1.0.bn1.weight"));
  cr_assert(!rgc_layer_holds("layer1", "layer10.weight") && !rgc_layer_holds("*.bias", "fc.weight") && !rgc_layer_holds("", "fc"));
  cr_assert(rgc_layer_holds("*1*1", "layer1.0.conv1.weight") && !rgc_layer_holds("*1*1", "layer1.0.conv2.weight") && rgc_layer_holds("*", "a.b"));
  bench b;
  open_bench(&b);
  const char *sets[] = {"freeze=all but fc_last, layer4.*.bn2"};
  rgc_network *n = rgc_network_load(b.arena, "graphs/seed_finetune.yaml", sets, 1, &b.diags);
  cr_assert(n, "%s", rendered(&b));
  cr_assert(rgc_network_is_frozen(n, "fc.weight") && !rgc_network_is_frozen(n, "fc_last.weight"));
  cr_assert(rgc_network_is_frozen(n, "layer4.0.bn1.bias") && !rgc_network_is_frozen(n, "layer4.2.bn2.bias"));
  rgc_arena_destroy(b.arena);
}

static void expect_shape(bench *b, const rgc_graph *graph, const char *name, const char *shape) {
  int id = rgc_graph_find(graph, name);
  cr_assert(id >= 0, "%s", name);
  cr_expect_str_eq(torch_shape(b->arena, &graph->values[id]), shape, "%s", name);
}

Test(lang, blocks_give_on_pairs_and_lists) {
  bench b;
  open_bench(&b);
  rgc_graph *graph = build(&b, "tests/data/given_on.yaml", NULL, 0, true);
  expect_shape(&b, graph, "layer1.0.a.conv1.weight", "[5, 2, 3, 5]");
  expect_shape(&b, graph, "layer1.0.b.conv1.weight", "[5, 5, 1, 1]");
  expect_shape(&b, graph, "layer2.0.a.conv1.weight", "[7, 3, 3, 1]");
  expect_shape(&b, graph, "layer2.0.a.bn2.weight", "[7]");
  expect_shape(&b, graph, "layer2.0.b.conv1.weight", "[7, 7, 3, 1]");
  expect_shape(&b, graph, "layer3.0.a.conv1.weight", "[6, 3, 3, 3]");
  expect_shape(&b, graph, "layer3.0.a.conv2.weight", "[4, 6, 1, 3]");
  expect_shape(&b, graph, "layer3.0.c.conv1.weight", "[3, 6, 5, 5]");
  cr_expect_lt(rgc_graph_find(graph, "layer1.0.b.bn2.weight"), 0);
  rgc_arena_destroy(b.arena);
}

/* `count` times `part`, after `begin`. */
static const char *repeated(bench *b, const char *begin, const char *part, int count) {
  rgc_text text = {0};
  rgc_text_printf(&text, "%s", begin);
  for (int i = 0; i < count; i++) rgc_text_printf(&text, part, i);
  return rgc_text_take(&text, b->arena);
}

static void expect_limit(const char *begin, const char *part, int count, const char *message) {
  bench b;
  open_bench(&b);
  const char *text = repeated(&b, begin, part, count);
  const rgc_yaml *node = rgc_yaml_parse(b.arena, text, strlen(text), "long.yaml", &b.diags);
  if (node && node->kind == RGC_YAML_SCALAR) rgc_formula_parse(b.arena, node, &b.diags);
  cr_expect(strstr(rendered(&b), message), "%s", message);
  rgc_arena_destroy(b.arena);
}

/* Each of these once took many seconds, or the stack. */
Test(lang, files_are_bounded, .timeout = 30) {
  expect_limit("1", " + %d", 1000000 / 2, "too long an expression");
  expect_limit("", "[", 100000, "more than 1000 open brackets");
  expect_limit("", "k%d: 1\n", 50000, "a map of more than 4096 keys");
  expect_limit("", "- a\n", 200000, "more than 100000 nodes");
}

Test(lang, errors_are_counted_but_not_all_kept, .timeout = 30) {
  bench b;
  open_bench(&b);
  const char *text = repeated(&b, "", "- (%d\n", 90000);
  cr_assert_null(rgc_yaml_parse(b.arena, text, strlen(text), "long.yaml", &b.diags));
  cr_assert(b.diags.error_count == 90000 && b.diags.count < 1000);
  rgc_arena_destroy(b.arena);
}
