/* import_fit.c: see import_fit.h. Graph files are tried one by one, each in an arena of its own; a number of tensors that differs rules
 * most of them out at once. */
#include "runtime/import/import_fit.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/file.h"
#include "compiler/plan/plan.h"
#include "runtime/import/import_names.h"

enum { MOST_FILES = 512, MOST_NAMED = 3 };

typedef enum fit { FIT_NONE, FIT_BUT_HEAD, FIT_WHOLE } fit;

/* ---- one network ---- */

static int rank_without_ones(const int64_t *shape, int rank) {
  while (rank > 1 && shape[rank - 1] == 1) rank--;
  return rank;
}

bool rgc_import_same_shape(const int64_t *a, int a_rank, const int64_t *b, int b_rank) {
  int x = rank_without_ones(a, a_rank), y = rank_without_ones(b, b_rank);
  return x == y && !memcmp(a, b, sizeof *a * (size_t)x);
}

static bool has_shape(const rgc_value *v, const rgc_tensor *t) {
  int64_t want[RGC_TENSOR_MAX_RANK] = {0};
  return rgc_import_same_shape(want, rgc_torch_shape(v, want), t->shape, t->rank);
}

static fit fit_of(const rgc_network *network, const rgc_graph *graph, const rgc_tensor_file *file, rgc_arena *arena) {
  int wanted = 0, given = 0;
  for (int i = 0; i < graph->value_count; i++) wanted += rgc_import_is_wanted(&graph->values[i]);
  for (int i = 0; i < file->tensor_count; i++) given += !rgc_import_is_counter(file->tensors[i].name);
  if (wanted != given) return FIT_NONE;
  const rgc_naming *naming;
  const char **names = rgc_import_name_all(network, graph, file, &naming, arena), *head = rgc_import_head(graph);
  fit found = FIT_WHOLE;
  for (int i = 0; i < graph->value_count; i++) {
    const rgc_value *v = &graph->values[i];
    if (!rgc_import_is_wanted(v)) continue;
    int at = rgc_import_find(names, file->tensor_count, v->name);
    if (at < 0) return FIT_NONE;
    if (has_shape(v, &file->tensors[at])) continue;
    if (!head || !rgc_layer_holds(head, v->name)) return FIT_NONE;
    found = FIT_BUT_HEAD;
  }
  return found;
}

static fit try_file(const char *path, const rgc_tensor_file *file) {
  rgc_arena *arena = rgc_arena_create();
  rgc_diagnostics silent = {.arena = arena};
  rgc_network *network = rgc_network_load(arena, path, NULL, 0, &silent);
  rgc_graph *graph = network ? rgc_network_build(network, 1, false, &silent) : NULL;
  fit found = graph ? fit_of(network, graph, file, arena) : FIT_NONE;
  rgc_arena_destroy(arena);
  return found;
}

/* ---- the files ---- */

static void add_once(rgc_names *names, const char *text, rgc_arena *arena) {
  for (int i = 0; i < names->count; i++)
    if (!strcmp(names->items[i], text)) return;
  *RGC_PUSH(arena, names->items, names->count, names->capacity) = text;
}

static int by_name(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

static void add_files(rgc_names *files, const char *folder, rgc_arena *arena) {
  DIR *dir = opendir(folder);
  for (struct dirent *entry; dir && files->count < MOST_FILES && (entry = readdir(dir));) {
    size_t length = strlen(entry->d_name);
    if (length > 5 && !strcmp(entry->d_name + length - 5, ".yaml")) add_once(files, rgc_arena_printf(arena, "%s/%s", folder, entry->d_name), arena);
  }
  if (dir) closedir(dir);
}

static const char *print_files(const rgc_names *files, rgc_arena *arena) {
  rgc_text out = {0};
  int named = files->count > MOST_NAMED ? MOST_NAMED - 1 : files->count;
  for (int i = 0; i < named; i++)
    rgc_text_printf(&out, "%s%s", !i ? "" : i + 1 == files->count ? " or " : ", ", files->items[i]);
  if (named < files->count) rgc_text_printf(&out, " or %d more", files->count - named);
  return rgc_text_take(&out, arena);
}

const char *rgc_import_fitting(const rgc_network *network, const rgc_tensor_file *file, rgc_arena *arena) {
  rgc_names folders = {0}, files = {0}, whole = {0}, but_head = {0};
  add_once(&folders, rgc_folder_of(network->file, arena), arena);
  for (int i = 0; network->root && i < network->root->count; i++)
    if (network->root->items[i]->source) add_once(&folders, rgc_folder_of(network->root->items[i]->source->file, arena), arena);
  for (int i = 0; i < folders.count; i++) add_files(&files, folders.items[i], arena);
  if (files.count) qsort(files.items, (size_t)files.count, sizeof *files.items, by_name);
  for (int i = 0; i < files.count; i++) {
    fit found = try_file(files.items[i], file);
    if (found != FIT_NONE) add_once(found == FIT_WHOLE ? &whole : &but_head, files.items[i], arena);
  }
  if (whole.count) return print_files(&whole, arena);
  return but_head.count ? rgc_arena_printf(arena, "%s, with weights: {file: FILE, head: fresh}", print_files(&but_head, arena)) : NULL;
}
