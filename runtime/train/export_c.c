/* export_c.c: rgc_plan_export_c of rgc.h: program fold is run here, what it leaves becomes the weights file of the C program of `infer`
 * (codegen/standalone). */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "codegen/standalone/standalone.h"
#include "compiler/base/file.h"
#include "compiler/base/new_folder.h"
#include "runtime/train/model.h"
#include "runtime/train/probe.h"

static bool write_weights(const rgc_model *m, const rgc_standalone *made, const char *path, rgc_diagnostics *diags) {
  static const char spare[RGC_SPARE_BYTES];
  const rgc_place *places = m->infer.program->memory->places;
  FILE *to = fopen(path, "wb");
  bool good = to != NULL;
  for (int i = 0; good && i < made->weight_count; i++) {
    const rgc_standalone_weight *w = &made->weights[i];
    const char *from = (const char *)m->memory.host[places[w->value].region] + places[w->value].offset_bytes;
    good = fwrite(from, 1, (size_t)w->size_bytes, to) == (size_t)w->size_bytes;
  }
  good = good && fwrite(spare, 1, sizeof spare, to) == sizeof spare;
  if (to && fclose(to)) good = false;
  return good || rgc_diag_fail(diags, RGC_CODE_FILE_WRITE, path, "is the disk full?", "cannot be written: %s", strerror(errno));
}

static bool write_files(const rgc_model *m, const rgc_standalone *made, const char *dir, rgc_arena *arena, rgc_diagnostics *diags) {
  bool good = rgc_make_dir(rgc_arena_printf(arena, "%s/kernels", dir), NULL, diags);
  for (int i = 0; good && i < made->file_count; i++)
    good = rgc_write_text_file(rgc_arena_printf(arena, "%s/%s", dir, made->files[i].path), made->files[i].text, "is the disk full?", diags);
  return good && write_weights(m, made, rgc_arena_printf(arena, "%s/%s_weights.bin", dir, made->name), diags);
}

/* What the numbers of the input are, for the header. */
static const char *input_note(const rgc_network *n, rgc_arena *arena) {
  rgc_text out = {0};
  rgc_text_printf(&out, "Units of the input: ");
  if (!n->has_mean) rgc_text_add(&out, "as the network was trained; of 8-bit images usually value / 255.");
  else rgc_text_add(&out, "(value / 255 - mean) / std of 8-bit images, by channel:");
  for (int c = 0; n->has_mean && c < n->channels; c++)
    rgc_text_printf(&out, "%smean %.9g, std %.9g", c % 4 ? "; " : "\n  ", n->mean[c], n->std[c]);
  return rgc_text_take(&out, arena);
}

static rgc_standalone *emit(const rgc_model *m, rgc_arena *arena, rgc_diagnostics *diags) {
  const rgc_network *n = m->network;
  rgc_standalone_output outputs[RGC_MAX_OUTPUTS];
  rgc_cpu_step step = rgc_single_step(m, 0, m->batch);
  for (int i = 0; i < n->class_set_count; i++) outputs[i] = (rgc_standalone_output){n->classes[i].output, m->infer.outputs[i].logits};
  rgc_standalone_source source = {.graph = m->infer.program->graph, .memory = m->infer.program->memory, .target = rgc_cpu_target_named(m->target->name), .input = m->infer.input,
                                  .outputs = outputs, .output_count = n->class_set_count, .scalars = step.scalars,
                                  .input_note = input_note(n, arena)};
  return rgc_standalone_emit(&source, arena, diags);
}

static bool export(rgc_model *m, const char *dir, rgc_c_facts *facts, rgc_diagnostics *diags) {
  rgc_arena *arena = rgc_arena_create();
  rgc_new_folder folder;
  rgc_standalone *made = emit(m, arena, diags);
  bool good = made && rgc_model_fold(m, diags) && rgc_new_folder_begin(&folder, dir, arena, diags);
  if (good) {
    good = rgc_new_folder_end(&folder, write_files(m, made, folder.part, arena, diags), diags);
  }
  if (good && facts)
    *facts = (rgc_c_facts){.batch = m->batch, .kernels = made->kernel_count, .weight_bytes = made->weight_bytes,
                           .workspace_bytes = made->workspace_bytes, .target = m->target->name};
  rgc_arena_destroy(arena);
  return good;
}

bool rgc_plan_export_c(rgc_plan *plan, const char *dir, const rgc_c_options *options, rgc_c_facts *facts, rgc_diagnostics *diags) {
  if (!plan->tensor_count)
    return rgc_diag_fail(diags, RGC_CODE_WEIGHTS, plan->path ? plan->path : plan->network->file, "train it, or make it by rgc import", "has no weights yet");
  if (options && options->batch < 0) return rgc_diag_fail(diags, RGC_CODE_USAGE, NULL, NULL, "batch %lld is no batch", (long long)options->batch);
  const rgc_cpu_target *target = rgc_cpu_target_choose(options ? options->target : NULL, diags);
  rgc_model m = {0};
  bool good = target && rgc_model_create_fold(&m, plan, options && options->batch ? options->batch : 1, &target->facts, diags) &&
              export(&m, dir, facts, diags);
  rgc_model_destroy(&m);
  return good;
}
