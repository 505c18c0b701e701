/* strokes.c: see strokes.h. Layouts: github.com/googlecreativelab/quickdraw-dataset.
 *
 *   .bin     little-endian, packed: u64 key_id, char[2] country, i8 recognized, u32 seconds, u16 n_strokes,
 *            then per stroke u16 n, u8 x[n], u8 y[n]
 *   .ndjson  a JSON object a line, "drawing": [[[x...], [y...]], ...], values 0..255 */
#include "runtime/data/strokes.h"

#include <jansson.h>
#include <string.h>

enum { RECORD_HEADER_BYTES = 17, STROKE_COUNT_OFFSET = 15 };

static int read_u16(const uint8_t *at) { return at[0] | at[1] << 8; }

/* The end of the record at `offset`, 0 if the file ends before it does (reported). Sums the points of its strokes. */
static size_t record_end(const rgc_file_bytes *file, size_t offset, int *points, rgc_diagnostics *diags) {
  size_t at = offset + RECORD_HEADER_BYTES;
  *points = 0;
  if (rgc_file_is_short(file, at, "a drawing's header", diags)) return 0;
  int strokes = read_u16(file->data + offset + STROKE_COUNT_OFFSET);
  for (int s = 0; s < strokes; s++) {
    if (rgc_file_is_short(file, at + 2, "a stroke's length", diags)) return 0;
    int n = read_u16(file->data + at);
    at += 2 + 2 * (size_t)n;
    if (rgc_file_is_short(file, at, "a stroke's points", diags)) return 0;
    *points += n;
  }
  return at;
}

/* Separates the points, which the file has as x then y per stroke. The record was checked. */
static rgc_drawing unpack_record(const uint8_t *record, int points, rgc_arena *arena) {
  int strokes = read_u16(record + STROKE_COUNT_OFFSET);
  int *counts = RGC_NEW_ARRAY(arena, int, strokes);
  uint8_t *x = RGC_NEW_ARRAY(arena, uint8_t, points), *y = RGC_NEW_ARRAY(arena, uint8_t, points);
  rgc_drawing drawing = {.stroke_count = strokes, .point_counts = counts, .x = x, .y = y};
  const uint8_t *at = record + RECORD_HEADER_BYTES;
  for (int s = 0; s < strokes; s++) {
    int n = counts[s] = read_u16(at);
    memcpy(x, at + 2, (size_t)n);
    memcpy(y, at + 2 + n, (size_t)n);
    x += n, y += n, at += 2 + 2 * n;
  }
  return drawing;
}

static bool read_binary(const rgc_file_bytes *file, int limit, rgc_arena *arena, rgc_drawing_list *list,
                        rgc_diagnostics *diags) {
  size_t at = 0;
  for (int i = 0; i < limit && at < file->size_bytes; i++) {
    int points;
    size_t end = record_end(file, at, &points, diags);
    if (!end) return false;
    *RGC_PUSH(arena, list->items, list->count, list->capacity) = unpack_record(file->data + at, points, arena);
    at = end;
  }
  return true;
}

static bool bad_line(const char *path, int line, const char *message, rgc_diagnostics *diags) {
  rgc_location at = {.file = rgc_arena_strdup(diags->arena, path), .line = line};
  rgc_diagnostic *d = rgc_diag_add(diags, RGC_ERROR, RGC_CODE_DATA_FORMAT, at, "not a drawing: %s", message);
  d->expected = "QuickDraw's simplified form, {\"drawing\": [[[x, ...], [y, ...]], ...], ...} with values 0 to 255";
  d->help = "the download may be incomplete: fetch the file again";
  return false;
}

/* The points of all strokes together, -1 if some stroke is not two lists of equal length. */
static int count_points(const json_t *strokes) {
  size_t points = 0;
  if (!json_is_array(strokes)) return -1;
  for (size_t s = 0; s < json_array_size(strokes); s++) {
    const json_t *stroke = json_array_get(strokes, s);
    size_t n = json_array_size(json_array_get(stroke, 0));
    if (json_array_size(stroke) < 2 || json_array_size(json_array_get(stroke, 1)) != n) return -1;
    points += n;
  }
  return points > INT32_MAX ? -1 : (int)points;
}

static bool copy_axis(const json_t *values, uint8_t *dst) {
  for (size_t i = 0; i < json_array_size(values); i++) {
    const json_t *value = json_array_get(values, i);
    if (!json_is_integer(value) || json_integer_value(value) < 0 || json_integer_value(value) > 255) return false;
    dst[i] = (uint8_t)json_integer_value(value);
  }
  return true;
}

static const char *convert_drawing(const json_t *strokes, rgc_arena *arena, rgc_drawing *out) {
  int points = count_points(strokes);
  if (points < 0) return "'drawing' is missing or not a list of strokes";
  int count = (int)json_array_size(strokes);
  int *counts = RGC_NEW_ARRAY(arena, int, count);
  uint8_t *x = RGC_NEW_ARRAY(arena, uint8_t, points), *y = RGC_NEW_ARRAY(arena, uint8_t, points);
  *out = (rgc_drawing){.stroke_count = count, .point_counts = counts, .x = x, .y = y};
  for (int s = 0; s < count; s++) {
    const json_t *stroke = json_array_get(strokes, (size_t)s);
    counts[s] = (int)json_array_size(json_array_get(stroke, 0));
    if (!copy_axis(json_array_get(stroke, 0), x) || !copy_axis(json_array_get(stroke, 1), y))
      return "a coordinate is not a whole number from 0 to 255";
    x += counts[s], y += counts[s];
  }
  return NULL;
}

static bool read_line(const rgc_file_bytes *file, const char *text, size_t length, int line, rgc_arena *arena,
                      rgc_drawing_list *list, rgc_diagnostics *diags) {
  json_error_t error;
  json_t *record = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);
  if (!record) return bad_line(file->path, line, rgc_arena_strdup(diags->arena, error.text), diags);
  rgc_drawing drawing;
  const char *problem = convert_drawing(json_object_get(record, "drawing"), arena, &drawing);
  json_decref(record);
  if (problem) return bad_line(file->path, line, problem, diags);
  *RGC_PUSH(arena, list->items, list->count, list->capacity) = drawing;
  return true;
}

static bool read_ndjson(const rgc_file_bytes *file, int limit, rgc_arena *arena, rgc_drawing_list *list,
                        rgc_diagnostics *diags) {
  const char *at = (const char *)file->data, *end = at + file->size_bytes;
  int read = 0;
  for (int line = 1; at < end && read < limit; line++) {
    const char *newline = memchr(at, '\n', (size_t)(end - at));
    size_t length = (size_t)((newline ? newline : end) - at);
    if (length > 0) {
      if (!read_line(file, at, length, line, arena, list, diags)) return false;
      read++;
    }
    at += length + 1;
  }
  return true;
}

bool rgc_strokes_read(const char *path, int limit, rgc_arena *arena, rgc_drawing_list *list, rgc_diagnostics *diags) {
  static const char ending[] = ".ndjson";
  rgc_arena *scratch = rgc_arena_create();
  rgc_file_bytes file;
  bool ok = rgc_file_slurp(path, scratch, &file, diags);
  size_t length = strlen(path), tail = sizeof ending - 1;
  if (ok && length >= tail && !strcmp(path + length - tail, ending))
    ok = read_ndjson(&file, limit, arena, list, diags);
  else if (ok)
    ok = read_binary(&file, limit, arena, list, diags);
  rgc_arena_destroy(scratch);
  return ok;
}
