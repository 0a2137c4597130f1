#include "gif.h"

#include <stdint.h>
#include <string.h>

enum { HEADER = 13, DESCRIPTOR = 10, EXTENSION = 2, CUT_OFF = -1 };

/* Return the size in bytes of a color table, from the packed fields of its descriptor. */
static size_t
table_size(uint8_t fields)
{
    return fields & 0x80 ? (size_t)3 << ((fields & 7) + 1) : 0;
}

/* Return the first byte of the block at `offset` and advance to the next one; return CUT_OFF if it is incomplete. A
   trailer or an unknown block is not skipped. */
static int
next_block(const uint8_t *bytes, size_t size, size_t *offset)
{
    if (*offset >= size) {
        return CUT_OFF;
    }
    int kind = bytes[*offset];
    size_t block = EXTENSION;
    if (kind == ',') {
        if (size - *offset < DESCRIPTOR) {
            return CUT_OFF;
        }
        block = DESCRIPTOR + table_size(bytes[*offset + 9]) + 1;
    }
    else if (kind != '!') {
        return kind;
    }
    if (size - *offset <= block) {
        return CUT_OFF;
    }
    /* Data sub-blocks follow, each preceded by its length; a length of 0 ends them. */
    for (*offset += block; *offset < size && bytes[*offset] != 0; *offset += (size_t)bytes[*offset] + 1) {
    }
    ++*offset;
    return kind;
}

bool
is_gif(const void *data, size_t size)
{
    const uint8_t *bytes = data;

    return size >= HEADER && memcmp(bytes, "GIF8", 4) == 0;
}

bool
gif_ends_early(const void *data, size_t size)
{
    const uint8_t *bytes = data;
    int kind;

    if (!is_gif(bytes, size)) {
        return false;
    }
    size_t offset = HEADER + table_size(bytes[10]);
    while ((kind = next_block(bytes, size, &offset)) == '!' || kind == ',') {
        /* Only the trailer is missing, which holds no data. */
        if (offset == size && kind == ',') {
            return false;
        }
    }
    /* The decoder reports invalid blocks. */
    return kind == CUT_OFF;
}

long long
gif_count_frames(const void *data, size_t size)
{
    const uint8_t *bytes = data;
    long long count = 0;
    int kind;

    if (!is_gif(bytes, size)) {
        return 0;
    }
    size_t offset = HEADER + table_size(bytes[10]);
    while ((kind = next_block(bytes, size, &offset)) == '!' || kind == ',') {
        count += kind == ',';
    }
    return count;
}
