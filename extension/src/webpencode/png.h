/* Limits for the compressed chunks of PNG files (third edition, 11.3), which libpng does not provide. */

#ifndef WEBPENCODE_PNG_H
#define WEBPENCODE_PNG_H

#include <stdbool.h>
#include <stddef.h>

/* Maximum bytes of compressed text; decompressed, they can be a thousand times as many. */
enum { PNG_MAX_TEXT = 65536 };

/* Maximum bytes of a color profile: several times the size of the largest RGB profiles in use. */
enum { PNG_MAX_PROFILE = 8 << 20 };

bool
is_png(const void *data, size_t size);

/* Return the number of bytes of compressed text in a PNG; 0 if the data are not a PNG. */
size_t
png_compressed_text(const void *data, size_t size);

#endif
