/* pipeline.c: see pipeline.h. */
#include "runtime/data/pipeline.h"

#include <math.h>
#include <string.h>

#include "runtime/data/augment.h"
#include "runtime/data/color.h"
#include "runtime/data/resample.h"

enum { MARGIN_OF = 8, MARGIN_FROM = 7 }; /* image files without steps: resized to 8/7 of the input (256 for 224), then cut in the middle */
enum { GAP = 2 }; /* an image is decoded smaller only while it stays this many times larger than what is made of it */

struct rgc_pipeline {
  rgc_image_shape src, dst;
  const float *mean, *stddev;
  rgc_data_settings settings;
  rgc_data_steps steps;
  bool exact_decode;
  uint64_t seed;
  rgc_transform *transform; /* not NULL: this, and no steps */
  bool pixels;              /* gives u8 */
};

/* An image on its way. */
typedef struct passage {
  const rgc_pipeline *pipeline;
  rgc_image image;
  rgc_image_shape full; /* before it was decoded smaller; of the first step only */
  int64_t epoch, sample;
  rgc_arena *arena;
} passage;

static bool is_files(const rgc_pipeline_options *o) { return o->src.height == 0; }

static bool uses_steps(const rgc_pipeline_options *o) { return is_files(o) || (o->settings && o->settings->given); }

static const float *copy_numbers(const float *from, float otherwise, int count, rgc_arena *arena) {
  float *copy = RGC_NEW_ARRAY(arena, float, count);
  for (int i = 0; i < count; i++) copy[i] = from ? from[i] : otherwise;
  return copy;
}

static bool check_steps(const rgc_pipeline_options *o, rgc_diagnostics *diags) {
  bool src = is_files(o) || o->src.channels == 1 || o->src.channels == 3, dst = o->dst.channels == 1 || o->dst.channels == 3;
  if (src && dst && !o->src_is_float) return true;
  const char *help = o->src_is_float ? "leave out data: train: and evaluate:, or save the images as uint8" : "set the network's input channels to 1 or 3";
  return rgc_diag_fail(diags, RGC_CODE_BAD_VALUE, NULL, help,
                       "images of %s%d channels cannot take the steps of data: to an input of %d", o->src_is_float ? "floats in " : "",
                       is_files(o) ? 3 : o->src.channels, o->dst.channels);
}

/* Whether floats differ from u8 by / 255 and normalisation alone. */
static bool can_give_pixels(const rgc_pipeline *p, const rgc_pipeline_options *o) {
  for (int i = 0; i < p->steps.count; i++) {
    rgc_data_step_kind kind = p->steps.items[i].kind;
    if (kind == RGC_STEP_RANDOM_ERASING || kind == RGC_STEP_MIXUP || kind == RGC_STEP_CUTMIX) return false;
  }
  bool resized = o->src.height != o->dst.height || o->src.width != o->dst.width;
  return uses_steps(o) || (!resized && !o->src_is_float && (o->src.channels == o->dst.channels || o->src.channels == 1));
}

rgc_pipeline *rgc_pipeline_create(const rgc_pipeline_options *o, rgc_arena *arena, rgc_diagnostics *diags) {
  rgc_pipeline *p = RGC_NEW(arena, rgc_pipeline);
  *p = (rgc_pipeline){.src = o->src, .dst = o->dst, .seed = o->seed, .exact_decode = !o->train};
  p->mean = copy_numbers(o->mean, 0, o->dst.channels, arena);
  p->stddev = copy_numbers(o->stddev, 1, o->dst.channels, arena);
  if (o->settings) {
    p->settings = *o->settings;
    p->exact_decode = o->settings->decode == RGC_DECODE_EXACT || (o->settings->decode == RGC_DECODE_AUTO && !o->train);
    p->steps = o->train ? o->settings->train : o->settings->evaluate;
    if (o->train && !o->settings->train.items) p->steps = o->settings->evaluate; /* no train: at all */
  }
  p->pixels = o->pixels && can_give_pixels(p, o);
  if (uses_steps(o)) return check_steps(o, diags) ? p : NULL;
  rgc_transform_options transform = {.src = o->src, .dst = o->dst, .src_is_float = o->src_is_float, .mean = o->mean, .stddev = o->stddev};
  p->transform = rgc_transform_create(&transform, arena, diags);
  return p->transform ? p : NULL;
}

rgc_image_shape rgc_pipeline_dst(const rgc_pipeline *p) { return p->dst; }

bool rgc_pipeline_gives_pixels(const rgc_pipeline *p) { return p->pixels; }

rgc_pipeline_room rgc_pipeline_room_create(const rgc_pipeline *p, rgc_arena *arena) {
  rgc_pipeline_room room = {0};
  size_t elems = (size_t)p->src.height * (size_t)p->src.width * (size_t)p->src.channels;
  room.bytes = rgc_arena_alloc(arena, elems * sizeof(float) + 1); /* enough for either type */
  if (p->transform) room.workspace = RGC_NEW_ARRAY(arena, float, rgc_transform_workspace_floats(p->transform));
  return room;
}

/* ---- sizes ---- */

/* The size that a resize step gives. */
static void resized_size(const rgc_pipeline *p, const rgc_data_step *step, rgc_image_shape s, int64_t *height, int64_t *width) {
  int given_height = (int)step->size[0], given_width = (int)step->size[1];
  *height = given_height, *width = given_width;
  if (!given_height) rgc_image_cover_size(s, p->dst.height, p->dst.width, height, width);
  else if (!given_width) rgc_image_cover_size(s, given_height, given_height, height, width);
}

/* The size before the middle is cut out. Files without steps get what evaluation on ImageNet is by custom. */
static void fitting_size(const rgc_pipeline *p, rgc_image_shape s, int64_t *height, int64_t *width) {
  bool margin = !p->src.height && !p->steps.items; /* files, and no list of steps */
  int of = margin ? MARGIN_OF : 1, from = margin ? MARGIN_FROM : 1;
  rgc_image_cover_size(s, (p->dst.height * of + from / 2) / from, (p->dst.width * of + from / 2) / from, height, width);
}

static const char *resize(passage *at, int64_t height, int64_t width) {
  const char *problem = rgc_image_check_size(height, width, at->arena);
  if (problem) return rgc_arena_printf(at->arena, "cannot be resized: what it would become %s", problem);
  at->image = rgc_image_resize(at->image, (int)height, (int)width,
                               at->pipeline->settings.bicubic ? RGC_FILTER_BICUBIC : RGC_FILTER_BILINEAR, at->arena);
  return NULL;
}

/* ---- steps ---- */

static int whole(double v) { return (int)rint(v); }

/* torchvision's RandomResizedCrop: ten attempts at a part of the area and a ratio; then the middle, in the nearest ratio allowed. */
static rgc_box draw_box(const rgc_data_step *step, rgc_image_shape s, rgc_draws *draws) {
  double area = (double)s.height * s.width;
  for (int attempt = 0; attempt < 10; attempt++) {
    double part = area * rgc_draw_between(draws, step->scale[0], step->scale[1]);
    double ratio = exp(rgc_draw_between(draws, log(step->ratio[0]), log(step->ratio[1])));
    int width = whole(sqrt(part * ratio)), height = whole(sqrt(part / ratio));
    if (width < 1 || width > s.width || height < 1 || height > s.height) continue;
    int top = rgc_draw_int(draws, s.height - height + 1), left = rgc_draw_int(draws, s.width - width + 1);
    return (rgc_box){top, left, height, width};
  }
  double ratio = (double)s.width / s.height;
  int width = s.width, height = s.height;
  if (ratio < step->ratio[0]) height = whole(width / step->ratio[0]);
  else if (ratio > step->ratio[1]) width = whole(height * step->ratio[1]);
  height = height < 1 ? 1 : height, width = width < 1 ? 1 : width;
  return (rgc_box){(s.height - height) / 2, (s.width - width) / 2, height, width};
}

/* A box of an image of size `full`, in the image decoded at size `now`. */
static rgc_box shrink_box(rgc_box box, rgc_image_shape full, rgc_image_shape now) {
  int top = (int)((int64_t)box.top * now.height / full.height), left = (int)((int64_t)box.left * now.width / full.width);
  int height = (int)((int64_t)box.height * now.height / full.height), width = (int)((int64_t)box.width * now.width / full.width);
  return (rgc_box){top, left, height < 1 ? 1 : height, width < 1 ? 1 : width};
}

static rgc_draws draws_of(const passage *at, int step) { return rgc_draws_begin(at->pipeline->seed, step, at->epoch, at->sample); }

static const char *random_resized_crop(passage *at, const rgc_data_step *step, rgc_draws *draws) {
  rgc_box box = shrink_box(draw_box(step, at->full, draws), at->full, at->image.shape);
  at->image = rgc_image_crop(at->image, box, at->arena);
  return resize(at, at->pipeline->dst.height, at->pipeline->dst.width);
}

static void pad_crop(passage *at, int pad, rgc_draws *draws) {
  rgc_image_shape s = at->image.shape;
  int top = rgc_draw_int(draws, 2 * pad + 1) - pad, left = rgc_draw_int(draws, 2 * pad + 1) - pad;
  at->image = rgc_image_crop(at->image, (rgc_box){top, left, s.height, s.width}, at->arena);
}

static double jitter(double range, rgc_draws *draws) { return rgc_draw_between(draws, fmax(0, 1 - range), 1 + range); }

/* In an order drawn anew for each sample, as torchvision's ColorJitter. */
static void color_jitter(const passage *at, const rgc_data_step *step, rgc_draws *draws) {
  int order[4] = {0, 1, 2, 3};
  for (int i = 3; i > 0; i--) {
    int j = rgc_draw_int(draws, i + 1), keep = order[i];
    order[i] = order[j], order[j] = keep;
  }
  double brightness = jitter(step->brightness, draws), contrast = jitter(step->contrast, draws), saturation = jitter(step->saturation, draws);
  double hue = rgc_draw_between(draws, -step->hue, step->hue);
  for (int i = 0; i < 4; i++) {
    if (order[i] == 0 && step->brightness > 0) rgc_color_brightness(at->image, brightness);
    if (order[i] == 1 && step->contrast > 0) rgc_color_contrast(at->image, contrast);
    if (order[i] == 2 && step->saturation > 0) rgc_color_saturation(at->image, saturation);
    if (order[i] == 3 && step->hue > 0) rgc_color_hue(at->image, hue);
  }
}

static void center_crop(passage *at, int height, int width) {
  at->image = rgc_image_crop(at->image, rgc_image_center_box(at->image.shape, height, width), at->arena);
}

static const char *run_step(passage *at, int place) {
  const rgc_pipeline *p = at->pipeline;
  const rgc_data_step *step = &p->steps.items[place];
  rgc_draws draws = draws_of(at, place);
  int64_t height, width;
  switch (step->kind) {
    case RGC_STEP_RESIZE: resized_size(p, step, at->full, &height, &width); return resize(at, height, width);
    case RGC_STEP_RANDOM_RESIZED_CROP: return random_resized_crop(at, step, &draws);
    case RGC_STEP_CENTER_CROP:
      height = step->size[0] > 0 ? (int64_t)step->size[0] : p->dst.height;
      width = step->size[1] > 0 ? (int64_t)step->size[1] : step->size[0] > 0 ? height : p->dst.width;
      center_crop(at, (int)height, (int)width);
      break;
    case RGC_STEP_PAD_CROP: pad_crop(at, (int)step->pad, &draws); break;
    case RGC_STEP_FLIP:
      if (rgc_draw(&draws) < step->probability) at->image = rgc_image_flip(at->image, at->arena);
      break;
    case RGC_STEP_COLOR_JITTER: color_jitter(at, step, &draws); break;
    case RGC_STEP_TRIVIAL_AUGMENT: at->image = rgc_trivial_augment(at->image, &draws, at->arena); break;
    case RGC_STEP_RAND_AUGMENT: at->image = rgc_rand_augment(at->image, (int)step->count, (int)step->magnitude, &draws, at->arena); break;
    default: break; /* random_erasing comes later; mixup and cutmix are of a batch */
  }
  return NULL;
}

/* Covers the input and cuts the middle, if the size is another. */
static const char *fit(passage *at) {
  rgc_image_shape dst = at->pipeline->dst, s = at->image.shape;
  if (s.height == dst.height && s.width == dst.width) return NULL;
  int64_t height, width;
  fitting_size(at->pipeline, s, &height, &width);
  const char *problem = resize(at, height, width);
  if (!problem) center_crop(at, dst.height, dst.width);
  return problem;
}

static void normalise(const rgc_pipeline *p, rgc_image image, float *dst) {
  size_t pixels = (size_t)p->dst.height * (size_t)p->dst.width;
  const uint8_t *src = image.pixels;
  for (size_t i = 0; i < pixels; i++)
    for (int c = 0; c < p->dst.channels; c++) *dst++ = ((float)*src++ / 255.0f - p->mean[c]) / p->stddev[c];
}

/* torchvision's RandomErasing with value 0, which is the mean. */
static void erase(const passage *at, int place, float *dst) {
  const rgc_data_step *step = &at->pipeline->steps.items[place];
  rgc_image_shape s = at->pipeline->dst;
  rgc_draws draws = draws_of(at, place);
  if (rgc_draw(&draws) >= step->probability) return;
  for (int attempt = 0; attempt < 10; attempt++) {
    double part = (double)s.height * s.width * rgc_draw_between(&draws, step->scale[0], step->scale[1]);
    double ratio = exp(rgc_draw_between(&draws, log(step->ratio[0]), log(step->ratio[1])));
    int height = whole(sqrt(part * ratio)), width = whole(sqrt(part / ratio));
    if (height >= s.height || width >= s.width) continue;
    int top = rgc_draw_int(&draws, s.height - height + 1), left = rgc_draw_int(&draws, s.width - width + 1);
    size_t channels = (size_t)s.channels, row = (size_t)s.width * channels;
    for (int y = 0; y < height; y++)
      memset(dst + (size_t)(top + y) * row + (size_t)left * channels, 0, (size_t)width * channels * sizeof *dst);
    return;
  }
}

static const char *run_steps(passage *at, void *dst) {
  const rgc_data_steps *steps = &at->pipeline->steps;
  const char *problem = NULL;
  for (int i = 0; i < steps->count && !problem; i++) {
    problem = run_step(at, i);
    at->full = at->image.shape;
  }
  if (!problem) problem = fit(at);
  if (problem) return problem;
  rgc_image_shape s = at->pipeline->dst;
  if (at->pipeline->pixels) memcpy(dst, at->image.pixels, (size_t)s.height * (size_t)s.width * (size_t)s.channels);
  if (at->pipeline->pixels) return NULL;
  normalise(at->pipeline, at->image, dst);
  for (int i = 0; i < steps->count; i++)
    if (steps->items[i].kind == RGC_STEP_RANDOM_ERASING) erase(at, i, dst);
  return NULL;
}

/* ---- samples ---- */

/* How much smaller a JPEG of `full` may be decoded for the first step. */
static int choose_shrink(const passage *at, rgc_image_shape full) {
  const rgc_pipeline *p = at->pipeline;
  const rgc_data_step *first = p->steps.count ? &p->steps.items[0] : NULL;
  int64_t have_height = full.height, have_width = full.width, height, width;
  if (p->exact_decode) return 1;
  fitting_size(p, full, &height, &width);
  if (first && first->kind == RGC_STEP_RANDOM_RESIZED_CROP) {
    rgc_draws draws = draws_of(at, 0);
    rgc_box box = draw_box(first, full, &draws);
    have_height = box.height, have_width = box.width, height = p->dst.height, width = p->dst.width;
  } else if (first && first->kind == RGC_STEP_RESIZE) {
    resized_size(p, first, full, &height, &width);
  } else if (first) {
    return 1; /* its pixels count as they are */
  }
  int shrink = 8;
  while (shrink > 1 && (have_height / shrink < GAP * height || have_width / shrink < GAP * width)) shrink /= 2;
  return shrink;
}

static const char *load_file(passage *at, const char *path) {
  const rgc_pipeline *p = at->pipeline;
  const uint8_t *bytes;
  size_t size;
  rgc_image_info info;
  rgc_image_options o = {.channels = p->dst.channels, .alpha = (rgc_alpha)p->settings.transparent, .as_stored = p->settings.as_stored};
  const char *problem = rgc_image_slurp(path, at->arena, &bytes, &size);
  if (!problem) problem = rgc_image_probe(bytes, size, &o, at->arena, &info);
  if (problem) return problem;
  at->full = info.shape;
  o.shrink = choose_shrink(at, info.shape);
  return rgc_image_decode(bytes, size, &o, at->arena, &at->image);
}

/* Samples that are not resized, one channel repeated where the input has several. */
static void copy_pixels(const rgc_pipeline *p, const uint8_t *src, uint8_t *dst) {
  size_t pixels = (size_t)p->dst.height * (size_t)p->dst.width, channels = (size_t)p->dst.channels;
  if (p->src.channels == p->dst.channels) memcpy(dst, src, pixels * channels);
  else for (size_t i = 0; i < pixels; i++) memset(dst + i * channels, src[i], channels);
}

const char *rgc_pipeline_sample(const rgc_pipeline *p, const rgc_pipeline_room *room, const rgc_dataset *data, rgc_split split, int index,
                                int64_t epoch, rgc_arena *scratch, void *dst) {
  const char *path = rgc_dataset_file(data, split, index);
  passage at = {.pipeline = p, .epoch = epoch, .sample = index, .arena = scratch};
  if (path) {
    const char *problem = load_file(&at, path);
    return problem ? problem : run_steps(&at, dst);
  }
  rgc_dataset_fetch(data, split, index, room->bytes);
  if (p->transform) {
    if (p->pixels) copy_pixels(p, room->bytes, dst);
    else rgc_transform_apply(p->transform, room->bytes, room->workspace, dst);
    return NULL;
  }
  at.image = rgc_image_convert((rgc_image){p->src, room->bytes}, p->dst.channels, RGC_ALPHA_DROP, scratch);
  at.full = at.image.shape;
  return run_steps(&at, dst);
}

const char *rgc_pipeline_file(const rgc_pipeline *p, const char *path, rgc_arena *scratch, float *dst) {
  passage at = {.pipeline = p, .arena = scratch};
  const char *problem = load_file(&at, path);
  return problem ? problem : run_steps(&at, dst);
}

double rgc_pipeline_mix(const rgc_pipeline *p, int64_t epoch, int64_t key, const rgc_mix_batch *batch) {
  return rgc_mix(&p->steps, p->seed, epoch, key, batch);
}
