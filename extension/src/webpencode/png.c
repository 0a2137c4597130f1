#include "png.h"

#include <stdint.h>
#include <string.h>

enum { SIGNATURE = 8, CHUNK = 12 };

bool
is_png(const void *data, size_t size)
{
    return size >= SIGNATURE && memcmp(data, "\x89PNG\r\n\x1a\n", SIGNATURE) == 0;
}

size_t
png_compressed_text(const void *data, size_t size)
{
    const uint8_t *bytes = data;
    size_t total = 0;
    size_t offset = SIGNATURE;

    if (!is_png(data, size)) {
        return 0;
    }
    while (size - offset >= CHUNK) {
        const uint8_t *chunk = bytes + offset;
        size_t length = (size_t)chunk[0] << 24 | (size_t)chunk[1] << 16 | (size_t)chunk[2] << 8 | chunk[3];

        if (length > size - offset - CHUNK) {
            break;
        }
        if (memcmp(chunk + 4, "zTXt", 4) == 0) {
            total += length;
        }
        else if (memcmp(chunk + 4, "iTXt", 4) == 0) {
            /* A null-terminated keyword, then the compression flag. */
            const uint8_t *end = memchr(chunk + 8, 0, length);

            if (end != NULL && (size_t)(end - chunk - 8) + 1 < length && end[1] == 1) {
                total += length;
            }
        }
        offset += CHUNK + length;
    }
    return total;
}
