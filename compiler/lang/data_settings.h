/* data_settings.h: the map data: of a graph file: where the samples are, and the steps that make the network's input of one.
 *
 * A list of steps is written as a list of layers is: a word, or a word with attributes. The steps of keys.def's owners of the same names;
 * their order in a list is image steps, then random_erasing, then mixup and cutmix, and is checked. */
#ifndef RGC_LANG_DATA_SETTINGS_H
#define RGC_LANG_DATA_SETTINGS_H
#include <stdbool.h>
#include <stdint.h>

/* STEP(identifier, word, the attribute that may stand alone or NULL, phase): the phases of a list, in order: 0 on the image's bytes,
 * 1 on the normalised input, 2 on a batch. */
#define RGC_DATA_STEPS(STEP)                                      \
  STEP(RESIZE, "resize", "size", 0)                               \
  STEP(CENTER_CROP, "center_crop", "size", 0)                     \
  STEP(RANDOM_RESIZED_CROP, "random_resized_crop", "scale", 0)    \
  STEP(PAD_CROP, "pad_crop", "pad", 0)                            \
  STEP(FLIP, "flip", "probability", 0)                            \
  STEP(COLOR_JITTER, "color_jitter", NULL, 0)                     \
  STEP(TRIVIAL_AUGMENT, "trivial_augment", NULL, 0)               \
  STEP(RAND_AUGMENT, "rand_augment", "magnitude", 0)              \
  STEP(RANDOM_ERASING, "random_erasing", "probability", 1)        \
  STEP(MIXUP, "mixup", "alpha", 2)                                \
  STEP(CUTMIX, "cutmix", "alpha", 2)

/* FORMAT(word, reader): what format: may be, and what reads it (runtime/data/dataset_kinds.h). */
#define RGC_DATA_FORMATS(FORMAT)                 \
  FORMAT("folder", rgc_dataset_read_folder)      \
  FORMAT("npy", rgc_dataset_read_npy)            \
  FORMAT("quickdraw", rgc_dataset_read_bitmaps)  \
  FORMAT("quickdraw-strokes", rgc_dataset_read_strokes) \
  FORMAT("cifar10", rgc_dataset_read_cifar10)    \
  FORMAT("idx", rgc_dataset_read_idx)            \
  FORMAT("synthetic", rgc_dataset_read_synthetic)

typedef enum rgc_data_step_kind {
#define STEP(id, word, alone, phase) RGC_STEP_##id,
  RGC_DATA_STEPS(STEP)
#undef STEP
      RGC_STEP_COUNT
} rgc_data_step_kind;

/* One step; a kind has the attributes that keys.def gives it, with its defaults (settings_data.c). */
typedef struct rgc_data_step {
  rgc_data_step_kind kind;
  double size[2];     /* height, width in pixels; one number given: size[1] is 0, and resize takes it as the shorter side */
  double scale[2];    /* least and most part of the image's area */
  double ratio[2];    /* least and most width / height */
  double pad;         /* pixels a side */
  double probability; /* of the step for a sample (mixup and cutmix: for a batch) */
  double brightness, contrast, saturation, hue;
  double count, magnitude; /* rand_augment: operations, and their strength of 0 to 30 */
  double alpha;            /* of the Beta distribution of the mixture */
} rgc_data_step;

typedef struct rgc_data_steps {
  rgc_data_step *items;
  int count;
} rgc_data_steps;

typedef enum rgc_transparency { RGC_TRANSPARENT_DROP, RGC_TRANSPARENT_WHITE, RGC_TRANSPARENT_BLACK } rgc_transparency;

/* Whether a JPEG much larger than needed may be decoded at a part of its size: in training (auto), always, never. */
typedef enum rgc_decode { RGC_DECODE_AUTO, RGC_DECODE_SCALED, RGC_DECODE_EXACT } rgc_decode;

typedef struct rgc_data_settings {
  const char *format, *path; /* NULL: not given */
  double split;              /* part of the samples kept for validation where the data have no split of their own; 0.1 */
  int64_t seed;              /* which samples those are; 0 */
  int workers;               /* threads that decode; -1: as many as suit the machine */
  bool skip_corrupt;         /* corrupt: skip; else fatal */
  bool bicubic;              /* interpolation: bicubic; else bilinear */
  rgc_decode decode;
  bool as_stored;            /* orientation: stored; else exif */
  rgc_transparency transparent;
  bool given;                /* the file has data: with train: or evaluate: */
  rgc_data_steps train, evaluate;
} rgc_data_settings;

const char *rgc_data_step_word(rgc_data_step_kind kind);
#endif
