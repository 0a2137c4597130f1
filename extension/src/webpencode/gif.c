#include "gif.h"

#include <stdint.h>
#include <string.h>

enum { HEADER = 13, DESCRIPTOR = 10 };

/* Return the size in bytes of a color table, from the packed fields of its descriptor. */
static size_t
table_size(uint8_t fields)
{
    return fields & 0x80 ? (size_t)3 << ((fields & 7) + 1) : 0;
}

bool
gif_ends_early(const void *data, size_t size)
{
    const uint8_t *bytes = data;

    if (size < HEADER || memcmp(bytes, "GIF8", 4) != 0) {
        return false;
    }
    size_t offset = HEADER + table_size(bytes[10]);
    while (offset < size) {
        size_t block;
        bool is_image = bytes[offset] == ',';

        switch (bytes[offset]) {
        case ';':
            return false;
        case '!':
            block = 2;
            break;
        case ',':
            if (size - offset < DESCRIPTOR) {
                return true;
            }
            block = DESCRIPTOR + table_size(bytes[offset + 9]) + 1;
            break;
        default:
            /* Not a valid block: the decoder reports it. */
            return false;
        }
        if (size - offset <= block) {
            return true;
        }
        /* Data sub-blocks follow, each preceded by its length; a length of 0 ends them. */
        for (offset += block; offset < size && bytes[offset] != 0; offset += (size_t)bytes[offset] + 1) {
        }
        offset++;
        /* Only the trailer is missing, which holds no data. */
        if (offset == size && is_image) {
            return false;
        }
    }
    return true;
}
