/* pipeline.h: a sample of a data set to the network's input, by the steps of the graph file's data: (data_settings.h).
 *
 *   image files             decoded (a large JPEG at a part of its size), then as below; without steps, and of another size than the input:
 *                           resized to cover 8/7 of it (256 for 224), then cut in the middle
 *   u8 images with steps    the steps, each on u8 pixels as Pillow and torchvision do them; then, if they have another size, resized to
 *                           cover the input and cut in the middle; / 255, normalised; random_erasing
 *   other images            transform.h: floats from the beginning, resized without regard to the sides' ratio
 *
 * A pipeline never changes once it is made; threads may share it. What it gives depends on (seed, epoch, sample) alone. */
#ifndef RGC_RUNTIME_DATA_PIPELINE_H
#define RGC_RUNTIME_DATA_PIPELINE_H
#include "compiler/lang/data_settings.h"
#include "runtime/data/dataset.h"
#include "runtime/data/mix.h"

typedef struct rgc_pipeline_options {
  rgc_image_shape src; /* of every sample; all 0: image files */
  bool src_is_float;   /* samples are float32 in the place of u8 * / 255 */
  rgc_image_shape dst;
  const float *mean, *stddev;        /* [dst.channels], NULL for 0 and 1 */
  const rgc_data_settings *settings; /* NULL: no steps; must outlive the pipeline */
  bool train;                        /* settings' train:, else its evaluate: */
  uint64_t seed;
  bool pixels; /* u8 before / 255 and normalisation, which are then the device's work, where nothing but these two is left to do */
} rgc_pipeline_options;

typedef struct rgc_pipeline rgc_pipeline;

/* In `arena`; mean and std are copied. NULL and bad-value: shapes without a conversion, steps on images that are no u8 of 1 or 3
 * channels. */
rgc_pipeline *rgc_pipeline_create(const rgc_pipeline_options *options, rgc_arena *arena, rgc_diagnostics *diags);
rgc_image_shape rgc_pipeline_dst(const rgc_pipeline *pipeline);
/* Whether it gives u8: it was asked to, and no step needs floats (a resize of whole data sets, random_erasing, mixup, cutmix, float samples). */
bool rgc_pipeline_gives_pixels(const rgc_pipeline *pipeline);

/* What one thread needs. */
typedef struct rgc_pipeline_room {
  uint8_t *bytes;   /* a sample */
  float *workspace; /* of the transform */
} rgc_pipeline_room;
rgc_pipeline_room rgc_pipeline_room_create(const rgc_pipeline *pipeline, rgc_arena *arena);

/* dst: float[height][width][channels], or u8 (rgc_pipeline_gives_pixels). `data` has the shape that the pipeline was made for. NULL on success, else what is wrong with the
 * sample's file (rgc_dataset_file), as text in `scratch`, which may be reset after use. */
const char *rgc_pipeline_sample(const rgc_pipeline *pipeline, const rgc_pipeline_room *room, const rgc_dataset *data, rgc_split split,
                                int index, int64_t epoch, rgc_arena *scratch, void *dst);
/* The same of an image file alone, as evaluation has it. The pipeline must be one for image files. */
const char *rgc_pipeline_file(const rgc_pipeline *pipeline, const char *path, rgc_arena *scratch, float *dst);
/* Mixes a batch by the pipeline's steps (mix.h), if they say so. */
double rgc_pipeline_mix(const rgc_pipeline *pipeline, int64_t epoch, int64_t key, const rgc_mix_batch *batch);
#endif
