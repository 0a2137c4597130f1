/* Checks of JPEG files (ITU-T T.81, annex B) that libjpeg and libvips do not provide. */

#ifndef WEBPENCODE_JPEG_H
#define WEBPENCODE_JPEG_H

#include <stdbool.h>
#include <stddef.h>

/* The longest side that libjpeg supports, in pixels: its JPEG_MAX_DIMENSION. The format allows 65,535. */
enum { JPEG_MAX_SIDE = 65500 };

bool
is_jpeg(const void *data, size_t size);

/* Return the length of the longer side of a JPEG in pixels; 0 if the data are not a JPEG or have no frame header. */
int
jpeg_longest_side(const void *data, size_t size);

/* Whether the last scan of a JPEG is truncated: before 8.12, libvips fills the rest with gray if the JPEG is shrunk on
   load. */
bool
jpeg_ends_early(const void *data, size_t size);

#endif
