/* Resizing without weighted neighbors: by the mean of the covered area, and by the nearest pixel. No function here uses
   Python objects. */

#ifndef WEBPENCODE_BOX_FILTERS_H
#define WEBPENCODE_BOX_FILTERS_H

#include <stdbool.h>

#include "libraries.h"

/* Number of images between an image and the resized image. */
enum { BOX_STEPS = 2 };

/* Resize an image of 8-bit or floating-point samples to `width` x `height` pixels. Each pixel is the mean of those that
   it covers, weighted by the covered part, or, if `is_nearest` is set, the one that covers its center. The mean of
   8-bit samples is rounded half up. `steps` has space for BOX_STEPS images, which the caller releases. Returns NULL
   after a failure. */
VipsImage *
box_resize(VipsImage *image, int width, int height, bool is_nearest, VipsImage **steps);

#endif
