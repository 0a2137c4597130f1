/* The metadata chunks of PNG files (third edition, 11.3), which libpng reads only before the pixels and decompresses.
 */

#ifndef WEBPENCODE_PNG_H
#define WEBPENCODE_PNG_H

#include <stdbool.h>
#include <stddef.h>

#include "libraries.h"

/* Maximum bytes of a color profile: several times the size of the largest RGB profiles in use. */
enum { PNG_MAX_PROFILE = 8 << 20 };

bool
is_png(const void *data, size_t size);

/* Whether a PNG has at most `max_pixels` pixels of at most 8 bits per sample, is not interlaced, and has no chunk of
   metadata or unknown chunk that changes what is encoded. */
bool
png_is_simple(const void *data, size_t size, long long max_pixels);

/* Rearrange a PNG whose metadata libpng would miss, or whose texts it would decompress: EXIF and XMP come before the
   pixels, all other texts are left out. `copy` is the new file, which the caller frees with WebPFree(), or empty if the
   file can be read as it is. Returns false if there is not enough memory. */
bool
png_rearrange(const void *data, size_t size, WebPData *copy);

#endif
