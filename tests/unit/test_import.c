/* test_import.c: PyTorch's files (tests/data/import, made by PyTorch 1.13) read element by element; what is refused, by name; names,
 * shapes and graph-file rules of the mapping; the real ResNet-20's logits against PyTorch's. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/data/loader.h"
#include "runtime/data/npy.h"
#include "runtime/data/slurp.h"
#include "runtime/import/import.h"
#include "runtime/import/import_names.h"
#include "runtime/import/pickle.h"
#include "runtime/train/split_loader.h"
#include "runtime/train/import_weights.h"
#include "runtime/train/model.h"
#include "runtime/train/probe.h"
#include "tests/unit/network_text.h"

static rgc_diagnostics diags_of(rgc_arena *arena) {
  rgc_diagnostics diags;
  rgc_diagnostics_init(&diags, arena);
  return diags;
}

static rgc_tensor_file *open_file(rgc_arena *arena, const char *name, rgc_diagnostics *diags) {
  return rgc_import_open(arena, rgc_arena_printf(arena, RGC_SOURCE_DIR "/tests/data/import/%s", name), diags);
}

static void check_views(const char *name) {
  rgc_arena *arena = rgc_arena_create();
  rgc_diagnostics diags = diags_of(arena);
  rgc_tensor_file *file = open_file(arena, name, &diags);
  cr_assert(file && file->tensor_count == 6, "%s", name);
  /* a is arange(24).reshape(2,3,4) with its axes turned: a[k][i][j] = 12 i + 4 j + k. */
  const rgc_tensor *a = rgc_tensor_find(file, "a"), *e = rgc_tensor_find(file, "e"), *f = rgc_tensor_find(file, "f");
  cr_assert(a->rank == 3 && a->shape[0] == 4 && a->shape[1] == 2 && a->shape[2] == 3);
  for (int k = 0, at = 0; k < 4; k++)
    for (int i = 0; i < 2; i++)
      for (int j = 0; j < 3; j++) cr_assert_eq(((const float *)a->data)[at++], (float)(12 * i + 4 * j + k));
  static const uint16_t halves[] = {0, 0x3400, 0x3800, 0x3a00, 0x3c00, 0x3d00}, brains[] = {0, 0x3e80, 0x3f00, 0x3f40, 0x3f80, 0x3fa0};
  cr_assert_eq(rgc_tensor_find(file, "b")->dtype, RGC_TENSOR_F16);
  cr_assert_arr_eq(rgc_tensor_find(file, "b")->data, halves, sizeof halves);
  cr_assert_eq(rgc_tensor_find(file, "c")->dtype, RGC_TENSOR_BF16);
  cr_assert_arr_eq(rgc_tensor_find(file, "c")->data, brains, sizeof brains);
  for (int i = 0; i < 6; i++) cr_assert_eq(((const double *)rgc_tensor_find(file, "d")->data)[i], i / 4.0);
  cr_assert(e->rank == 0 && e->dtype == RGC_TENSOR_I64 && *(const int64_t *)e->data == 7);
  for (int i = 0; i < 3; i++) cr_assert_eq(((const float *)f->data)[i], (float)(2 + 2 * i));
  cr_assert_eq(file->metadata_count, 2); /* 'model', 'module.' */
  rgc_arena_destroy(arena);
}

Test(import, views_types_and_wrappers_of_both_forms) {
  check_views("views_zip.pth");
  check_views("views_legacy.pth");
  check_views("builders_zip.pth");
  check_views("builders_legacy.pth");
}

static void check_refused(const char *name, const char *says) {
  rgc_arena *arena = rgc_arena_create();
  rgc_diagnostics diags = diags_of(arena);
  cr_assert_null(open_file(arena, name, &diags));
  cr_assert(diags.error_count == 1 && strstr(diags.items[0].message, says), "%s: %s", name, diags.items[0].message);
  cr_assert_lt(rgc_arena_used_bytes(arena), 8 << 20);
  rgc_arena_destroy(arena);
}

/* The one tensor fc.weight, 0 to 3, is found; `notes` are told. */
static void check_found(const char *name, const char *const notes[]) {
  rgc_arena *arena = rgc_arena_create();
  rgc_diagnostics diags = diags_of(arena);
  const rgc_tensor_file *file = open_file(arena, name, &diags);
  cr_assert(file, "%s: %s", name, diags.count ? diags.items[0].message : "");
  const rgc_tensor *t = rgc_tensor_find(file, strstr(name, "swa") ? "0.weight" : "fc.weight");
  cr_assert(t && t->size_bytes == 16, "%s", name);
  for (int i = 0; i < 4; i++) cr_assert_eq(((const float *)t->data)[i], (float)i, "%s", name);
  for (int i = 0; i < file->metadata_count; i++) cr_assert_str_eq(file->metadata[i].text, notes[i], "%s", name);
  cr_assert(file->metadata_count > 0 && !notes[file->metadata_count], "%s", name);
  rgc_arena_destroy(arena);
}

Test(import, weights_that_stand_somewhere_else) {
  check_found("wrapped_zip.pth", (const char *const[]){"the weights stand under 'student' in the file", NULL}); /* not the optimizer's */
  check_found("averaged_zip.pth", (const char *const[]){"the weights stand under 'state_dict' in the file",
                                                        "those under 'state_dict_ema' are not taken; in Python, torch.save(torch.load(FILE)['state_dict_ema'], OTHER) makes a file of them", NULL});
  check_found("swa_zip.pth", (const char *const[]){"every name of a layer begins with 'module.' in the file", NULL}); /* n_averaged has no layer */
}

/* What is of another kind says which, as far as its first bytes tell. */
static void check_kind(const char *bytes, size_t size_bytes, const char *says) {
  rgc_arena *arena = rgc_arena_create();
  rgc_diagnostics diags = diags_of(arena);
  cr_assert_null(rgc_import_parse(arena, rgc_arena_strndup(arena, bytes, size_bytes), size_bytes, NULL, "file", &diags));
  cr_assert(diags.count == 1 && diags.items[0].code == RGC_CODE_WEIGHTS && diags.items[0].help);
  cr_assert_str_eq(diags.items[0].message, says);
  rgc_arena_destroy(arena);
}

Test(import, files_of_other_kinds) {
  check_kind("", 0, "is empty");
  check_kind("{\"weight_map\": {}}", 18, "is JSON, and no index of weights in several files: it has no weight_map");
  check_kind("{\"weight_map\": {\"a\": \"b\"}}", 26, "names other files, and the index is in no folder");
  check_kind("\x89HDF\r\n\x1a\n and more", 17, "is an HDF5 file, as Keras writes them");
  check_kind("\x80\x04N. and more", 13, "is a pickle that torch.save did not write");
  check_kind("GIF89a and more", 15, "is of no kind that is read");
  check_kind("tiny", 4, "is of no kind that is read");
}

Test(import, bad_files_are_refused_by_name) {
  check_refused("evil_zip.pth", "posix.system");
  check_refused("huge_zip.pth", "holds more elements than it: x");
  check_refused("overlap_legacy.pth", "overlaps itself or another one: b");
  check_refused("bomb_zip.pth", "compressed");
  check_refused("weightless_zip.pth", "no dict of tensors in the file, as it is or under 'state_dict' or 'model'; it holds 'epoch', 'lr', 'history'");
}

/* Neither form is read when it ends early; flipped bytes do no harm. */
static void check_cut(const char *name) {
  rgc_arena *arena = rgc_arena_create();
  rgc_diagnostics diags = diags_of(arena);
  rgc_file_bytes whole;
  cr_assert(rgc_file_slurp(rgc_arena_printf(arena, RGC_SOURCE_DIR "/tests/data/import/%s", name), arena, &whole, &diags));
  for (size_t size = 0; size < whole.size_bytes; size++) {
    rgc_arena *scratch = rgc_arena_create();
    rgc_diagnostics own = diags_of(scratch);
    unsigned char *bytes = rgc_arena_alloc(scratch, whole.size_bytes + 1);
    memcpy(bytes, whole.data, size);
    cr_assert_null(rgc_import_parse(scratch, bytes, size, NULL, name, &own), "%s, %zu bytes", name, size);
    cr_assert_gt(own.error_count, 0);
    memcpy(bytes, whole.data, whole.size_bytes);
    bytes[size] ^= 0x55;
    rgc_import_parse(scratch, bytes, whole.size_bytes, NULL, name, &own);
    rgc_arena_destroy(scratch);
  }
  rgc_arena_destroy(arena);
}

Test(import, truncated_files_are_refused) {
  check_cut("tiny_zip.pth");
  check_cut("tiny_legacy.pth");
  check_cut("builders_zip.pth");
  check_cut("builders_legacy.pth");
}

Test(import, rename_rules) {
  rgc_arena *arena = rgc_arena_create();
  cr_assert_str_eq(rgc_import_rename("stages.*.blocks.*.norm*", "layer*.*.bn*", "stages.1.blocks.22.norm3.weight", arena), "layer1.22.bn3.weight");
  cr_assert_str_eq(rgc_import_rename("resnet.*", "*", "resnet.a.b", arena), "a.b");
  cr_assert_null(rgc_import_rename("a.*.c", "*", "a.b.b.c", arena));
  cr_assert_null(rgc_import_rename("a", "b", "ab", arena));
  rgc_arena_destroy(arena);
}

/* Every name of a network with timm's names goes there and back. */
Test(import, names_of_other_programs_turn_round) {
  rgc_arena *arena = rgc_arena_create();
  rgc_diagnostics diags = diags_of(arena);
  rgc_network *network = rgc_network_load(arena, RGC_SOURCE_DIR "/graphs/resnetv2_50.yaml", NULL, 0, &diags);
  rgc_graph *graph = network ? rgc_network_build(network, 1, false, &diags) : NULL;
  cr_assert(graph && network->naming_count == 1);
  int count = 0, rank = 0;
  for (int i = 0; i < graph->value_count; i++) {
    const char *ours = graph->values[i].name;
    if (graph->values[i].role != RGC_ROLE_PARAM && graph->values[i].role != RGC_ROLE_BUFFER) continue;
    const char *theirs = rgc_naming_theirs(&network->namings[0], ours, &rank, arena);
    cr_assert(strcmp(theirs, ours), "%s", ours);
    cr_assert_str_eq(rgc_naming_ours(&network->namings[0], theirs, arena), ours);
    count++;
  }
  cr_assert(count == 251 && rank == 4);
  rank = 0;
  cr_assert_str_eq(rgc_naming_theirs(&network->namings[0], "layer3.5.downsample.0.weight", &rank, arena), "stages.2.blocks.5.downsample.conv.weight");
  cr_assert_eq(rank, 0);
  rgc_arena_destroy(arena);
}

/* ---- mapping ---- */

static const char tiny[] = "rgc: 1\ninput: {channels: 1, size: 4}\nclasses: 2\nhead: [conv: {out: 2, kernel: 1}, avgpool: global, linear: {out: classes}]\n";

static rgc_network *network_of(rgc_arena *arena, const char *more, rgc_diagnostics *diags) {
  return network_of_text(arena, rgc_arena_printf(arena, "%s%s", tiny, more), diags);
}

/* Maps three tensors (conv1.weight of 3 channels, fc.weight as a 1x1 convolution, fc.bias) under the rules in `more`. */
static rgc_tensor_file *map_tiny(rgc_arena *arena, const char *more, float last, rgc_import_report *report, rgc_diagnostics *diags) {
  float *w = RGC_NEW_ARRAY(arena, float, 12);
  for (int i = 0; i < 12; i++) w[i] = (float)i;
  w[11] = last;
  rgc_tensor *t = RGC_NEW_ARRAY(arena, rgc_tensor, 3);
  t[0] = (rgc_tensor){"conv1.weight", RGC_TENSOR_F32, 4, {2, 3, 1, 1}, w, 24};
  t[1] = (rgc_tensor){"fc.weight", RGC_TENSOR_F32, 4, {2, 2, 1, 1}, w + 6, 16};
  t[2] = (rgc_tensor){"fc.bias", RGC_TENSOR_F32, 1, {2}, w + 10, 8};
  rgc_tensor_file file = {.tensors = t, .tensor_count = 3};
  rgc_network *network = network_of(arena, more, diags);
  rgc_graph *graph = network ? rgc_network_build(network, 1, false, diags) : NULL;
  cr_assert(graph);
  return rgc_import_map(network, graph, &file, "x.pth", arena, report, diags);
}

Test(import, channels_are_summed_and_ones_dropped_where_allowed) {
  rgc_arena *arena = rgc_arena_create();
  rgc_diagnostics diags = diags_of(arena);
  rgc_import_report report = {0};
  rgc_tensor_file *made = map_tiny(arena, "weights: {file: x, channels: sum}\n", 11, &report, &diags);
  cr_assert(made && made->tensor_count == 3);
  const rgc_tensor *conv = rgc_tensor_find(made, "conv1.weight"), *fc = rgc_tensor_find(made, "fc.weight");
  cr_assert(conv->shape[1] == 1 && ((const float *)conv->data)[0] == 3 && ((const float *)conv->data)[1] == 12);
  cr_assert(fc->rank == 2 && ((const float *)fc->data)[3] == 9);
  cr_assert_eq(report.lines[0].fate, RGC_IMPORT_RESHAPED);
  cr_assert_eq(report.lines[2].fate, RGC_IMPORT_LOADED);
  rgc_arena_destroy(arena);
}

Test(import, misfits_name_both_shapes_and_fresh_layers_are_left) {
  rgc_arena *arena = rgc_arena_create();
  rgc_diagnostics diags = diags_of(arena);
  cr_assert_null(map_tiny(arena, "", 11, NULL, &diags));
  cr_assert_str_eq(diags.items[0].message, "layer conv1: 'conv1.weight' is [2,3,1,1] in the file and [2,1,1,1] in the network");
  diags = diags_of(arena);
  rgc_tensor_file *made = map_tiny(arena, "weights: {file: x, channels: sum, head: fresh}\n", NAN, NULL, &diags);
  cr_assert(made && made->tensor_count == 1); /* NaN in fc.bias does not matter: it is fresh */
  cr_assert_null(map_tiny(arena, "weights: {file: x, channels: sum}\n", NAN, NULL, &diags));
  cr_assert(strstr(diags.items[0].message, "'fc.bias' holds a value that is not finite"));
  rgc_arena_destroy(arena);
}

/* ---- a real network ---- */

enum { IMAGES = 640, BATCH = 64, CLASSES = 10 };

Test(import, pretrained_resnet20_gives_the_logits_of_pytorch) {
  rgc_arena *arena = rgc_arena_create();
  rgc_diagnostics diags = diags_of(arena);
  rgc_network *network = rgc_network_load(arena, RGC_SOURCE_DIR "/graphs/cifar_resnet20.yaml", NULL, 0, &diags);
  rgc_plan *plan = rgc_plan_create(network, arena, &diags);
  rgc_model model;
  cr_assert(rgc_model_create(&model, network, plan, &(rgc_model_options){.batch = BATCH}, &diags));
  cr_assert(rgc_model_load(&model, RGC_SOURCE_DIR "/examples/data/cifar_pretrained/resnet20-12fca82f.th", &diags));
  cr_assert(rgc_model_fold(&model, &diags));
  rgc_dataset *data = rgc_dataset_open("cifar10:" RGC_SOURCE_DIR "/tests/data/curves/cifar_first640.bin", NULL, &diags);
  cr_assert(data);
  rgc_dataset_validate_all(data);
  cr_assert_eq(rgc_dataset_count(data, RGC_SPLIT_VALIDATION), IMAGES);
  rgc_npy golden;
  cr_assert(rgc_npy_read(RGC_SOURCE_DIR "/tests/data/import/cifar_resnet20_first640_logits.npy", arena, &golden, &diags));
  rgc_loader *loader = rgc_split_loader_open(&model, data, RGC_SPLIT_VALIDATION, 0, arena, &diags);
  int order[IMAGES];
  for (int i = 0; i < IMAGES; i++) order[i] = i;
  rgc_loader_start(loader, order, IMAGES, 0);
  double worst = 0;
  const float *want = golden.data;
  for (const rgc_batch *batch; (batch = rgc_loader_next(loader)); want += batch->valid * CLASSES) {
    rgc_cpu_step step = {0};
    rgc_cpu_step_set_valid(&step, batch->valid);
    cr_assert(rgc_model_give(&model, &model.infer, batch, &diags) && rgc_device_run(model.infer.run, &step, &diags));
    const float *logits = rgc_model_read(&model.infer, model.infer.logits, &diags);
    for (int i = 0; i < batch->valid * CLASSES; i++) worst = fmax(worst, fabs((double)logits[i] - (double)want[i]));
  }
  cr_assert_eq(want, (const float *)golden.data + IMAGES * CLASSES);
  cr_log_info("largest difference %.2e", worst);
  cr_assert_lt(worst, 1e-3);
  rgc_loader_destroy(loader);
  rgc_dataset_close(data);
  rgc_model_destroy(&model);
  rgc_arena_destroy(arena);
}
