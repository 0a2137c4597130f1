#include "png.h"

#include <stdint.h>
#include <string.h>

enum { SIGNATURE = 8, CHUNK = 12 };

bool
is_png(const void *data, size_t size)
{
    return size >= SIGNATURE && memcmp(data, "\x89PNG\r\n\x1a\n", SIGNATURE) == 0;
}

/* A chunk of a PNG with its length, type and checksum. */
typedef struct {
    const uint8_t *start;
    size_t size;
} chunk;

typedef enum { OTHER, PIXELS, METADATA, TEXT, COMPRESSED_TEXT } chunk_kind;

/* The number of texts from which libpng ignores all further chunks of metadata is 1000. */
enum { MAX_TEXTS = 500 };

static bool
has_type(chunk part, const char *type)
{
    return memcmp(part.start + 4, type, 4) == 0;
}

/* Find the chunk at `offset`, which is moved behind it. Returns false at the end of the data. */
static bool
next_chunk(const uint8_t *bytes, size_t size, size_t *offset, chunk *part)
{
    if (*offset > size || size - *offset < CHUNK) {
        return false;
    }
    const uint8_t *start = bytes + *offset;
    size_t length = (size_t)start[0] << 24 | (size_t)start[1] << 16 | (size_t)start[2] << 8 | start[3];
    if (length > size - *offset - CHUNK) {
        return false;
    }
    *part = (chunk){.start = start, .size = CHUNK + length};
    *offset += part->size;
    return true;
}

static chunk_kind
find_kind(chunk part)
{
    static const char keyword[] = "XML:com.adobe.xmp";

    if (has_type(part, "IDAT")) {
        return PIXELS;
    }
    if (has_type(part, "eXIf")) {
        return METADATA;
    }
    if (has_type(part, "zTXt")) {
        return COMPRESSED_TEXT;
    }
    if (has_type(part, "tEXt")) {
        return TEXT;
    }
    if (!has_type(part, "iTXt")) {
        return OTHER;
    }
    size_t length = part.size - CHUNK;
    const uint8_t *content = part.start + 8;
    if (length > sizeof(keyword) && memcmp(content, keyword, sizeof(keyword)) == 0) {
        return METADATA;
    }
    /* The compression flag follows the keyword and its zero. */
    const uint8_t *zero = memchr(content, 0, length);
    bool is_compressed = zero != NULL && zero + 1 < content + length && zero[1] != 0;
    return is_compressed ? COMPRESSED_TEXT : TEXT;
}

static bool
must_rearrange(const uint8_t *bytes, size_t size)
{
    size_t offset = SIGNATURE;
    size_t texts = 0;
    bool has_pixels = false;
    chunk part;

    while (next_chunk(bytes, size, &offset, &part)) {
        switch (find_kind(part)) {
        case PIXELS:
            has_pixels = true;
            break;
        case METADATA:
            if (has_pixels) {
                return true;
            }
            break;
        case TEXT:
            if (++texts > MAX_TEXTS) {
                return true;
            }
            break;
        case COMPRESSED_TEXT:
            return true;
        default:
            break;
        }
    }
    return false;
}

static void
append(uint8_t *to, size_t *used, const uint8_t *bytes, size_t size)
{
    memcpy(to + *used, bytes, size);
    *used += size;
}

/* Append all chunks of one kind that start at `offset` or later. */
static void
append_kind(const uint8_t *bytes, size_t size, size_t offset, chunk_kind kind, uint8_t *to, size_t *used)
{
    chunk part;

    while (next_chunk(bytes, size, &offset, &part)) {
        if (find_kind(part) == kind) {
            append(to, used, part.start, part.size);
        }
    }
}

bool
png_rearrange(const void *data, size_t size, WebPData *copy)
{
    const uint8_t *bytes = data;
    size_t offset = SIGNATURE;
    size_t used = 0;
    bool has_pixels = false;
    chunk part;

    *copy = (WebPData){NULL, 0};
    if (!is_png(data, size) || !must_rearrange(bytes, size)) {
        return true;
    }
    uint8_t *to = WebPMalloc(size);
    if (to == NULL) {
        return false;
    }
    append(to, &used, bytes, SIGNATURE);
    for (size_t start = offset; next_chunk(bytes, size, &offset, &part); start = offset) {
        chunk_kind kind = find_kind(part);

        if (kind == PIXELS && !has_pixels) {
            has_pixels = true;
            append_kind(bytes, size, start, METADATA, to, &used);
        }
        if (kind == OTHER || kind == PIXELS || (kind == METADATA && !has_pixels)) {
            append(to, &used, part.start, part.size);
        }
    }
    /* A truncated chunk at the end. */
    append(to, &used, bytes + offset, size - offset);
    *copy = (WebPData){.bytes = to, .size = used};
    return true;
}
