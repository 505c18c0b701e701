/* test_onnx_import.c: initializers of ONNX models made here field by field: every way of storing numbers, names that only the nodes tell, and what
 * is refused, by name. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "runtime/import/import.h"
#include "runtime/import/onnx.h"
#include "runtime/import/onnx_file.h"
#include "runtime/import/protobuf.h"
#include "tests/unit/network_text.h"
#include "tests/unit/temp_folder.h"

/* ---- models ---- */

static rgc_proto message(fixture *f) { return (rgc_proto){.arena = f->arena}; }

/* A TENSOR message up to its numbers. */
static rgc_proto tensor(fixture *f, const char *name, uint64_t type, int rank, const int64_t *shape) {
  rgc_proto t = message(f);
  for (int i = 0; i < rank; i++) rgc_proto_number(&t, ONNX_TENSOR_DIMS, (uint64_t)shape[i]);
  rgc_proto_number(&t, ONNX_TENSOR_TYPE, type);
  rgc_proto_text(&t, ONNX_TENSOR_NAME, name);
  return t;
}

static rgc_proto floats(fixture *f, const char *name, int64_t count, const float *numbers) {
  rgc_proto t = tensor(f, name, ONNX_FLOAT, 1, &count);
  rgc_proto_lend(&t, ONNX_TENSOR_RAW, numbers, sizeof *numbers * (size_t)count);
  return t;
}

static void add_initializer(rgc_proto *graph, rgc_proto tensor_message) { rgc_proto_message(graph, ONNX_GRAPH_INITIALIZER, &tensor_message); }

static void add_node(rgc_proto *graph, const char *op, const char *name, const char *const *inputs, const char *output) {
  rgc_proto node = {.arena = graph->arena};
  for (; *inputs; inputs++) rgc_proto_text(&node, ONNX_NODE_INPUT, *inputs);
  rgc_proto_text(&node, ONNX_NODE_OUTPUT, output);
  rgc_proto_text(&node, ONNX_NODE_NAME, name);
  rgc_proto_text(&node, ONNX_NODE_OP, op);
  rgc_proto_message(graph, ONNX_GRAPH_NODE, &node);
}

/* The bytes of a MODEL message with this graph, in the order in which PyTorch writes it. */
static unsigned char *model_bytes(fixture *f, const rgc_proto *graph, size_t *size_bytes) {
  rgc_proto model = message(f), opset = message(f);
  char *bytes;
  rgc_proto_number(&model, ONNX_MODEL_IR_VERSION, 7);
  rgc_proto_message(&model, ONNX_MODEL_GRAPH, graph);
  rgc_proto_number(&opset, ONNX_OPSET_VERSION, 13);
  rgc_proto_message(&model, ONNX_MODEL_OPSET, &opset);
  FILE *file = open_memstream(&bytes, size_bytes);
  cr_assert(rgc_proto_write(&model, file) && !fclose(file));
  unsigned char *copy = rgc_arena_alloc(f->arena, *size_bytes + 1);
  memcpy(copy, bytes, *size_bytes);
  free(bytes);
  return copy;
}

static rgc_tensor_file *parse(fixture *f, const rgc_proto *graph) {
  size_t size;
  unsigned char *bytes = model_bytes(f, graph, &size);
  rgc_diagnostics_init(&f->diags, f->arena);
  return rgc_import_parse(f->arena, bytes, size, f->dir, "m.onnx", &f->diags);
}

static rgc_tensor_file *parse_one(fixture *f, rgc_proto tensor_message) {
  rgc_proto graph = message(f);
  add_initializer(&graph, tensor_message);
  return parse(f, &graph);
}

/* ---- numbers ---- */

/* The one tensor there, of two elements of `bytes` bytes each. */
static void check_pair(fixture *f, rgc_proto tensor_message, rgc_tensor_dtype dtype, const void *numbers, size_t bytes) {
  const rgc_tensor_file *file = parse_one(f, tensor_message);
  cr_assert(file && file->tensor_count == 1, "%s", f->diags.count ? f->diags.items[0].message : "");
  const rgc_tensor *t = &file->tensors[0];
  cr_assert(t->dtype == dtype && t->rank == 1 && t->shape[0] == 2 && t->size_bytes == 2 * bytes);
  cr_assert_arr_eq(t->data, numbers, 2 * bytes);
}

/* Two numbers of a field as varints, one behind the other. */
static void check_varints(fixture *f, uint64_t type, int field, rgc_tensor_dtype dtype, const void *numbers, size_t bytes, uint64_t a, uint64_t b) {
  const int64_t two = 2;
  rgc_proto single = tensor(f, "a", type, 1, &two), packed = tensor(f, "a", type, 1, &two), list = message(f);
  rgc_proto_number(&single, field, a);
  rgc_proto_number(&single, field, b);
  check_pair(f, single, dtype, numbers, bytes);
  rgc_proto_number(&list, 1, a); /* a tag, which is one byte, and the number */
  size_t first = list.own_bytes;
  rgc_proto_number(&list, 1, b);
  memmove(list.own + first, list.own + first + 1, list.own_bytes - first - 1);
  rgc_proto_lend(&packed, field, list.own + 1, list.own_bytes - 2);
  check_pair(f, packed, dtype, numbers, bytes);
}

Test(onnx_import, every_way_of_storing_numbers) {
  fixture f = setup();
  const int64_t two = 2, i64[] = {-3, INT64_C(1) << 40};
  const float f32[] = {1.5f, -2};
  const double f64[] = {1.25, -1e300};
  const uint16_t halves[] = {0x3c00, 0xc000};
  const int32_t i32[] = {-7, 9};
  rgc_proto t = floats(&f, "a", 2, f32);
  check_pair(&f, t, RGC_TENSOR_F32, f32, 4);
  t = tensor(&f, "a", ONNX_FLOAT, 1, &two);
  rgc_proto_lend(&t, ONNX_TENSOR_FLOATS, f32, 8);
  check_pair(&f, t, RGC_TENSOR_F32, f32, 4);
  t = tensor(&f, "a", ONNX_FLOAT, 1, &two); /* not packed, then packed */
  rgc_proto_float(&t, ONNX_TENSOR_FLOATS, f32[0]);
  rgc_proto_lend(&t, ONNX_TENSOR_FLOATS, f32 + 1, 4);
  check_pair(&f, t, RGC_TENSOR_F32, f32, 4);
  t = tensor(&f, "a", ONNX_FLOAT, 1, &two); /* in two pieces */
  rgc_proto_lend(&t, ONNX_TENSOR_FLOATS, f32, 4);
  rgc_proto_lend(&t, ONNX_TENSOR_FLOATS, f32 + 1, 4);
  check_pair(&f, t, RGC_TENSOR_F32, f32, 4);
  t = tensor(&f, "a", ONNX_DOUBLE, 1, &two);
  rgc_proto_lend(&t, ONNX_TENSOR_DOUBLES, f64, 16);
  check_pair(&f, t, RGC_TENSOR_F64, f64, 8);
  t = tensor(&f, "a", ONNX_BFLOAT16, 1, &two);
  rgc_proto_lend(&t, ONNX_TENSOR_RAW, halves, 4);
  check_pair(&f, t, RGC_TENSOR_BF16, halves, 2);
  check_varints(&f, ONNX_FLOAT16, ONNX_TENSOR_INT32S, RGC_TENSOR_F16, halves, 2, halves[0], halves[1]);
  check_varints(&f, ONNX_INT64, ONNX_TENSOR_INT64S, RGC_TENSOR_I64, i64, 8, (uint64_t)i64[0], (uint64_t)i64[1]);
  check_varints(&f, ONNX_INT32, ONNX_TENSOR_INT32S, RGC_TENSOR_I32, i32, 4, (uint64_t)(int64_t)i32[0], (uint64_t)i32[1]);
  teardown(&f);
}

Test(onnx_import, packed_shapes_and_scalars) {
  fixture f = setup();
  static const float numbers[6] = {0, 1, 2, 3, 4, 5};
  rgc_proto t = tensor(&f, "a", ONNX_FLOAT, 0, NULL);
  rgc_proto_lend(&t, ONNX_TENSOR_DIMS, "\2\3", 2);
  rgc_proto_lend(&t, ONNX_TENSOR_RAW, numbers, sizeof numbers);
  rgc_tensor_file *file = parse_one(&f, t);
  cr_assert(file && file->tensors[0].rank == 2 && file->tensors[0].shape[0] == 2 && file->tensors[0].shape[1] == 3);
  t = tensor(&f, "a", ONNX_FLOAT, 0, NULL);
  rgc_proto_lend(&t, ONNX_TENSOR_RAW, numbers, 4);
  file = parse_one(&f, t);
  cr_assert(file && file->tensors[0].rank == 0 && file->tensors[0].size_bytes == 4);
  teardown(&f);
}

/* ---- names ---- */

Test(onnx_import, names_from_nodes) {
  fixture f = setup();
  static const float numbers[8] = {0, 1, 2, 3, 4, 5, 6, 7};
  rgc_proto graph = message(&f);
  add_initializer(&graph, floats(&f, "onnx::Conv_9", 2, numbers));
  add_initializer(&graph, floats(&f, "onnx::Conv_10", 2, numbers + 2));
  add_initializer(&graph, floats(&f, "fc.weight", 2, numbers + 4));
  add_initializer(&graph, floats(&f, "onnx::Gemm_1", 1, numbers + 6));
  add_initializer(&graph, floats(&f, "onnx::Add_3", 1, numbers + 7));
  add_node(&graph, "Conv", "/layer1/layer1.0/down/down.0/Conv", (const char *const[]){"x", "onnx::Conv_9", "onnx::Conv_10", NULL}, "y");
  add_node(&graph, "Conv", "/other/Conv", (const char *const[]){"y", "onnx::Conv_9", NULL}, "z"); /* shared: named by the first */
  add_node(&graph, "Gemm", "Gemm_12", (const char *const[]){"z", "fc.weight", "onnx::Gemm_1", NULL}, "w"); /* no scopes to name it by */
  add_node(&graph, "Identity", "Identity_0", (const char *const[]){"fc.weight", NULL}, "twin.weight");
  add_node(&graph, "Identity", "Identity_1", (const char *const[]){"w", NULL}, "out");
  const rgc_tensor_file *file = parse(&f, &graph);
  static const char *const names[] = {"layer1.0.down.0.weight", "layer1.0.down.0.bias", "fc.weight", "onnx::Gemm_1", "onnx::Add_3", "twin.weight"};
  cr_assert(file && file->tensor_count == 6);
  for (int i = 0; i < 6; i++) cr_assert_str_eq(file->tensors[i].name, names[i]);
  cr_assert_arr_eq(rgc_tensor_find(file, "twin.weight")->data, numbers + 4, 8);
  cr_assert(file->metadata_count == 2 && !strncmp(file->metadata[0].text, "2 constants of the exporter", 27) && !strncmp(file->metadata[1].text, "1 tensors", 9));
  teardown(&f);
}

/* ---- refusals ---- */

static void check_refused(fixture *f, const rgc_proto *graph, const char *says) {
  size_t before = rgc_arena_used_bytes(f->arena);
  cr_assert_null(parse(f, graph), "%s", says);
  cr_assert(f->diags.error_count == 1 && f->diags.items[0].code == RGC_CODE_WEIGHTS && !strcmp(f->diags.items[0].at.file, "m.onnx"));
  cr_assert(strstr(f->diags.items[0].message, says), "%s, not %s", f->diags.items[0].message, says);
  cr_assert_lt(rgc_arena_used_bytes(f->arena) - before, 1 << 20);
}

static void check_refused_one(fixture *f, rgc_proto tensor_message, const char *says) {
  rgc_proto graph = message(f);
  add_initializer(&graph, tensor_message);
  check_refused(f, &graph, says);
}

static const float four[4] = {1, 2, 3, 4};

Test(onnx_import, lying_shapes) {
  fixture f = setup();
  rgc_proto t = floats(&f, "w", 4, four);
  rgc_proto_number(&t, ONNX_TENSOR_DIMS, 2);
  check_refused_one(&f, t, "'w' needs 32 bytes by its shape, and 16 are there");
  t = floats(&f, "w", 4, four);
  rgc_proto_number(&t, ONNX_TENSOR_DIMS, UINT64_C(1) << 60);
  check_refused_one(&f, t, "a tensor with an impossible shape: w");
  t = floats(&f, "w", 4, four);
  rgc_proto_number(&t, ONNX_TENSOR_DIMS, (uint64_t)-1);
  check_refused_one(&f, t, "a tensor without a usable shape: w");
  t = floats(&f, "w", 4, four);
  for (int i = 0; i < 8; i++) rgc_proto_number(&t, ONNX_TENSOR_DIMS, 1);
  check_refused_one(&f, t, "a tensor without a usable shape: w");
  t = tensor(&f, "w", ONNX_FLOAT, 1, &(int64_t){INT64_C(1) << 40});
  check_refused_one(&f, t, "'w' needs 4398046511104 bytes by its shape, and 0 are there");
  teardown(&f);
}

Test(onnx_import, numbers_that_are_not_there_or_not_read) {
  fixture f = setup();
  rgc_proto t = floats(&f, "w", 4, four), segment = message(&f);
  rgc_proto_lend(&t, ONNX_TENSOR_FLOATS, four, 16);
  check_refused_one(&f, t, "a tensor whose numbers are there twice: w");
  t = floats(&f, "w", 4, four);
  rgc_proto_lend(&t, ONNX_TENSOR_RAW, four, 16);
  check_refused_one(&f, t, "a tensor whose numbers are there twice: w");
  t = tensor(&f, "w", ONNX_FLOAT, 1, &(int64_t){2});
  rgc_proto_lend(&t, ONNX_TENSOR_DOUBLES, four, 16);
  check_refused_one(&f, t, "a tensor whose numbers are of another type than it says: w");
  t = tensor(&f, "w", ONNX_FLOAT, 1, &(int64_t){2});
  rgc_proto_lend(&t, ONNX_TENSOR_FLOATS, four, 7);
  check_refused_one(&f, t, "the ONNX file is truncated or damaged");
  t = tensor(&f, "w", 8, 1, &(int64_t){1}); /* text */
  rgc_proto_text(&t, ONNX_TENSOR_STRINGS, "x");
  check_refused_one(&f, t, "a tensor of a type that is not read (text, complex, quantised...): w");
  t = floats(&f, "w", 4, four);
  rgc_proto_message(&t, ONNX_TENSOR_SEGMENT, &segment);
  check_refused_one(&f, t, "a tensor in segments, which nobody writes: w");
  check_refused_one(&f, floats(&f, "", 4, four), "an initializer without a name");
  teardown(&f);
}

/* ---- numbers in files beside the model ---- */

/* Four floats at `offset` of `location`; NULL: not said. */
static rgc_proto external(fixture *f, const char *name, const char *location, const char *offset, const char *length) {
  const char *const keys[] = {"location", "offset", "length"}, *const texts[] = {location, offset, length};
  rgc_proto t = tensor(f, name, ONNX_FLOAT, 1, &(int64_t){4});
  rgc_proto_number(&t, ONNX_TENSOR_LOCATION, ONNX_LOCATION_EXTERNAL);
  for (int k = 0; k < 3; k++) {
    rgc_proto entry = message(f);
    rgc_proto_text(&entry, ONNX_ENTRY_KEY, keys[k]);
    rgc_proto_text(&entry, ONNX_ENTRY_VALUE, texts[k] ? texts[k] : "");
    if (texts[k]) rgc_proto_message(&t, ONNX_TENSOR_EXTERNAL, &entry);
  }
  return t;
}

/* "DIR/numbers" holds 0, 1 .. 11, "DIR/in/numbers" nothing; "DIR/out" is a link to the folder above, "DIR/same" one to "numbers". */
static void write_numbers(fixture *f) {
  float numbers[12];
  for (int i = 0; i < 12; i++) numbers[i] = (float)i;
  FILE *file = fopen(rgc_arena_printf(f->arena, "%s/numbers", f->dir), "wb");
  cr_assert(file && fwrite(numbers, sizeof numbers, 1, file) == 1 && !fclose(file));
  cr_assert(!system(rgc_arena_printf(f->arena, "cd %s && mkdir in && : >in/numbers && ln -s .. out && ln -s numbers same && mkfifo pipe", f->dir)));
}

static void check_floats(const rgc_tensor_file *file, const char *name, float first) {
  const rgc_tensor *t = file ? rgc_tensor_find(file, name) : NULL;
  cr_assert(t && t->size_bytes == 16, "%s", name);
  for (int i = 0; i < 4; i++) cr_assert_eq(((const float *)t->data)[i], first + (float)i, "%s", name);
}

Test(onnx_import, numbers_beside_the_model) {
  fixture f = setup();
  rgc_proto graph = message(&f);
  write_numbers(&f);
  add_initializer(&graph, external(&f, "last", "numbers", "32", "16"));
  add_initializer(&graph, external(&f, "first", "numbers", NULL, NULL));
  add_initializer(&graph, external(&f, "again", "./same", "0", "16")); /* a link within the folder, and the same range */
  add_initializer(&graph, floats(&f, "here", 4, four));
  const rgc_tensor_file *file = parse(&f, &graph);
  cr_assert(file && file->tensor_count == 4, "%s", f.diags.count ? f.diags.items[0].message : "");
  check_floats(file, "last", 8);
  check_floats(file, "first", 0);
  check_floats(file, "again", 0);
  check_floats(file, "here", 1);
  cr_assert_eq(rgc_tensor_find(file, "first")->data, rgc_tensor_find(file, "again")->data); /* read once */
  teardown(&f);
}

Test(onnx_import, places_that_are_none) {
  fixture f = setup();
  write_numbers(&f);
  static const char *const below[] = {"/etc/passwd", "../numbers", "in/../../numbers", "..", ""};
  for (size_t i = 0; i < sizeof below / sizeof *below; i++)
    check_refused_one(&f, external(&f, "w", below[i], NULL, NULL),
                      rgc_arena_printf(f.arena, "the numbers of 'w' are in the file '%s' (external data), which is not below the folder of the model: it is not read", below[i]));
  FILE *outside = fopen(rgc_arena_printf(f.arena, "%s.outside", f.dir), "wb");
  cr_assert(outside && fwrite(four, sizeof four, 1, outside) == 1 && !fclose(outside));
  const char *link = rgc_arena_printf(f.arena, "out/%s.outside", strrchr(f.dir, '/') + 1);
  check_refused_one(&f, external(&f, "w", link, NULL, NULL), "a link that leads out of the folder of the model: it is not followed");
  cr_assert_eq(remove(rgc_arena_printf(f.arena, "%s.outside", f.dir)), 0);
  check_refused_one(&f, external(&f, "w", "none", NULL, NULL), "the numbers of 'w' are in the file 'none' (external data), which cannot be read: No such file or directory");
  check_refused_one(&f, external(&f, "w", "in", NULL, NULL), "which is no plain file");
  check_refused_one(&f, external(&f, "w", "pipe", NULL, NULL), "which is no plain file");
  check_refused_one(&f, external(&f, "w", "in/numbers", NULL, NULL), "which is truncated: 16 bytes from 0 on are needed, and it has 0");
  check_refused_one(&f, external(&f, "w", "numbers", "33", NULL), "which is truncated: 16 bytes from 33 on are needed, and it has 48");
  check_refused_one(&f, external(&f, "w", "numbers", "18446744073709551615", NULL), "which is truncated: 16 bytes from 18446744073709551615 on");
  check_refused_one(&f, external(&f, "w", "numbers", "0", "48"), "48 bytes of it, and the shape needs 16");
  check_refused_one(&f, external(&f, "w", NULL, "0", "16"), "a tensor whose numbers are in another file, which is not named: w");
  static const char *const numbers[] = {"", "-1", "0x10", "1 ", "18446744073709551616"};
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
    check_refused_one(&f, external(&f, "w", "numbers", numbers[i], NULL), "a tensor whose numbers are in another file, at a place that is none: w");
  rgc_proto t = external(&f, "w", "numbers", NULL, NULL), graph = message(&f);
  rgc_proto_lend(&t, ONNX_TENSOR_RAW, four, 16);
  check_refused_one(&f, t, "a tensor whose numbers are there twice: w");
  add_initializer(&graph, external(&f, "v", "numbers", "0", NULL));
  add_initializer(&graph, external(&f, "w", "same", "8", NULL));
  check_refused(&f, &graph, "the numbers of 'w' are in the file 'same' (external data), where they overlap those of 'v'");
  size_t size;
  const unsigned char *bytes = model_bytes(&f, &graph, &size);
  rgc_diagnostics_init(&f.diags, f.arena);
  cr_assert(!rgc_import_parse(f.arena, bytes, size, NULL, "m.onnx", &f.diags) && strstr(f.diags.items[0].message, "and the model is in none"));
  teardown(&f);
}

Test(onnx_import, graphs_that_make_no_sense) {
  fixture f = setup();
  rgc_proto graph = message(&f), sparse = message(&f);
  check_refused(&f, &graph, "the ONNX model has no initializers, so no weights");
  rgc_proto_message(&graph, ONNX_GRAPH_SPARSE, &sparse);
  check_refused(&f, &graph, "sparse initializers, which are not read");
  graph = message(&f);
  add_initializer(&graph, floats(&f, "w", 4, four));
  add_initializer(&graph, floats(&f, "w", 2, four));
  check_refused(&f, &graph, "two initializers of one name: w");
  graph = message(&f);
  add_initializer(&graph, floats(&f, "w", 4, four));
  add_initializer(&graph, floats(&f, "v", 2, four));
  add_node(&graph, "Identity", "Identity_0", (const char *const[]){"w", NULL}, "v");
  check_refused(&f, &graph, "two initializers of one name: v");
  for (int i = 0; i < 1 << 14; i++) add_node(&graph, "Identity", "Identity", (const char *const[]){"w", NULL}, "many");
  cr_assert(!parse(&f, &graph) && !strcmp(f.diags.items[0].message, "too many initializers"));
  teardown(&f);
}

/* A model is not read when it ends early; flipped bytes do no harm. */
Test(onnx_import, truncated_models_are_refused) {
  fixture f = setup();
  rgc_proto graph = message(&f);
  size_t whole;
  add_initializer(&graph, floats(&f, "onnx::Conv_1", 4, four));
  add_node(&graph, "Conv", "/a/Conv", (const char *const[]){"x", "onnx::Conv_1", NULL}, "y");
  const unsigned char *good = model_bytes(&f, &graph, &whole);
  for (size_t size = 0; size < whole; size++) {
    rgc_arena *scratch = rgc_arena_create();
    rgc_diagnostics own;
    rgc_diagnostics_init(&own, scratch);
    unsigned char *bytes = rgc_arena_alloc(scratch, whole + 1);
    memcpy(bytes, good, size);
    cr_assert_null(rgc_import_parse(scratch, bytes, size, NULL, "m.onnx", &own), "%zu bytes", size);
    cr_assert_gt(own.error_count, 0);
    memcpy(bytes, good, whole);
    bytes[size] ^= 0x55;
    rgc_import_parse(scratch, bytes, whole, NULL, "m.onnx", &own);
    rgc_arena_destroy(scratch);
  }
  teardown(&f);
}

/* ---- mapping ---- */

static const char tiny[] = "rgc: 1\ninput: {channels: 1, size: 4}\nclasses: 2\nstem: [conv: {out: 2, kernel: 1}, bn]\nhead: [avgpool: global, linear: {out: classes}]\n";

/* The network's tensors as an exporter leaves them that folds: a weight and a bias of the convolution. `last` ends the linear layer's bias. */
static rgc_tensor_file *map_folded(fixture *f, float last, bool with_mean, rgc_import_report *report) {
  static const float numbers[8] = {1, 2, 3, 4, 5, 6, 7, 8};
  float *w = RGC_NEW_ARRAY(f->arena, float, 10);
  memcpy(w, numbers, sizeof numbers);
  w[9] = last;
  rgc_proto graph = message(f), conv = tensor(f, "conv1.weight", ONNX_FLOAT, 4, (int64_t[]){2, 1, 1, 1}), fc = tensor(f, "fc.weight", ONNX_FLOAT, 2, (int64_t[]){2, 2});
  rgc_proto_lend(&conv, ONNX_TENSOR_RAW, w, 8);
  rgc_proto_lend(&fc, ONNX_TENSOR_RAW, w + 4, 16);
  add_initializer(&graph, conv);
  add_initializer(&graph, floats(f, "conv1.bias", 2, w + 2));
  add_initializer(&graph, fc);
  add_initializer(&graph, floats(f, "fc.bias", 2, w + 8));
  if (with_mean) add_initializer(&graph, floats(f, "bn1.running_mean", 2, w));
  const rgc_tensor_file *file = parse(f, &graph);
  rgc_network *network = network_of_text(f->arena, tiny, &f->diags);
  rgc_graph *wanted = network ? rgc_network_build(network, 1, false, &f->diags) : NULL;
  cr_assert(file && wanted);
  return rgc_import_map(network, wanted, file, "m.onnx", f->arena, report, &f->diags);
}

static float first_of(const rgc_tensor_file *file, const char *name) { return *(const float *)rgc_tensor_find(file, name)->data; }

Test(onnx_import, folded_batch_norms_only_add_their_bias) {
  fixture f = setup();
  rgc_import_report report = {0};
  const rgc_tensor_file *made = map_folded(&f, 0, false, &report);
  cr_assert(made && made->tensor_count == 7);
  cr_assert(first_of(made, "bn1.weight") == 1 && first_of(made, "bn1.bias") == 3 && first_of(made, "bn1.running_mean") == 0);
  cr_assert_eq(first_of(made, "bn1.running_var"), (float)(1 - 1e-5));
  cr_assert(report.lines[1].fate == RGC_IMPORT_FOLDED && report.lines[2].fate == RGC_IMPORT_LOADED && report.count == 7);
  cr_assert_str_eq(report.lines[2].detail, "from conv1.bias");
  cr_assert(report.notes.count == 1 && !strncmp(report.notes.items[0], "batch norms are folded", 22));
  teardown(&f);
}

/* Nodes without scopes: nothing says which layer a constant is of, and what would help is told. */
Test(onnx_import, names_that_are_gone) {
  fixture f = setup();
  rgc_proto graph = message(&f);
  add_initializer(&graph, floats(&f, "193", 4, four));
  add_node(&graph, "Conv", "Conv_0", (const char *const[]){"x", "193", NULL}, "y");
  const rgc_tensor_file *file = parse(&f, &graph);
  rgc_network *network = network_of_text(f.arena, tiny, &f.diags);
  cr_assert_null(rgc_import_map(network, rgc_network_build(network, 1, false, &f.diags), file, "m.onnx", f.arena, NULL, &f.diags));
  cr_assert(!strncmp(f.diags.items[0].help, "the exporter took names away", 28), "%s", f.diags.items[0].help);
  teardown(&f);
}

Test(onnx_import, half_folded_or_not_finite_is_refused) {
  fixture f = setup();
  cr_assert_null(map_folded(&f, 0, true, NULL));
  cr_assert_str_eq(f.diags.items[0].message, "has no tensor 'bn1.weight', nor 2 more that the network needs");
  cr_assert_null(map_folded(&f, NAN, false, NULL));
  cr_assert(strstr(f.diags.items[0].message, "'fc.bias' holds a value that is not finite"), "%s", f.diags.items[0].message);
  teardown(&f);
}
