/* image.c: see image.h. Finds the codec by the file's first bytes, converts its channels, turns the image upright. */
#include "runtime/data/image.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/data/image_codec.h"

static const struct format {
  const char *word;
  size_t offset;
  const char *magic;
  size_t length;
  rgc_image_codec *codec;
} formats[] = {
    {"JPEG", 0, "\xff\xd8\xff", 3, rgc_jpeg_codec},
    {"PNG", 0, "\x89PNG\r\n\x1a\n", 8, rgc_png_codec},
    {"WebP", 8, "WEBP", 4, rgc_webp_codec},
};

static const struct format *find_format(const uint8_t *bytes, size_t size) {
  for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
    const struct format *f = &formats[i];
    if (size >= f->offset + f->length && !memcmp(bytes + f->offset, f->magic, f->length)) return f;
  }
  return NULL;
}

static const char unknown[] = "is no JPEG, PNG or WebP";

bool rgc_image_has_name(const char *name) {
  static const char *const endings[] = {".jpg", ".jpeg", ".png", ".webp"};
  size_t length = strlen(name);
  for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
    size_t tail = strlen(endings[i]);
    if (length > tail && !strcasecmp(name + length - tail, endings[i])) return true;
  }
  return false;
}

/* ---- turned upright ---- */

static bool swaps_sides(int orientation) { return orientation >= 5; }

/* Where the upright pixel (y, x) is stored; height and width as stored. 2: mirrored; 3: half a turn; 4: upside down; 5 and 7: over the
 * diagonals; 6 and 8: a quarter of a turn. */
static size_t stored_pixel(int orientation, int height, int width, int y, int x) {
  static const struct {
    bool swap, flip_y, flip_x; /* swap first: (y, x) to (x, y) */
  } moves[9] = {[2] = {0, 0, 1}, [3] = {0, 1, 1}, [4] = {0, 1, 0}, [5] = {1, 0, 0}, [6] = {1, 1, 0}, [7] = {1, 1, 1}, [8] = {1, 0, 1}};
  int from_y = moves[orientation].swap ? x : y, from_x = moves[orientation].swap ? y : x;
  if (moves[orientation].flip_y) from_y = height - 1 - from_y;
  if (moves[orientation].flip_x) from_x = width - 1 - from_x;
  return (size_t)from_y * (size_t)width + (size_t)from_x;
}

static void turn_upright(rgc_image *image, int orientation, rgc_arena *arena) {
  if (orientation < 2) return;
  rgc_image_shape s = image->shape;
  int height = swaps_sides(orientation) ? s.width : s.height, width = swaps_sides(orientation) ? s.height : s.width;
  size_t channels = (size_t)s.channels;
  uint8_t *turned = rgc_arena_alloc(arena, (size_t)height * (size_t)width * channels), *dst = turned;
  for (int y = 0; y < height; y++)
    for (int x = 0; x < width; x++, dst += channels)
      memcpy(dst, image->pixels + stored_pixel(orientation, s.height, s.width, y, x) * channels, channels);
  *image = (rgc_image){{height, width, s.channels}, turned};
}

/* ---- channels ---- */

static uint8_t over(int value, int alpha, rgc_alpha how) {
  int ground = how == RGC_ALPHA_WHITE ? 255 : 0;
  return how == RGC_ALPHA_DROP ? (uint8_t)value : (uint8_t)((value * alpha + ground * (255 - alpha) + 127) / 255);
}

/* ITU-R 601-2 luma in 16 bits, as Pillow computes it. */
static uint8_t luma(const uint8_t *rgb) { return (uint8_t)((rgb[0] * 19595 + rgb[1] * 38470 + rgb[2] * 7471 + 0x8000) >> 16); }

rgc_image rgc_image_convert(rgc_image image, int out, rgc_alpha alpha, rgc_arena *arena) {
  int in = image.shape.channels, colors = in > 2 ? 3 : 1;
  if (in == out) return image;
  size_t pixels = (size_t)image.shape.height * (size_t)image.shape.width;
  uint8_t *made = rgc_arena_alloc(arena, pixels * (size_t)out), *dst = made;
  const uint8_t *src = image.pixels;
  for (size_t p = 0; p < pixels; p++, src += in, dst += out) {
    uint8_t color[3];
    for (int c = 0; c < colors; c++) color[c] = in % 2 ? src[c] : over(src[c], src[in - 1], alpha);
    for (int c = 0; c < out; c++) dst[c] = colors == 1 ? color[0] : out == 3 ? color[c] : luma(color);
  }
  return (rgc_image){{image.shape.height, image.shape.width, out}, made};
}

/* ---- entry points ---- */

const char *rgc_image_probe(const uint8_t *bytes, size_t size, const rgc_image_options *o, rgc_arena *arena, rgc_image_info *info) {
  const struct format *format = find_format(bytes, size);
  rgc_image_stored stored = {0};
  const char *problem = format ? format->codec(bytes, size, 1, arena, &stored, NULL) : unknown;
  if (problem) return problem;
  int orientation = o->as_stored || !stored.orientation ? 1 : stored.orientation;
  bool swap = swaps_sides(orientation);
  *info = (rgc_image_info){.format = format->word, .orientation = orientation};
  info->shape = (rgc_image_shape){swap ? stored.shape.width : stored.shape.height, swap ? stored.shape.height : stored.shape.width,
                                  stored.shape.channels > 2 ? 3 : 1};
  return NULL;
}

const char *rgc_image_decode(const uint8_t *bytes, size_t size, const rgc_image_options *o, rgc_arena *arena, rgc_image *image) {
  const struct format *format = find_format(bytes, size);
  rgc_image_stored stored = {0};
  const char *problem = format ? format->codec(bytes, size, o->shrink ? o->shrink : 1, arena, &stored, image) : unknown;
  if (problem) return problem;
  *image = rgc_image_convert(*image, o->channels, o->alpha, arena);
  if (!o->as_stored) turn_upright(image, stored.orientation, arena);
  return NULL;
}

/* Up to `size` bytes; returns how many came. */
static size_t read_bytes(int file, uint8_t *dst, size_t size) {
  size_t got = 0;
  for (ssize_t n; got < size && (n = read(file, dst + got, size - got)) != 0;) {
    if (n < 0 && errno != EINTR) break;
    if (n > 0) got += (size_t)n;
  }
  return got;
}

const char *rgc_image_slurp(const char *path, rgc_arena *arena, const uint8_t **bytes, size_t *size_bytes) {
  int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe must not stop us */
  struct stat about;
  if (file < 0) return rgc_arena_printf(arena, "cannot be read: %s", strerror(errno));
  const char *problem = NULL;
  if (fstat(file, &about)) problem = rgc_arena_printf(arena, "cannot be read: %s", strerror(errno));
  else if (!S_ISREG(about.st_mode)) problem = "is no file";
  else if (about.st_size == 0) problem = "is empty";
  else if (about.st_size > RGC_IMAGE_MAX_BYTES) problem = "is too large for an image file";
  if (!problem) {
    *size_bytes = (size_t)about.st_size;
    uint8_t *room = rgc_arena_alloc(arena, *size_bytes);
    if (read_bytes(file, room, *size_bytes) != *size_bytes) problem = rgc_arena_printf(arena, "cannot be read: %s", strerror(errno));
    *bytes = room;
  }
  close(file);
  return problem;
}

bool rgc_image_read(const char *path, const rgc_image_options *options, rgc_arena *arena, rgc_image *image, rgc_diagnostics *diags) {
  const uint8_t *bytes;
  size_t size;
  const char *problem = rgc_image_slurp(path, arena, &bytes, &size);
  if (problem) return rgc_diag_fail(diags, RGC_CODE_FILE_READ, path, "check the path and its permissions", "%s", problem);
  problem = rgc_image_decode(bytes, size, options, arena, image);
  return !problem || rgc_diag_fail(diags, RGC_CODE_DATA_FORMAT, path, "give a whole JPEG, PNG or WebP file", "%s", problem);
}
