/* test_safetensors.c: what is written reads back; every single flipped bit and every truncation is refused. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compiler/plan/safetensors.h"

static const float weights[6] = {1, -2, 3.5f, 0, 1e-30f, 7};
static const int64_t steps[1] = {42};
static rgc_metadata metadata[] = {{"graph", "conv \"x\"\nbn"}, {"name", "tiny"}};
static rgc_tensor tensors[] = {{"a.weight", RGC_TENSOR_F32, 2, {2, 3}, weights, sizeof weights},
                               {"steps", RGC_TENSOR_I64, 0, {0}, steps, sizeof steps}};

/* Writes the example and returns its bytes. */
static unsigned char *written(rgc_arena *arena, rgc_diagnostics *diags, size_t *size_bytes) {
  char path[] = "/tmp/rgc_safetensors_XXXXXX";
  cr_assert(mkdtemp(path));
  char *name = rgc_arena_printf(arena, "%s/x.bin", path);
  rgc_tensor_file file = {.metadata = metadata, .metadata_count = 2, .tensors = tensors, .tensor_count = 2};
  cr_assert(rgc_safetensors_write(&file, name, diags));
  FILE *f = fopen(name, "rb");
  unsigned char *bytes = rgc_arena_alloc(arena, 4096);
  *size_bytes = fread(bytes, 1, 4096, f);
  fclose(f);
  remove(name);
  rmdir(path);
  return bytes;
}

Test(safetensors, reads_back_what_was_written) {
  rgc_arena *arena = rgc_arena_create();
  rgc_diagnostics diags;
  rgc_diagnostics_init(&diags, arena);
  size_t size;
  unsigned char *bytes = written(arena, &diags, &size);
  rgc_tensor_file *file = rgc_safetensors_parse(arena, bytes, size, "x", &diags);
  cr_assert(file);
  cr_assert_str_eq(rgc_metadata_find(file, "graph"), "conv \"x\"\nbn");
  const rgc_tensor *t = rgc_tensor_find(file, "a.weight");
  cr_assert(t && t->rank == 2 && t->shape[0] == 2 && t->shape[1] == 3);
  cr_assert(!memcmp(t->data, weights, sizeof weights));
  cr_assert_eq(((const int64_t *)rgc_tensor_find(file, "steps")->data)[0], 42);
  rgc_arena_destroy(arena);
}

Test(safetensors, refuses_every_flipped_bit_and_every_truncation) {
  rgc_arena *arena = rgc_arena_create();
  rgc_diagnostics diags;
  rgc_diagnostics_init(&diags, arena);
  size_t size;
  unsigned char *bytes = written(arena, &diags, &size);
  rgc_tensor_file *whole = rgc_safetensors_parse(arena, bytes, size, "x", &diags);
  char digest[33], other[33];
  rgc_safetensors_digest(whole, digest);
  for (size_t length = 0; length < size; length++)
    cr_assert_null(rgc_safetensors_parse(arena, bytes, length, "x", &diags), "truncated to %zu", length);
  for (size_t bit = 0; bit < size * 8; bit++) {
    bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
    rgc_tensor_file *file = rgc_safetensors_parse(arena, bytes, size, "x", &diags);
    if (file) { /* only bits without meaning may change: white space, and the name of the entry "digest" itself */
      rgc_safetensors_digest(file, other);
      if (rgc_metadata_find(file, "digest")) cr_assert_str_eq(digest, other, "bit %zu", bit);
    }
    bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
  }
  rgc_arena_destroy(arena);
}

Test(safetensors, a_text_that_is_no_utf8_is_not_written) {
  rgc_arena *arena = rgc_arena_create();
  rgc_diagnostics diags;
  rgc_diagnostics_init(&diags, arena);
  rgc_metadata bad_text = {"graph", "\xff"};
  rgc_tensor bad_name = tensors[0];
  bad_name.name = "\xc0\x80";
  rgc_tensor_file text = {.metadata = &bad_text, .metadata_count = 1}, name = {.tensors = &bad_name, .tensor_count = 1};
  cr_assert_not(rgc_safetensors_write(&text, "/tmp/rgc_safetensors_never", &diags));
  cr_assert_not(rgc_safetensors_write(&name, "/tmp/rgc_safetensors_never", &diags));
  cr_assert(access("/tmp/rgc_safetensors_never", F_OK));
  rgc_arena_destroy(arena);
}

/* The text of the only metadata of a file that is written and read again. */
static const char *read_again(rgc_arena *arena, const char *text, rgc_diagnostics *diags) {
  static const char path[] = "/tmp/rgc_safetensors_texts";
  rgc_metadata entry = {"a \"key\"", text};
  rgc_tensor_file file = {.metadata = &entry, .metadata_count = 1};
  cr_assert(rgc_safetensors_write(&file, path, diags));
  rgc_tensor_file *back = rgc_safetensors_read(arena, path, diags);
  remove(path);
  cr_assert(back);
  return rgc_metadata_find(back, entry.key);
}

Test(safetensors, texts_of_all_characters_come_back) {
  rgc_arena *arena = rgc_arena_create();
  rgc_diagnostics diags;
  rgc_diagnostics_init(&diags, arena);
  static const char *const texts[] = {"", "\n", "\"", "a\n\"b\"\n\n", "back\\slash", "\x01\x1f\x7f\t\r", "\xc3\xa9t\xc3\xa9\n", "n0 = \xe2\x82\xac \"\\u20ac\""};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) cr_assert_str_eq(read_again(arena, texts[i], &diags), texts[i]);
  rgc_arena_destroy(arena);
}

Test(safetensors, a_header_that_no_reader_takes_is_not_written) {
  rgc_arena *arena = rgc_arena_create();
  rgc_diagnostics diags;
  rgc_diagnostics_init(&diags, arena);
  char *text = rgc_arena_alloc(arena, RGC_MAX_HEADER_BYTES + 1);
  memset(text, 'x', RGC_MAX_HEADER_BYTES);
  rgc_metadata entry = {"graph", text};
  rgc_tensor_file file = {.metadata = &entry, .metadata_count = 1};
  cr_assert_not(rgc_safetensors_write(&file, "/tmp/rgc_safetensors_never", &diags));
  cr_assert(access("/tmp/rgc_safetensors_never", F_OK));
  rgc_arena_destroy(arena);
}
