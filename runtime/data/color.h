/* color.h: changes of u8 images of 1 or 3 channels, pixel by pixel, in place and to the bit as Pillow does them (ImageEnhance, ImageOps,
 * and torchvision's adjust_hue over Pillow's HSV). Factors: 1 leaves the image as it is. */
#ifndef RGC_RUNTIME_DATA_COLOR_H
#define RGC_RUNTIME_DATA_COLOR_H
#include "runtime/data/image.h"

void rgc_color_brightness(rgc_image image, double factor); /* from black */
void rgc_color_contrast(rgc_image image, double factor);   /* from the mean gray of the image */
void rgc_color_saturation(rgc_image image, double factor); /* from gray */
void rgc_color_sharpness(rgc_image image, double factor, rgc_arena *arena); /* from the image smoothed by 3x3 */
void rgc_color_hue(rgc_image image, double turn);          /* -0.5 to 0.5 of the circle; nothing for gray */
void rgc_color_posterize(rgc_image image, int bits);       /* keeps the high bits */
void rgc_color_solarize(rgc_image image, double threshold); /* inverts values from the threshold on */
void rgc_color_autocontrast(rgc_image image);              /* each channel stretched to 0..255 */
void rgc_color_equalize(rgc_image image);                  /* each channel's histogram made flat */
#endif
