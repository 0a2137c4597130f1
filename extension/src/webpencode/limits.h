/* Limits of sides and frames, which are checked before libvips reads a file. */

#ifndef WEBPENCODE_LIMITS_H
#define WEBPENCODE_LIMITS_H

#include <stdbool.h>
#include <stddef.h>

#include "failure.h"

/* Reject a JPEG, PNG or WebP with a side that the libraries do not support, for which they have other messages or none,
   and animations with too many frames. */
bool
check_limits(const void *data, size_t size, failure *failed);

/* Reject a GIF with a longer side than libvips supports, which it reports as out of memory. Frames that exceed the
   canvas enlarge it, so the size is that of the loaded image. */
bool
check_gif_sides(const void *data, size_t size, int width, int height, failure *failed);

#endif
