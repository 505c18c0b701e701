/* image_png.c: PNG by libpng, every colour type and depth: palettes become RGB, 1, 2 and 4 bits become 8, of 16 bits the high byte is
 * kept, and alpha stays (image.h's options say what becomes of it). No gamma is applied: nobody's training does. */
#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include "runtime/data/image_codec.h"

enum { MAX_CHUNK_BYTES = 1 << 24, MAX_CHUNKS = 1000, MAX_DEFLATE = 1032 }; /* bytes that one of deflate can become */

typedef struct session {
  const uint8_t *bytes;
  size_t size, at; /* at: bytes read */
  char message[128];
} session;

static void read_bytes(png_structp png, png_bytep dst, size_t count) {
  session *s = png_get_io_ptr(png);
  if (count > s->size - s->at) png_error(png, "the file ends early");
  memcpy(dst, s->bytes + s->at, count);
  s->at += count;
}

static void fail(png_structp png, const char *message) {
  session *s = png_get_error_ptr(png);
  snprintf(s->message, sizeof s->message, "%s", message);
  longjmp(png_jmpbuf(png), 1);
}

static void ignore(png_structp png, const char *message) { (void)png, (void)message; }

static int find_orientation(png_structp png, png_infop info) {
  png_bytep exif;
  png_uint_32 count;
  return png_get_eXIf_1(png, info, &count, &exif) ? rgc_exif_orientation(exif, count) : 0;
}

static void ask_for_bytes(png_structp png, png_infop info) {
  png_set_strip_16(png);
  png_set_expand(png);
  png_set_interlace_handling(png);
  png_read_update_info(png, info);
}

static void read_rows(png_structp png, png_infop info, rgc_image_shape shape, rgc_arena *arena, rgc_image *image) {
  size_t row_bytes = png_get_rowbytes(png, info);
  image->shape = shape;
  image->pixels = rgc_arena_alloc(arena, row_bytes * (size_t)shape.height);
  png_bytep *rows = RGC_NEW_ARRAY(arena, png_bytep, shape.height);
  for (int y = 0; y < shape.height; y++) rows[y] = image->pixels + (size_t)y * row_bytes;
  png_read_image(png, rows);
  png_read_end(png, NULL);
}

static const char *run(png_structp png, png_infop info, session *s, rgc_arena *arena, rgc_image_stored *stored, rgc_image *image) {
  png_set_read_fn(png, s, read_bytes);
  png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX); /* our own limits follow, and say what they are */
  png_set_chunk_malloc_max(png, MAX_CHUNK_BYTES);
  png_set_chunk_cache_max(png, MAX_CHUNKS);
  png_read_info(png, info);
  stored->orientation = find_orientation(png, info);
  png_uint_32 height = png_get_image_height(png, info), width = png_get_image_width(png, info);
  const char *problem = rgc_image_check_size(height, width, arena);
  if (!problem && (uint64_t)png_get_rowbytes(png, info) * height > (uint64_t)s->size * MAX_DEFLATE) problem = "is a damaged PNG: the file ends early";
  if (problem) return problem;
  ask_for_bytes(png, info);
  stored->shape = (rgc_image_shape){(int)height, (int)width, png_get_channels(png, info)};
  if (image) read_rows(png, info, stored->shape, arena, image);
  return NULL;
}

const char *rgc_png_codec(const uint8_t *bytes, size_t size, int shrink, rgc_arena *arena, rgc_image_stored *stored, rgc_image *image) {
  (void)shrink;
  session *s = RGC_NEW(arena, session);
  *s = (session){.bytes = bytes, .size = size};
  png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, s, fail, ignore);
  png_infop info = png ? png_create_info_struct(png) : NULL;
  const char *volatile problem = NULL;
  if (!info) problem = "cannot be read: there is no memory";
  else if (setjmp(png_jmpbuf(png))) problem = rgc_arena_printf(arena, "is a damaged PNG: %s", s->message);
  else problem = run(png, info, s, arena, stored, image);
  png_destroy_read_struct(&png, &info, NULL);
  return problem;
}
