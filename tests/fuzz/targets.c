/* targets.c: the readers that are fuzzed, a row of a table each. Beyond not dying, each must keep a promise on good input:
 * a graph that is built passes the verifier and comes back from its text; a tensor file's bytes are all there. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "compiler/graph/expr.h"
#include "compiler/graph/graph_text.h"
#include "compiler/lang/layer.h"
#include "compiler/lang/keys.h"
#include "compiler/lang/lang.h"
#include "compiler/plan/plan_file.h"
#include "runtime/data/image.h"
#include "runtime/data/npy.h"
#include "runtime/import/import.h"
#include "runtime/import/onnx.h"
#include "runtime/import/protobuf.h"
#include "tests/fuzz/fuzz.h"

enum { MOST_MEMORY_BYTES = 1 << 30 };

static int add_words(const char **words, int count, int limit, const char *const *more, int more_count) {
  for (int i = 0; i < more_count && count < limit; i++) words[count++] = more[i];
  return count;
}
#define ADD_WORDS(words, count, limit, array) add_words((words), (count), (limit), (array), (int)(sizeof(array) / sizeof *(array)))

static void check_memory(const rgc_arena *arena) {
  if (rgc_arena_used_bytes(arena) > MOST_MEMORY_BYTES) fuzz_fail("%zu bytes of memory", rgc_arena_used_bytes(arena));
}

/* Errors must be printable, and there when the result is not. */
static void check_errors(const rgc_diagnostics *diags, bool good) {
  rgc_text text = {0};
  rgc_diag_render(diags, true, &text);
  rgc_text_free(&text);
  if (good == (diags->error_count > 0)) fuzz_fail("%d errors, and the result is %s", diags->error_count, good ? "there" : "not there");
}

/* The text of `graph` gives a graph of the same text. */
static void check_text(const rgc_graph *graph, rgc_arena *arena) {
  rgc_text text = {0}, again = {0};
  rgc_diagnostics diags;
  rgc_diagnostics_init(&diags, arena);
  rgc_graph_print(graph, &text);
  const rgc_graph *back = rgc_graph_parse(arena, rgc_text_chars(&text), "printed", &diags);
  if (!back) {
    rgc_diag_render(&diags, false, &again);
    fuzz_fail("what was printed cannot be read:\n%s", rgc_text_chars(&again));
  }
  rgc_graph_print(back, &again);
  if (strcmp(rgc_text_chars(&text), rgc_text_chars(&again))) fuzz_fail("printed, read and printed again it differs");
  rgc_text_free(&text);
  rgc_text_free(&again);
}

/* ---- yaml ---- */

static int yaml_tokens(const char **words, int limit) {
  static const char *const more[] = {"true", "false", "{", "}", "[", "]", "- ", ": ", "&a ", "*a", "<<: *a", "|\n", "\"", "'", "#", "in",
                                     "stride", "index", "block", "blocks", "first", "stage", "classes", "width", "required", "global",
                                     "space", "channels", "mean", "max", "both", "before", "position", "basic", "bottleneck", "se",
                                     "in // 0", "1 / 0", "in * in * in * in", "-in", "2 if first else 1", "round_to(in, 8)", "*.*",
                                     "stages.*.repeat", "resnet18.yaml", "cifar_resnet20.yaml", "\n", "  ", "\t", "---\n", "!!int "};
  int count = rgc_layer_kind_words(words, limit);
  for (int i = 0; i < rgc_key_count && count < limit; i++) words[count++] = rgc_keys[i].word;
  return ADD_WORDS(words, count, limit, more);
}

static void run_yaml(const fuzz_input *input) {
  char path[256];
  snprintf(path, sizeof path, "%s/input.yaml", fuzz_directory());
  FILE *f = fopen(path, "wb");
  if (!f || fwrite(input->bytes, 1, input->size, f) != input->size || fclose(f)) fuzz_fail("%s cannot be written", path);
  rgc_arena *arena = rgc_arena_create();
  rgc_diagnostics diags;
  rgc_diagnostics_init(&diags, arena);
  rgc_network *network = rgc_network_load(arena, path, NULL, 0, &diags);
  rgc_graph *graph = network ? rgc_network_build(network, 1, input->size % 2, &diags) : NULL;
  check_errors(&diags, graph != NULL);
  if (graph && !rgc_graph_verify(graph, &diags)) {
    rgc_text text = {0};
    rgc_diag_render(&diags, false, &text);
    fuzz_fail("the graph that was built breaks the rules:\n%s", rgc_text_chars(&text));
  }
  if (graph) check_text(graph, arena);
  check_memory(arena);
  rgc_arena_destroy(arena);
}

/* ---- ir ---- */

static int ir_tokens(const char **words, int limit) {
  static const char *const more[] = {"graph \"g\" batch 1\n", "value %", "operand %", "return n0", "{\n", "}\n", "n0", "n1", "%input", "%logits", "backward",
                                     "layer=\"", "word=\"", "line=1", "layout=panel(1,8,8)", "torch_rank=4", "init=zero", "init=normal(1)",
                                     "updates=%", "fill=-inf", "[n,h,w,c]", "[n,h*2+1/2,w-1,c]", "extent [1,1,1,1]", "geometry 3,3,1,1,1,1,0",
                                     "reduce_axes 7", "stage a", "stage epi", "root a n0 fill=0", "acc sum", "store", "weight %", "tiles 1,1",
                                     ",", "(", ")", "=", "[1,1,1,1]", "\n", "#"};
  int count = 0;
  for (int i = 0; i < RGC_OP_COUNT && count < limit; i++) words[count++] = rgc_op_info_of((rgc_op_kind)i)->word;
  for (int i = 0; i < RGC_ATTR_COUNT && count < limit; i++) words[count++] = rgc_attribute_word((rgc_attribute)i);
  for (int i = 0; i < RGC_SCALAR_COUNT && count < limit; i++) words[count++] = rgc_scalar_word((rgc_scalar)i);
  for (int i = 0; i < RGC_EXPR_KIND_COUNT && count < limit; i++) words[count++] = rgc_expr_word((rgc_expr_kind)i);
  count = add_words(words, count, limit, rgc_role_words, RGC_ROLE_COUNT);
  count = add_words(words, count, limit, rgc_dtype_words, RGC_DTYPE_COUNT);
  return ADD_WORDS(words, count, limit, more);
}

static void run_ir(const fuzz_input *input) {
  rgc_arena *arena = rgc_arena_create();
  rgc_diagnostics diags;
  rgc_diagnostics_init(&diags, arena);
  rgc_graph *graph = rgc_graph_parse(arena, (const char *)input->bytes, "input", &diags);
  check_errors(&diags, graph != NULL);
  if (graph) check_errors(&diags, rgc_graph_verify(graph, &diags));
  if (graph) check_text(diags.error_count ? graph : rgc_graph_clone(graph, arena), arena);
  check_memory(arena);
  rgc_arena_destroy(arena);
}

/* ---- safetensors ---- */

static int safetensors_tokens(const char **words, int limit) {
  static const char *const more[] = {"{", "}", "[", "]", ",", ":", "\"dtype\"", "\"shape\"", "\"data_offsets\"", "\"__metadata__\"",
                                     "\"digest\"", "\"F32\"", "\"I64\"", "\"F16\"", "[0,0]", "[0,4]", "[4,4]", "[1,1,1,1,1,1,1,1]",
                                     "null", "true", "\"\"", "\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}", "\\u0000"};
  return ADD_WORDS(words, 0, limit, more);
}

/* The length of the header is that up to the last brace. */
static void repair_safetensors(fuzz_input *input) {
  size_t end = input->size;
  while (end > 8 && input->bytes[end - 1] != '}') end--;
  for (int i = 0; i < 8 && end > 8; i++) input->bytes[i] = (unsigned char)((uint64_t)(end - 8) >> (8 * i));
}

static void run_safetensors(const fuzz_input *input) {
  rgc_arena *arena = rgc_arena_create();
  rgc_diagnostics diags;
  rgc_diagnostics_init(&diags, arena);
  unsigned char *bytes = rgc_arena_alloc(arena, input->size + 1); /* no more than there is, for the sanitizer */
  memcpy(bytes, input->bytes, input->size);
  rgc_tensor_file *file = rgc_safetensors_parse(arena, bytes, input->size, "input", &diags);
  check_errors(&diags, file != NULL);
  size_t total = 0;
  for (int i = 0; file && i < file->tensor_count; i++) {
    const rgc_tensor *t = &file->tensors[i];
    const unsigned char *data = t->data;
    if (data < bytes || t->size_bytes > (size_t)(bytes + input->size - data)) fuzz_fail("%s lies outside of the file", t->name);
    total += t->size_bytes;
    if (rgc_tensor_find(file, t->name) != t) fuzz_fail("two tensors are called %s", t->name);
  }
  if (total > input->size) fuzz_fail("tensors of %zu bytes in a file of %zu", total, input->size);
  check_memory(arena);
  rgc_arena_destroy(arena);
}

/* ---- plan ---- */

/* The digest that the contents have, as the reader's complaint tells it; NULL if it has none. */
static const char *wanted_digest(const fuzz_input *input, rgc_arena *arena) {
  rgc_diagnostics diags;
  rgc_diagnostics_init(&diags, arena);
  unsigned char *bytes = rgc_arena_alloc(arena, input->size + 1);
  memcpy(bytes, input->bytes, input->size);
  rgc_safetensors_parse(arena, bytes, input->size, "input", &diags);
  for (int i = 0; i < diags.count; i++) {
    const char *found = diags.items[i].code == RGC_CODE_PLAN_DIGEST ? strstr(diags.items[i].message, "found ") : NULL;
    if (found) return found + strlen("found ");
  }
  return NULL;
}

/* The right header length and digest, so that mutations reach what lies behind them. */
static void repair_plan(fuzz_input *input) {
  static const char key[] = "\"digest\":\"";
  repair_safetensors(input);
  rgc_arena *arena = rgc_arena_create();
  const char *digest = wanted_digest(input, arena);
  unsigned char *at = digest ? memmem(input->bytes, input->size, key, sizeof key - 1) : NULL;
  if (at && at + sizeof key - 1 + 32 <= input->bytes + input->size) memcpy(at + sizeof key - 1, digest, 32);
  rgc_arena_destroy(arena);
}

static void run_plan(const fuzz_input *input) {
  rgc_arena *arena = rgc_arena_create();
  rgc_diagnostics diags;
  rgc_diagnostics_init(&diags, arena);
  unsigned char *bytes = rgc_arena_alloc(arena, input->size + 1);
  memcpy(bytes, input->bytes, input->size);
  const rgc_plan *plan = rgc_plan_parse(arena, bytes, input->size, "input", &diags);
  check_errors(&diags, plan != NULL);
  if (plan && !rgc_plan_verify(plan, "input", &diags)) fuzz_fail("a plan that was read is not verified");
  check_memory(arena);
  rgc_arena_destroy(arena);
}

/* ---- image ---- */

static int image_tokens(const char **words, int limit) {
  static const char *const more[] = {"\xff\xd8\xff", "\xff\xda", "\xff\xd9", "\xff\xc0", "\xff\xc2", "\xff\xe1", "Exif", "II*", "MM", "Adobe",
                                     "IHDR", "IDAT", "IEND", "PLTE", "tRNS", "eXIf", "gAMA", "RIFF", "WEBP", "VP8 ", "VP8L", "VP8X", "EXIF", "ALPH", "ANIM"};
  return ADD_WORDS(words, 0, limit, more);
}

/* PNG's chunks get their right CRCs, so that mutations reach what lies behind them. */
static void repair_image(fuzz_input *input) {
  unsigned char *b = input->bytes;
  if (input->size < 8 || memcmp(b, "\x89PNG", 4)) return;
  for (size_t at = 8; at + 12 <= input->size;) {
    size_t length = (size_t)b[at] << 24 | (size_t)b[at + 1] << 16 | (size_t)b[at + 2] << 8 | b[at + 3];
    if (length > input->size - at - 12) return;
    unsigned long crc = crc32(0, b + at + 4, (unsigned)length + 4);
    for (int i = 0; i < 4; i++) b[at + 8 + length + (size_t)i] = (unsigned char)(crc >> (24 - 8 * i));
    at += 12 + length;
  }
}

static void run_image(const fuzz_input *input) {
  rgc_arena *arena = rgc_arena_create();
  unsigned char *bytes = malloc(input->size + 1); /* no more than there is, for the sanitizer */
  if (!bytes) fuzz_fail("no memory");
  memcpy(bytes, input->bytes, input->size);
  rgc_image_options o = {.channels = input->size % 2 ? 3 : 1, .shrink = 1 << input->size % 4, .alpha = (rgc_alpha)(input->size % 3)};
  rgc_image_info info;
  rgc_image image;
  const char *header = rgc_image_probe(bytes, input->size, &o, arena, &info), *problem = rgc_image_decode(bytes, input->size, &o, arena, &image);
  if (header && !problem) fuzz_fail("decoded, though the header is bad: %s", header);
  if (!problem) {
    rgc_image_shape s = image.shape;
    if (s.channels != o.channels || s.height < 1 || s.height > info.shape.height || s.width < 1 || s.width > info.shape.width)
      fuzz_fail("%dx%dx%d of a header that says %dx%d", s.height, s.width, s.channels, info.shape.height, info.shape.width);
    volatile unsigned char last = image.pixels[(size_t)s.height * (size_t)s.width * (size_t)s.channels - 1];
    (void)last;
  }
  check_memory(arena);
  free(bytes);
  rgc_arena_destroy(arena);
}

/* ---- npy ---- */

static int npy_tokens(const char **words, int limit) {
  static const char *const more[] = {"{", "}", "(", ")", ",", ":", "'descr'", "'fortran_order'", "'shape'", "'<f4'", "'|u1'", "'<i8'", "'>f4'", "'|O'",
                                     "False", "True", "(2, 3)", "()", "(0,)", "(9223372036854775807,)", "(4294967296, 4294967296)", "\x93NUMPY", "\x01"};
  return ADD_WORDS(words, 0, limit, more);
}

static void run_npy(const fuzz_input *input) {
  char path[256];
  snprintf(path, sizeof path, "%s/input.npy", fuzz_directory());
  FILE *f = fopen(path, "wb");
  if (!f || fwrite(input->bytes, 1, input->size, f) != input->size || fclose(f)) fuzz_fail("%s cannot be written", path);
  rgc_arena *arena = rgc_arena_create();
  rgc_diagnostics diags;
  rgc_diagnostics_init(&diags, arena);
  rgc_npy array;
  bool good = rgc_npy_read(path, arena, &array, &diags);
  check_errors(&diags, good);
  size_t bytes = good ? array.count_elems * rgc_npy_type_bytes(array.type) : 0;
  if (bytes > (size_t)MOST_MEMORY_BYTES) fuzz_fail("an array of %zu bytes", bytes);
  if (bytes) {
    volatile unsigned char last = ((const unsigned char *)array.data)[bytes - 1];
    (void)last;
  }
  check_memory(arena);
  rgc_arena_destroy(arena);
}

/* ---- torch ---- */

static int torch_tokens(const char **words, int limit) {
  static const char *const more[] = {"ccollections\nOrderedDict\n", "ctorch._utils\n_rebuild_tensor_v2\n", "ctorch\nFloatStorage\n", "ctorch\nHalfStorage\n",
                                     "cos\nsystem\n", "X\1\1\1\1storage", "(", "t", "}", "]", ")", "R", "Q", "u", "s", "a", "e", "b", ".", "N",
                                     "\x85", "\x86", "\x87", "\x88", "q\1", "h\1", "K\1", "J\xff\xff\xff\x7f", "\x8a\10\xff\xff\xff\xff\xff\xff\xff\x0f",
                                     "PK\3\4", "PK\1\2", "PK\5\6", "/data.pkl", "/data/0", "state_dict"};
  return ADD_WORDS(words, 0, limit, more);
}

/* Every tensor that comes out is as long as it says, and its bytes are within `growth` times the input's. */
static void run_weights(const fuzz_input *input, size_t growth) {
  rgc_arena *arena = rgc_arena_create();
  rgc_diagnostics diags;
  rgc_diagnostics_init(&diags, arena);
  unsigned char *bytes = rgc_arena_alloc(arena, input->size + 1);
  memcpy(bytes, input->bytes, input->size);
  rgc_tensor_file *file = rgc_import_parse(arena, bytes, input->size, fuzz_directory(), "input", &diags);
  check_errors(&diags, file != NULL);
  unsigned sum = 0;
  for (int i = 0; file && i < file->tensor_count; i++) {
    const rgc_tensor *t = &file->tensors[i];
    if (t->size_bytes > growth * input->size) fuzz_fail("%s has %zu bytes, the file %zu", t->name, t->size_bytes, input->size);
    for (size_t b = 0; b < t->size_bytes; b++) sum += ((const unsigned char *)t->data)[b];
  }
  if (sum == UINT32_MAX) fuzz_fail("no file is that large");
  check_memory(arena);
  rgc_arena_destroy(arena);
}

/* Both forms of PyTorch's files. */
static void run_torch(const fuzz_input *input) { run_weights(input, 1); }

/* ---- onnx ---- */

static int onnx_tokens(const char **words, int limit) {
  static const char *const more[] = {"\x08\x08", "\x10\x01", "\x10\x07", "\x10\x0a", "\x22\x08", "\x2a\x02", "\x3a\x02", "\x42\x02", "\x4a\x04", "\x4a\x08", "\x52\x08",
                                     "\x70\x01", "\x6a\x04", "\xff\xff\xff\xff\x0f", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "\x80", "onnx::Conv_1", "Identity",
                                     "Conv", "/layer1/layer1.0/Conv", "//", "\x0a\x03", "location", "offset", "length", "w.bin", "./w.bin", "../", "8", "0"};
  return ADD_WORDS(words, 0, limit, more);
}

/* The model's head and the graph's length, which every mutation that moves bytes breaks: all that follows the graph's beginning is the graph. */
static void repair_onnx(fuzz_input *input) {
  static const unsigned char head[] = {0x08, 0x08, 0x42, 0x02, 0x10, 0x11, 0x3a, 0x80, 0x80, 0x00}; /* IR 8, operator set 17, a graph of so many bytes */
  rgc_proto_span span = {input->bytes, input->bytes + input->size};
  rgc_proto_field field = {0};
  while (field.number != ONNX_MODEL_GRAPH && span.at < span.end) {
    size_t at = (size_t)(span.at - input->bytes);
    if (rgc_proto_next(&span, &field) > 0 && field.number != ONNX_MODEL_GRAPH) continue;
    if (input->bytes[at] != (ONNX_MODEL_GRAPH << 3 | 2)) return;
    for (at++; at < input->size && input->bytes[at] > 127;) at++; /* the old length */
    size_t length = at < input->size ? input->size - at - 1 : 0;
    if (!length || length + sizeof head > FUZZ_MAX_BYTES) return;
    memmove(input->bytes + sizeof head, input->bytes + at + 1, length);
    memcpy(input->bytes, head, sizeof head);
    for (int i = 0; i < 3; i++) input->bytes[7 + i] |= (unsigned char)(length >> (7 * i) & 127);
    input->size = sizeof head + length;
    return;
  }
}

/* A number of one byte in the file may be an int64. Beside the model lies w.bin, which corpus/onnx/external.onnx names. */
static void run_onnx(const fuzz_input *input) {
  static const unsigned char numbers[64];
  char path[256];
  snprintf(path, sizeof path, "%s/w.bin", fuzz_directory());
  FILE *f = access(path, F_OK) ? fopen(path, "wb") : NULL;
  if (f && (fwrite(numbers, 1, sizeof numbers, f) != sizeof numbers || fclose(f))) fuzz_fail("%s cannot be written", path);
  run_weights(input, 8);
}

/* ---- shards ---- */

static int shards_tokens(const char **words, int limit) {
  static const char *const more[] = {"{", "}", ":", ",", "\"", "\"weight_map\"", "\"metadata\"", "s.safetensors", "../", "/", ".", "\"a\"", "\"b\"", "\"t.safetensors\"", "null", "\\u0000"};
  return ADD_WORDS(words, 0, limit, more);
}

/* Beside the index lies s.safetensors, with one tensor `a` of four bytes. */
static void run_shards(const fuzz_input *input) {
  static const char header[] = "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}";
  const unsigned char length[8] = {sizeof header - 1}, number[4] = {0};
  char path[256];
  snprintf(path, sizeof path, "%s/s.safetensors", fuzz_directory());
  FILE *f = access(path, F_OK) ? fopen(path, "wb") : NULL;
  if (f && (!fwrite(length, sizeof length, 1, f) || !fwrite(header, sizeof header - 1, 1, f) || !fwrite(number, sizeof number, 1, f) || fclose(f)))
    fuzz_fail("%s cannot be written", path);
  run_weights(input, 8);
}

const fuzz_target fuzz_targets[] = {
    {"yaml",
     {"graphs/[!c]*.yaml", "graphs/cifar_resnet20.yaml", "graphs/blocks/*.yaml", "tests/golden/diag/*.yaml", "tests/fuzz/corpus/yaml/*"},
     yaml_tokens, NULL, run_yaml},
    {"ir", {"tests/fuzz/corpus/ir/*"}, ir_tokens, NULL, run_ir},
    {"safetensors", {"tests/fuzz/corpus/safetensors/*"}, safetensors_tokens, repair_safetensors, run_safetensors},
    {"torch", {"tests/fuzz/corpus/torch/*"}, torch_tokens, NULL, run_torch},
    {"onnx", {"tests/fuzz/corpus/onnx/*", "tests/data/import/*.onnx"}, onnx_tokens, repair_onnx, run_onnx},
    {"shards", {"tests/fuzz/corpus/shards/*"}, shards_tokens, NULL, run_shards},
    {"plan", {"tests/fuzz/corpus/plan/*"}, ir_tokens, repair_plan, run_plan},
    {"image", {"tests/data/images/*.jpg", "tests/data/images/*.png", "tests/data/images/*.webp"}, image_tokens, repair_image, run_image},
    {"npy", {"tests/fuzz/corpus/npy/*"}, npy_tokens, NULL, run_npy},
    {0},
};
