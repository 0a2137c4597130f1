#include "jpeg.h"

#include <stdint.h>
#include <string.h>

/* The second bytes of markers, whose first is 0xFF. A frame starts with one of sixteen numbers, three of which are
   others' (ITU-T T.81, table B.1). */
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
    size_t at = MARKER;

    if (!is_jpeg(data, size)) {
        return 0;
    }
    while (size - at >= HEADER && bytes[at] == 0xFF) {
        uint8_t marker = bytes[at + 1];
        size_t length = (size_t)bytes[at + 2] << 8 | bytes[at + 3];

        if (starts_frame(marker)) {
            int height = bytes[at + 5] << 8 | bytes[at + 6];
            int width = bytes[at + 7] << 8 | bytes[at + 8];

            return width > height ? width : height;
        }
        if (marker == FILLER) {
            at++;
        }
        else if ((marker >= RESTART && marker <= START_OF_SCAN) || length > size - at - MARKER) {
            break;
        }
        else {
            at += MARKER + length;
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
    /* In a scan no 0xFF is followed by a marker's number. */
    for (size_t at = size - 1; at > 0; at--) {
        if (bytes[at - 1] == 0xFF && bytes[at] == START_OF_SCAN) {
            return !has_ended;
        }
        has_ended = has_ended || (bytes[at - 1] == 0xFF && bytes[at] == END_OF_IMAGE);
    }
    return false;
}
