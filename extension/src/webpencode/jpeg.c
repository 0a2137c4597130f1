#include "jpeg.h"

#include <stdint.h>
#include <string.h>

/* The second bytes of markers; the first is always 0xFF. Start-of-frame markers are 0xC0 to 0xCF, except three with
   other meanings (ITU-T T.81, table B.1). */
enum { FIRST_FRAME = 0xC0, HUFFMAN_TABLES = 0xC4, EXTENSION = 0xC8, ARITHMETIC = 0xCC, LAST_FRAME = 0xCF };
enum { RESTART = 0xD0, END_OF_IMAGE = 0xD9, START_OF_SCAN = 0xDA, APP1 = 0xE1, STUFFING = 0, FILLER = 0xFF };

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

/* Find the next segment of a JPEG at `offset`, which is moved behind it. Returns its marker and sets its content, or
   returns 0 at the first scan and at the end of the data. Bytes between segments are skipped, as by libjpeg. */
static uint8_t
next_segment(const uint8_t *bytes, size_t size, size_t *offset, const uint8_t **content, size_t *length)
{
    enum { MARKER = 2, LENGTH = 2 };

    while (*offset < size && size - *offset >= MARKER + LENGTH) {
        uint8_t marker = bytes[*offset + 1];
        size_t whole = (size_t)bytes[*offset + 2] << 8 | bytes[*offset + 3];

        if (bytes[*offset] != 0xFF || marker == FILLER || marker == STUFFING) {
            (*offset)++;
            continue;
        }
        if ((marker >= RESTART && marker <= START_OF_SCAN) || whole < LENGTH || whole > size - *offset - MARKER) {
            return 0;
        }
        *content = bytes + *offset + MARKER + LENGTH;
        *length = whole - LENGTH;
        *offset += MARKER + whole;
        return marker;
    }
    return 0;
}

int
jpeg_longest_side(const void *data, size_t size)
{
    enum { SIDES = 5 };
    const uint8_t *content;
    size_t length;
    size_t offset = 2;
    uint8_t marker;

    if (!is_jpeg(data, size)) {
        return 0;
    }
    while ((marker = next_segment(data, size, &offset, &content, &length)) != 0) {
        if (starts_frame(marker) && length >= SIDES) {
            int height = content[1] << 8 | content[2];
            int width = content[3] << 8 | content[4];

            return width > height ? width : height;
        }
    }
    return 0;
}

bool
jpeg_is_simple(const void *data, size_t size, long long max_pixels)
{
    enum { COMPONENTS = 5, HEADER = 6, APP0 = 0xE0, QUANTIZATION = 0xDB, RESTART_INTERVAL = 0xDD, COMMENT = 0xFE };
    const uint8_t *content;
    size_t length;
    size_t offset = 2;
    int components = 0;
    uint8_t marker;

    if (!is_jpeg(data, size)) {
        return false;
    }
    while ((marker = next_segment(data, size, &offset, &content, &length)) != 0) {
        if (marker == FIRST_FRAME && length >= HEADER && components == 0) {
            components = content[COMPONENTS];
            if ((long long)(content[1] << 8 | content[2]) * (content[3] << 8 | content[4]) > max_pixels) {
                return false;
            }
        }
        else if (marker != APP0 && marker != HUFFMAN_TABLES && marker != QUANTIZATION && marker != RESTART_INTERVAL &&
                 marker != COMMENT) {
            return false;
        }
    }
    /* The scan header: its length, and the number of its components, all if there is only one scan. */
    const uint8_t *scan = (const uint8_t *)data + offset;
    return (components == 1 || components == 3) && offset + COMPONENTS < size && scan[1] == START_OF_SCAN &&
           scan[4] == components;
}

/* Find the next APP1 segment with an identifier, which ends with a zero; returns false if there is none. */
static bool
next_app1(const uint8_t *bytes, size_t size, size_t *offset, const char *identifier, WebPData *content)
{
    size_t skipped = strlen(identifier) + 1;
    const uint8_t *segment;
    size_t length;
    uint8_t marker;

    while ((marker = next_segment(bytes, size, offset, &segment, &length)) != 0) {
        if (marker == APP1 && length >= skipped && memcmp(segment, identifier, skipped) == 0) {
            *content = (WebPData){.bytes = segment + skipped, .size = length - skipped};
            return true;
        }
    }
    return false;
}

void
jpeg_find_xmp(const void *data, size_t size, WebPData *xmp)
{
    size_t offset = 2;

    if (!is_jpeg(data, size) || !next_app1(data, size, &offset, "http://ns.adobe.com/xap/1.0/", xmp)) {
        *xmp = (WebPData){NULL, 0};
    }
}

static size_t
read_32(const uint8_t *bytes)
{
    return (size_t)bytes[0] << 24 | (size_t)bytes[1] << 16 | (size_t)bytes[2] << 8 | bytes[3];
}

bool
jpeg_find_xmp_extension(const void *data, size_t size, const uint8_t *id, WebPData *extension)
{
    enum { ID = 32, HEADER = ID + 8 };
    size_t total = 0;
    size_t copied = 0;
    size_t offset = 2;
    uint8_t *whole = NULL;
    WebPData part;

    *extension = (WebPData){NULL, 0};
    while (next_app1(data, size, &offset, "http://ns.adobe.com/xmp/extension/", &part)) {
        if (part.size < HEADER || memcmp(part.bytes, id, ID) != 0) {
            continue;
        }
        size_t at = read_32(part.bytes + ID + 4);
        size_t length = part.size - HEADER;
        if (whole == NULL) {
            total = read_32(part.bytes + ID);
            /* A part of the file, so not larger. */
            if (total == 0 || total > size) {
                return true;
            }
            whole = WebPMalloc(total);
            if (whole == NULL) {
                return false;
            }
        }
        /* Parts that follow each other without gaps are complete. */
        if (at != copied || length > total - copied) {
            break;
        }
        memcpy(whole + copied, part.bytes + HEADER, length);
        copied += length;
    }
    if (whole != NULL && copied == total) {
        *extension = (WebPData){.bytes = whole, .size = total};
    }
    else {
        WebPFree(whole);
    }
    return true;
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
