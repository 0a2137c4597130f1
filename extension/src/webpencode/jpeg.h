/* The little of JPEG (ITU-T T.81, annex B) that must be known beside what libjpeg says. */

#ifndef WEBPENCODE_JPEG_H
#define WEBPENCODE_JPEG_H

#include <stdbool.h>
#include <stddef.h>

/* The longest side that libjpeg reads, in pixels: its JPEG_MAX_DIMENSION. The format itself ends at 65,535. */
enum { JPEG_LONGEST_SIDE = 65500 };

bool
is_jpeg(const void *data, size_t size);

/* Return the longer of a JPEG's sides, in pixels; 0 for what is no JPEG or does not say. */
int
jpeg_longest_side(const void *data, size_t size);

/* Whether a JPEG's last scan has no end: libvips before 8.12 draws the rest of it grey where the JPEG is shrunk while
   it is read. */
bool
jpeg_ends_early(const void *data, size_t size);

#endif
