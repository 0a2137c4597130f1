#include "png.h"

#include <stdint.h>
#include <string.h>

enum { SIGNATURE = 8, CHUNK = 12 };

static const char XMP_KEYWORD[] = "XML:com.adobe.xmp";

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

static uint32_t
read_number(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

/* Find the chunk at `offset`, which is moved behind it. Returns false at the end of the data. */
static bool
next_chunk(const uint8_t *bytes, size_t size, size_t *offset, chunk *part)
{
    if (*offset > size || size - *offset < CHUNK) {
        return false;
    }
    const uint8_t *start = bytes + *offset;
    size_t length = read_number(start);
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
    if (length > sizeof(XMP_KEYWORD) && memcmp(content, XMP_KEYWORD, sizeof(XMP_KEYWORD)) == 0) {
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

/* Whether a text is XMP for libvips, which does not check the type of its chunk. */
static bool
is_xmp(chunk part)
{
    return part.size - CHUNK >= sizeof(XMP_KEYWORD) && memcmp(part.start + 8, XMP_KEYWORD, sizeof(XMP_KEYWORD)) == 0;
}

bool
png_is_simple(const void *data, size_t size, long long max_pixels)
{
    enum { WIDTH = 8, HEIGHT = 12, DEPTH = 16, INTERLACE = 20, HEADER_SIZE = CHUNK + 13 };
    static const char *const plain[] = {"IDAT", "PLTE", "bKGD", "cHRM", "gAMA", "pHYs",
                                        "sBIT", "sRGB", "tEXt", "tIME", "tRNS"};
    const uint8_t *bytes = data;
    size_t offset = SIGNATURE;
    chunk part;

    if (!is_png(data, size) || !next_chunk(bytes, size, &offset, &part) || !has_type(part, "IHDR") ||
        part.size != HEADER_SIZE || part.start[DEPTH] > 8 || part.start[INTERLACE] != 0 ||
        (uint64_t)read_number(part.start + WIDTH) * read_number(part.start + HEIGHT) > (uint64_t)max_pixels) {
        return false;
    }
    while (next_chunk(bytes, size, &offset, &part) && !has_type(part, "IEND")) {
        bool is_plain = false;

        for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
            is_plain = is_plain || has_type(part, plain[i]);
        }
        if (!is_plain || is_xmp(part)) {
            return false;
        }
    }
    return has_type(part, "IEND");
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
