/* The little of PNG (third edition, 11.3.3) that must be known before libpng reads a file: what its texts may take. */

#ifndef WEBPENCODE_PNG_H
#define WEBPENCODE_PNG_H

#include <stddef.h>

/* Bytes of compressed text that are read: a thousand times as many may come out of them. */
enum { PNG_MOST_TEXT = 65536 };

/* Return how many bytes of compressed text a PNG has; nothing for what is no PNG. */
size_t
png_compressed_text(const void *data, size_t size);

#endif
