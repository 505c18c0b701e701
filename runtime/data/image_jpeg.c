/* image_jpeg.c: JPEG by libjpeg-turbo. Gray stays gray, CMYK (inverted, as Adobe stores it) becomes RGB, all else is decoded to RGB.
 *
 * libjpeg repairs what it can and warns. A stream that ends early, or whose codes make no sense, is refused here; stray bytes between
 * markers and the like, which many cameras write, are not. Its memory is limited, and so is the number of scans: a file of a few
 * kilobytes may hold thousands, each of which is a pass over the whole image. */
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jerror.h>
#include <jpeglib.h>

#include "runtime/data/image_codec.h"

enum { MAX_SCANS = 200, MAX_MEMORY_BYTES = 1 << 30, EXIF_MARKER = JPEG_APP0 + 1, LONGEST_MARKER = 0xffff };

typedef struct session {
  struct jpeg_decompress_struct jpeg;
  struct jpeg_error_mgr errors;
  struct jpeg_progress_mgr progress;
  jmp_buf back;
  char message[JMSG_LENGTH_MAX];
} session;

static void fail(j_common_ptr jpeg) {
  session *s = jpeg->client_data;
  s->errors.format_message(jpeg, s->message);
  longjmp(s->back, 1);
}

static void warn(j_common_ptr jpeg, int level) {
  int code = jpeg->err->msg_code;
  if (level < 0 && (code == JWRN_JPEG_EOF || code == JWRN_HIT_MARKER || code == JWRN_HUFF_BAD_CODE)) fail(jpeg);
}

static void count_scans(j_common_ptr jpeg) {
  session *s = jpeg->client_data;
  if (s->jpeg.input_scan_number <= MAX_SCANS) return;
  snprintf(s->message, sizeof s->message, "more than %d scans", (int)MAX_SCANS);
  longjmp(s->back, 1);
}

static int find_orientation(const struct jpeg_decompress_struct *jpeg) {
  static const char name[] = "Exif\0";
  for (jpeg_saved_marker_ptr m = jpeg->marker_list; m; m = m->next)
    if (m->marker == EXIF_MARKER && m->data_length > sizeof name && !memcmp(m->data, name, sizeof name))
      return rgc_exif_orientation(m->data + sizeof name, m->data_length - sizeof name);
  return 0;
}

/* a * b / 255, rounded, as Pillow does it. */
static uint8_t scale_255(int a, int b) {
  int product = a * b + 128;
  return (uint8_t)(((product >> 8) + product) >> 8);
}

/* A row of inverted CMYK to RGB, in place. */
static void convert_cmyk(uint8_t *row, int width) {
  for (int x = 0; x < width; x++)
    for (int c = 0; c < 3; c++) row[3 * x + c] = (uint8_t)(row[4 * x + 3] - scale_255(255 - row[4 * x + c], row[4 * x + 3]));
}

static void read_rows(session *s, rgc_arena *arena, rgc_image *image) {
  struct jpeg_decompress_struct *jpeg = &s->jpeg;
  bool cmyk = jpeg->out_color_space == JCS_CMYK;
  int channels = cmyk ? 3 : jpeg->output_components;
  image->shape = (rgc_image_shape){(int)jpeg->output_height, (int)jpeg->output_width, channels};
  size_t row_bytes = (size_t)jpeg->output_width * (size_t)channels;
  image->pixels = rgc_arena_alloc(arena, row_bytes * jpeg->output_height);
  uint8_t *line = rgc_arena_alloc(arena, (size_t)jpeg->output_width * 4);
  while (jpeg->output_scanline < jpeg->output_height) {
    uint8_t *dst = image->pixels + jpeg->output_scanline * row_bytes, *row = cmyk ? line : dst;
    jpeg_read_scanlines(jpeg, &row, 1);
    if (!cmyk) continue;
    convert_cmyk(line, (int)jpeg->output_width);
    memcpy(dst, line, row_bytes);
  }
}

/* Header, and pixels if there is an image to fill. Leaves by longjmp when the file is bad. */
static const char *run(session *s, const uint8_t *bytes, size_t size, int shrink, rgc_arena *arena, rgc_image_stored *stored,
                       rgc_image *image) {
  struct jpeg_decompress_struct *jpeg = &s->jpeg;
  jpeg->mem->max_memory_to_use = MAX_MEMORY_BYTES;
  jpeg->progress = &s->progress;
  jpeg_mem_src(jpeg, bytes, (unsigned long)size);
  jpeg_save_markers(jpeg, EXIF_MARKER, LONGEST_MARKER);
  jpeg_read_header(jpeg, TRUE);
  bool gray = jpeg->jpeg_color_space == JCS_GRAYSCALE, cmyk = jpeg->num_components == 4;
  stored->shape = (rgc_image_shape){(int)jpeg->image_height, (int)jpeg->image_width, gray ? 1 : 3};
  stored->orientation = find_orientation(jpeg);
  const char *problem = rgc_image_check_size(jpeg->image_height, jpeg->image_width, arena);
  if (problem || !image) return problem;
  jpeg->out_color_space = gray ? JCS_GRAYSCALE : cmyk ? JCS_CMYK : JCS_RGB;
  jpeg->scale_num = 1;
  jpeg->scale_denom = (unsigned)shrink;
  jpeg_start_decompress(jpeg);
  read_rows(s, arena, image);
  jpeg_finish_decompress(jpeg);
  return NULL;
}

const char *rgc_jpeg_codec(const uint8_t *bytes, size_t size, int shrink, rgc_arena *arena, rgc_image_stored *stored, rgc_image *image) {
  session *s = RGC_NEW(arena, session);
  s->jpeg.err = jpeg_std_error(&s->errors);
  s->errors.error_exit = fail;
  s->errors.emit_message = warn;
  s->progress.progress_monitor = count_scans;
  s->jpeg.client_data = s;
  const char *volatile problem = NULL;
  if (setjmp(s->back)) {
    problem = rgc_arena_printf(arena, "is a damaged JPEG: %s", s->message);
  } else {
    jpeg_create_decompress(&s->jpeg);
    problem = run(s, bytes, size, shrink, arena, stored, image);
  }
  jpeg_destroy_decompress(&s->jpeg);
  return problem;
}
