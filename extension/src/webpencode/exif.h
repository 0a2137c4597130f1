/* The parts of EXIF (CIPA DC-008, 4.5 and 4.6) that must change when the data are copied into a WebP file. */

#ifndef WEBPENCODE_EXIF_H
#define WEBPENCODE_EXIF_H

#include <stddef.h>
#include <stdint.h>

#include "libraries.h"

/* Remove the "Exif\0\0" prefix, which JPEG has and WebP does not. */
void
exif_strip_prefix(WebPData *exif);

/* Set the orientation to upright (1), if the data contain an orientation. */
void
exif_set_upright(uint8_t *exif, size_t size);

#endif
