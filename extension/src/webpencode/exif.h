/* The little of EXIF (CIPA DC-008, 4.5 and 4.6) that must be known to hand it on. */

#ifndef WEBPENCODE_EXIF_H
#define WEBPENCODE_EXIF_H

#include <stddef.h>
#include <stdint.h>

#include "libraries.h"

/* Take away the "Exif\0\0" that JPEG puts before the data and WebP does not. */
void
exif_strip_prefix(WebPData *exif);

/* Say that the image is upright, if the data say anything about that. */
void
exif_set_upright(uint8_t *exif, size_t size);

#endif
