/* The parts of EXIF (CIPA DC-008, 4.5 and 4.6) that must change when the data are copied into a WebP file. */

#ifndef WEBPENCODE_EXIF_H
#define WEBPENCODE_EXIF_H

#include <stddef.h>
#include <stdint.h>

#include "facts.h"
#include "libraries.h"

/* Remove the "Exif\0\0" prefix, which JPEG has and WebP does not. */
void
exif_strip_prefix(WebPData *exif);

/* Change orientation, size and color space where the data contain them. A thumbnail, which would have to be changed as
   well, is removed from the directory. */
void
exif_update(uint8_t *exif, size_t size, const picture_facts *facts);

#endif
