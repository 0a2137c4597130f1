/* Progressive JPEG files (ITU-T T.81, annex G) that are shrunk on load. */

#ifndef WEBPENCODE_PROGRESSIVE_JPEG_H
#define WEBPENCODE_PROGRESSIVE_JPEG_H

#include <stdbool.h>
#include <stddef.h>

#include "libraries.h"

/* Copy a progressive JPEG without the details that libjpeg does not need to shrink it by 8: it takes the mean of each
   block of 8 x 8 samples, which is in scans of its own, except in components with half the resolution in both
   directions, of which it takes means of 4 x 4 samples. The pixels are the same, and most of the time for decoding is
   saved. Returns false if the file has anything irregular, so that libjpeg can judge it, if it must be decoded
   completely for other reasons, or if there is not enough memory. The caller frees `copy` with WebPDataClear(). */
bool
jpeg_drop_details(const void *data, size_t size, WebPData *copy);

#endif
