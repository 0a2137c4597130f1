#include "jpeg.h"

#include <stdint.h>
#include <string.h>

/* The second bytes of markers; the first is always 0xFF. Start-of-frame markers are 0xC0 to 0xCF, except three with
   other meanings (ITU-T T.81, table B.1). */
enum { FIRST_FRAME = 0xC0, HUFFMAN_TABLES = 0xC4, EXTENSION = 0xC8, ARITHMETIC = 0xCC, LAST_FRAME = 0xCF };
enum { RESTART = 0xD0, END_OF_IMAGE = 0xD9, START_OF_SCAN = 0xDA, FILLER = 0xFF };

bool
is_jpeg(const void *data, size_t size)
{
    return size >= 4 && memcmp(data, "\xFF\xD8\xFF", 3) == 0;
}

static bool
starts_frame(uint8_t marker)
{
    return marker >= FIRST_FRAME && marker <= LAST_FRAME && marker != HUFFMAN_TABLES && marker != EXTENSION &&
           marker != ARITHMETIC;
}

int
jpeg_longest_side(const void *data, size_t size)
{
    enum { MARKER = 2, HEADER = 9 };
    const uint8_t *bytes = data;
    size_t offset = MARKER;

    if (!is_jpeg(data, size)) {
        return 0;
    }
    while (size - offset >= HEADER && bytes[offset] == 0xFF) {
        uint8_t marker = bytes[offset + 1];
        size_t length = (size_t)bytes[offset + 2] << 8 | bytes[offset + 3];

        if (starts_frame(marker)) {
            int height = bytes[offset + 5] << 8 | bytes[offset + 6];
            int width = bytes[offset + 7] << 8 | bytes[offset + 8];

            return width > height ? width : height;
        }
        if (marker == FILLER) {
            offset++;
        }
        else if ((marker >= RESTART && marker <= START_OF_SCAN) || length > size - offset - MARKER) {
            break;
        }
        else {
            offset += MARKER + length;
        }
    }
    return 0;
}

bool
jpeg_ends_early(const void *data, size_t size)
{
    const uint8_t *bytes = data;
    bool has_ended = false;

    if (!is_jpeg(data, size)) {
        return false;
    }
    /* Inside a scan, 0xFF is never followed by the second byte of these markers. */
    for (size_t offset = size - 1; offset > 0; offset--) {
        if (bytes[offset - 1] == 0xFF && bytes[offset] == START_OF_SCAN) {
            return !has_ended;
        }
        has_ended = has_ended || (bytes[offset - 1] == 0xFF && bytes[offset] == END_OF_IMAGE);
    }
    return false;
}
