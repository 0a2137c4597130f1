/* Checks of JPEG files (ITU-T T.81, annex B) that libjpeg and libvips do not provide. */

#ifndef WEBPENCODE_JPEG_H
#define WEBPENCODE_JPEG_H

#include <stdbool.h>
#include <stddef.h>

#include "libraries.h"

/* The longest side that libjpeg supports, in pixels: its JPEG_MAX_DIMENSION. The format allows 65,535. */
enum { JPEG_MAX_SIDE = 65500 };

bool
is_jpeg(const void *data, size_t size);

/* Return the length of the longer side of a JPEG in pixels; 0 if the data are not a JPEG or have no frame header. */
int
jpeg_longest_side(const void *data, size_t size);

/* Whether a JPEG has at most `max_pixels` pixels, gray or YCbCr, in one baseline scan, and no segment of metadata. */
bool
jpeg_is_simple(const void *data, size_t size, long long max_pixels);

/* Find the XMP packet of a JPEG (XMP specification, part 3, 1.1.3), not its extension; empty if there is none. */
void
jpeg_find_xmp(const void *data, size_t size, WebPData *xmp);

/* Assemble the extension of the XMP packet whose identifier of 32 characters is `id`. `extension` is empty if the file
   has no or an incomplete one; the caller frees it with WebPFree(). Returns false if there is not enough memory. */
bool
jpeg_find_xmp_extension(const void *data, size_t size, const uint8_t *id, WebPData *extension);

/* Whether the last scan of a JPEG is truncated: before 8.12, libvips fills the rest with gray if the JPEG is shrunk on
   load. */
bool
jpeg_ends_early(const void *data, size_t size);

#endif
