/* augment.h: the operations of TrivialAugment (Müller and Hutter 2021, its wide space) and RandAugment (Cubuk et al. 2020), with
 * torchvision's magnitudes; nearest pixels, black outside. */
#ifndef RGC_RUNTIME_DATA_AUGMENT_H
#define RGC_RUNTIME_DATA_AUGMENT_H
#include "runtime/data/draws.h"
#include "runtime/data/image.h"

typedef enum rgc_augment {
  RGC_AUGMENT_IDENTITY, RGC_AUGMENT_SHEAR_X, RGC_AUGMENT_SHEAR_Y, RGC_AUGMENT_TRANSLATE_X, RGC_AUGMENT_TRANSLATE_Y, RGC_AUGMENT_ROTATE,
  RGC_AUGMENT_BRIGHTNESS, RGC_AUGMENT_COLOR, RGC_AUGMENT_CONTRAST, RGC_AUGMENT_SHARPNESS, RGC_AUGMENT_POSTERIZE, RGC_AUGMENT_SOLARIZE,
  RGC_AUGMENT_AUTOCONTRAST, RGC_AUGMENT_EQUALIZE, RGC_AUGMENT_COUNT
} rgc_augment;

/* One operation. Magnitudes: slope; pixels (cut off to whole ones); degrees against the clock; factor - 1; bits; threshold; else none. May
 * change the source in place or return a new image of its shape. */
rgc_image rgc_augment_apply(rgc_image src, rgc_augment operation, double magnitude, rgc_arena *arena);
/* One operation of a random magnitude, from 31 steps. */
rgc_image rgc_trivial_augment(rgc_image src, rgc_draws *draws, rgc_arena *arena);
/* `count` operations of step `magnitude` of 0 to 30. */
rgc_image rgc_rand_augment(rgc_image src, int count, int magnitude, rgc_draws *draws, rgc_arena *arena);
#endif
