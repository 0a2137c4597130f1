/* The little of PNG (third edition, 11.3) that must be known beside what libpng says: what its compressed parts may
 * take.
 */

#ifndef WEBPENCODE_PNG_H
#define WEBPENCODE_PNG_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes of compressed text that are read: a thousand times as many may come out of them. */
enum { PNG_MOST_TEXT = 65536 };

/* Bytes of a colour profile that are handed on: several times as many as the largest for RGB that are in use. */
enum { PNG_MOST_PROFILE = 8 << 20 };

bool
is_png(const void *data, size_t size);

/* Return how many bytes of compressed text a PNG has; nothing for what is no PNG. */
size_t
png_compressed_text(const void *data, size_t size);

#endif
