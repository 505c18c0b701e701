/* safetensors_write.c: the writer; see safetensors.h. */
#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/base/file.h"
#include "compiler/base/parallel.h"
#include "compiler/plan/safetensors.h"

/* The header, as jansson would print it. It is printed here since the programs of a deep network are tens of megabytes, which jansson
 * copies three times. */

/* Any text, by jansson; false if it is not UTF-8. */
static bool add_any_string(rgc_text *out, const char *text) {
  json_t *string = json_string(text);
  char *chars = string ? json_dumps(string, JSON_ENCODE_ANY) : NULL;
  if (chars) rgc_text_add(out, chars);
  free(chars);
  json_decref(string);
  return chars != NULL;
}

/* ASCII that stands for itself. */
static const bool is_plain[UCHAR_MAX + 1] = {[' ' ... '!'] = true, ['#' ... '['] = true, [']' ... '~'] = true};

/* Lines of ASCII; else as above. */
static bool add_string(rgc_text *out, const char *text) {
  size_t before = out->length;
  rgc_text_add(out, "\"");
  for (const char *at = text;; at++) {
    const char *from = at;
    while (is_plain[(unsigned char)*at]) at++;
    rgc_text_add_bytes(out, from, (size_t)(at - from));
    if (!*at) break;
    if (*at != '\n' && *at != '"') return out->length = before, add_any_string(out, text);
    rgc_text_add(out, *at == '"' ? "\\\"" : "\\n");
  }
  rgc_text_add(out, "\"");
  return true;
}

static bool add_tensor(rgc_text *out, const rgc_tensor *t, size_t begin) {
  rgc_text_add(out, ",");
  bool good = add_string(out, t->name);
  rgc_text_printf(out, ":{\"dtype\":\"%s\",\"shape\":[", rgc_tensor_dtype_word(t->dtype));
  for (int d = 0; d < t->rank; d++) rgc_text_printf(out, "%s%lld", d ? "," : "", (long long)t->shape[d]);
  rgc_text_printf(out, "],\"data_offsets\":[%zu,%zu]}", begin, begin + t->size_bytes);
  return good;
}

/* The header in pieces, [count]: its opening, an entry for each text of the metadata, and its end: the digest and the tensors. The entries are made side by
 * side, and the digest beside them, since a plan has texts of tens of megabytes. */
typedef struct header {
  const rgc_tensor_file *file;
  rgc_text *pieces;
  bool *good; /* [count]: false where a name or a text is not UTF-8 */
  int count;
  char digest[33];
} header;

static void make_piece(void *context, int i) {
  header *h = context;
  rgc_text *out = &h->pieces[i];
  const rgc_metadata *entry = i && i <= h->file->metadata_count ? &h->file->metadata[i - 1] : NULL;
  if (i == 0) rgc_text_add(out, "{\"__metadata__\":{");
  else if (!entry) rgc_safetensors_digest(h->file, h->digest);
  else if (strcmp(entry->key, "digest")) {
    h->good[i] = add_string(out, entry->key);
    rgc_text_add(out, ":");
    h->good[i] = add_string(out, entry->text) && h->good[i];
    rgc_text_add(out, ",");
  }
}

static bool add_end(rgc_text *out, const header *h) {
  size_t offset = 0;
  bool good = true;
  rgc_text_printf(out, "\"digest\":\"%s\"}", h->digest);
  for (int i = 0; i < h->file->tensor_count; i++) {
    good = add_tensor(out, &h->file->tensors[i], offset) && good;
    offset += h->file->tensors[i].size_bytes;
  }
  rgc_text_add(out, "}");
  return good;
}

static bool open_header(header *h, const rgc_tensor_file *file, rgc_arena *arena) {
  int count = file->metadata_count + 2;
  *h = (header){.file = file, .pieces = RGC_NEW_ARRAY(arena, rgc_text, count), .good = RGC_NEW_ARRAY(arena, bool, count), .count = count};
  for (int i = 0; i < count; i++) h->good[i] = true;
  rgc_parallel(count, make_piece, h);
  bool good = add_end(&h->pieces[count - 1], h);
  for (int i = 0; i < count; i++) good = good && h->good[i];
  return good;
}

static void close_header(header *h) {
  for (int i = 0; i < h->count; i++) rgc_text_free(&h->pieces[i]);
}

static size_t header_bytes(const header *h) {
  size_t bytes = 0;
  for (int i = 0; i < h->count; i++) bytes += h->pieces[i].length;
  return bytes;
}

enum { PADDING = 64 };

/* Padded with spaces so that the data begins at a multiple of 64 bytes. */
static bool write_header(const header *h, FILE *f) {
  size_t length = header_bytes(h), padded = (length + 8 + PADDING - 1) / PADDING * PADDING - 8;
  unsigned char count[8];
  for (int i = 0; i < 8; i++) count[i] = (unsigned char)(padded >> (8 * i));
  bool good = fwrite(count, 1, 8, f) == 8;
  for (int i = 0; good && i < h->count; i++) good = !h->pieces[i].length || fwrite(h->pieces[i].chars, 1, h->pieces[i].length, f) == h->pieces[i].length;
  for (size_t i = length; good && i < padded; i++) good = fputc(' ', f) != EOF;
  return good;
}

static bool write_parts(const void *contents, FILE *f) {
  const header *h = contents;
  const rgc_tensor_file *file = h->file;
  bool good = write_header(h, f);
  for (int i = 0; good && i < file->tensor_count; i++)
    good = fwrite(file->tensors[i].data, 1, file->tensors[i].size_bytes, f) == file->tensors[i].size_bytes;
  return good;
}

bool rgc_safetensors_write(const rgc_tensor_file *file, const char *path, rgc_diagnostics *diags) {
  rgc_arena *scratch = rgc_arena_create();
  header h;
  bool good = open_header(&h, file, scratch);
  if (!good) rgc_diag_fail(diags, RGC_CODE_FILE_WRITE, path, NULL, "cannot be written: a name or a text in it is not UTF-8");
  else if (header_bytes(&h) > RGC_MAX_HEADER_BYTES - PADDING)
    good = rgc_diag_fail(diags, RGC_CODE_FILE_WRITE, path, "put fewer programs into one plan, or make the network shallower",
                         "cannot be written: its header would have %zu bytes, and readers take %d", header_bytes(&h), RGC_MAX_HEADER_BYTES);
  good = good && rgc_replace_file(path, write_parts, &h, diags);
  close_header(&h);
  rgc_arena_destroy(scratch);
  return good;
}
