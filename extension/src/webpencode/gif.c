#include "gif.h"

#include <stdint.h>
#include <string.h>

enum { HEADER = 13, DESCRIPTOR = 10 };

/* Return the bytes of a table of colours, which the packed fields in front of it tell. */
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
    size_t at = HEADER + table_size(bytes[10]);
    while (at < size) {
        size_t block;
        bool is_image = bytes[at] == ',';

        switch (bytes[at]) {
        case ';':
            return false;
        case '!':
            block = 2;
            break;
        case ',':
            if (size - at < DESCRIPTOR) {
                return true;
            }
            block = DESCRIPTOR + table_size(bytes[at + 9]) + 1;
            break;
        default:
            /* Not as it should be: for the reader to judge. */
            return false;
        }
        if (size - at <= block) {
            return true;
        }
        /* What follows is in pieces, each with its length in front, up to one of no length. */
        for (at += block; at < size && bytes[at] != 0; at += (size_t)bytes[at] + 1) {
        }
        at++;
        /* The last byte of all says no more than that nothing follows. */
        if (at == size && is_image) {
            return false;
        }
    }
    return true;
}
