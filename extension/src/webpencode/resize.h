/* The sizes of a resized image, and the resize operation itself. No function here uses Python objects. */

#ifndef WEBPENCODE_RESIZE_H
#define WEBPENCODE_RESIZE_H

#include <stdbool.h>

#include "failure.h"
#include "libraries.h"
#include "options.h"

/* The size to which an image is resized, and the part of it that remains when `cover` crops the rest; in pixels, after
   rotation. No side is shorter than 1. */
typedef struct {
    int width, height;
    int crop_width, crop_height;
} target_size;

/* Number of images between a frame and the resized frame. */
enum { RESIZE_STEPS = 6 };

/* Return the size for an image of `width` x `height` pixels. */
target_size
find_target(const shape_options *options, int width, int height);

/* Reject an image that upscaling would make larger than max_pixels. A side that the box does not limit, or that 'cover'
   crops afterwards, grows with the aspect ratio: an 800 pixel wide thumbnail of a line would need gigabytes. */
bool
check_upscale(const shape_options *options, int width, int height, failure *failed);

/* Return the factor by which libjpeg shrinks a JPEG of `width` x `height` pixels on load, at almost no cost: 1, 2, 4 or
   8. `target` is the size before rotation. Shrinking on load takes means, which `nearest` must not. libvips itself
   chooses a factor that leaves at least twice the final size for its resize operation; the result is as good with less.
 */
int
find_load_shrink(const shape_options *options, int width, int height, target_size target);

/* Resize an 8-bit image to exactly `width` x `height` pixels. Colors are premultiplied, in floating point, if the image
   has alpha and the filter mixes pixels. `steps` has space for RESIZE_STEPS images, which the caller releases. Returns
   NULL after a failure. */
VipsImage *
resize_image(VipsImage *image, int width, int height, filter_kind filter, VipsImage **steps);

#endif
