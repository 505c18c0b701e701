/* import_mismatch.c: see import_mismatch.h. */
#include "runtime/import/import_mismatch.h"

#include <inttypes.h>
#include <string.h>

#include "compiler/plan/plan.h"
#include "runtime/import/import_fit.h"
#include "runtime/import/import_names.h"

enum { MOST_TOLD = 4 };

const char *rgc_import_shape_text(const int64_t *shape, int rank, rgc_arena *arena) {
  rgc_text out = {0};
  rgc_text_add(&out, "[");
  for (int i = 0; i < rank; i++) rgc_text_printf(&out, "%s%" PRId64, i ? "," : "", shape[i]);
  rgc_text_add(&out, "]");
  return rgc_text_take(&out, arena);
}

/* ---- what would help ---- */

static bool only_the_head(const rgc_mismatch *m) {
  for (int i = 0; i < m->count; i++)
    if (!m->head || !rgc_layer_holds(m->head, m->misfits[i].value->name)) return false;
  return m->count && !m->missing.count;
}

/* A convolution that differs in its input channels alone, which are those of the image on one side. */
static const char *channels_help(const rgc_misfit *misfit, const rgc_network *network, rgc_arena *arena) {
  int64_t want[RGC_TENSOR_MAX_RANK] = {0};
  int rank = rgc_torch_shape(misfit->value, want);
  const int64_t *found = misfit->tensor->shape;
  if (rank != 4 || misfit->tensor->rank != 4 || want[1] != network->channels || want[0] != found[0] || want[2] != found[2] || want[3] != found[3]) return NULL;
  if (want[1] == 1 && found[1] == 3) return "weights: {file: FILE, channels: sum} sums the input channels";
  return rgc_arena_printf(arena, "input: {channels: %" PRId64 "} and a mean and std for as many would fit the file", found[1]);
}

static const char *help_of(const rgc_mismatch *m, const rgc_network *network, const rgc_tensor_file *file, rgc_arena *arena) {
  if (only_the_head(m)) return "another class count? weights: {file: FILE, head: fresh} draws the last layer anew";
  const char *channels = m->count == 1 && !m->missing.count ? channels_help(&m->misfits[0], network, arena) : NULL;
  if (channels) return channels;
  const char *fitting = rgc_import_fitting(network, file, arena);
  if (fitting) return rgc_arena_printf(arena, "it fits %s", fitting);
  const char *hint = rgc_import_hint(&m->missing, &m->left_over);
  if (hint) return hint;
  const char *missing = m->missing.count ? m->missing.items[0] : NULL;
  const char *near = missing ? rgc_suggest(missing, m->left_over.items, m->left_over.count) : NULL;
  return near ? rgc_arena_printf(arena, "rename: {%s: %s} in weights: if '%s' is meant", near, missing, near) : "is it of another network?";
}

/* ---- what is wrong ---- */

static const char *layer_of(const char *name, rgc_arena *arena) {
  const char *dot = strrchr(name, '.');
  return dot ? rgc_arena_strndup(arena, name, (size_t)(dot - name)) : name;
}

static void report_misfit(const rgc_misfit *misfit, const char *path, const char *help, rgc_diagnostics *diags) {
  const rgc_tensor *t = misfit->tensor;
  int64_t want[RGC_TENSOR_MAX_RANK] = {0};
  int rank = rgc_torch_shape(misfit->value, want);
  rgc_diag_fail(diags, RGC_CODE_WEIGHTS, path, help, "layer %s: '%s' is %s in the file and %s in the network", layer_of(misfit->value->name, diags->arena),
                t->name, rgc_import_shape_text(t->shape, t->rank, diags->arena), rgc_import_shape_text(want, rank, diags->arena));
}

void rgc_import_report_mismatch(const rgc_mismatch *m, const rgc_network *network, const rgc_tensor_file *file, const char *path,
                                rgc_diagnostics *diags) {
  if (!m->count && !m->missing.count) return;
  const char *help = help_of(m, network, file, diags->arena);
  int told = m->count > MOST_TOLD ? MOST_TOLD - 1 : m->count;
  for (int i = 0; i < told; i++) report_misfit(&m->misfits[i], path, i ? NULL : help, diags);
  if (told < m->count) rgc_diag_fail(diags, RGC_CODE_WEIGHTS, path, NULL, "%d more tensors are of other shapes than the network's", m->count - told);
  if (!m->missing.count) return;
  rgc_diag_fail(diags, RGC_CODE_WEIGHTS, path, told ? NULL : help, "has no tensor '%s'%s", m->missing.items[0],
                m->missing.count > 1 ? rgc_arena_printf(diags->arena, ", nor %d more that the network needs", m->missing.count - 1) : "");
}
