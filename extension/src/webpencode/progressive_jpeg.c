#include "progressive_jpeg.h"

#include <stdint.h>
#include <string.h>

#include "jpeg.h"

/* The second bytes of markers; the first is always 0xFF (ITU-T T.81, table B.1). */
enum {
    STUFFING = 0x00,
    PROGRESSIVE_FRAME = 0xC2,
    HUFFMAN_TABLES = 0xC4,
    FIRST_RESTART = 0xD0,
    END_OF_IMAGE = 0xD9,
    START_OF_SCAN = 0xDA,
    QUANTIZATION_TABLES = 0xDB,
    RESTART_INTERVAL = 0xDD,
    FIRST_APPLICATION = 0xE0,
    LAST_APPLICATION = 0xEF,
    COMMENT = 0xFE,
    RESTARTS = 8, /* number of restart markers */
};

enum { MAX_COMPONENTS = 4, MAX_TABLES = 4, COEFFICIENTS = 64, BLOCK = 8, MARKER = 2, LENGTH = 2, CODE_LENGTHS = 16 };

/* Number of parts between dropped scans; files have about ten scans. */
enum { MAX_PARTS = 64 };

/* End-of-band symbols 0 to 14: 2^n blocks without details, and up to 2^n - 1 more. Codes of four bits for them. */
enum { END_OF_BAND_SYMBOLS = 15, CODE_BITS = 4, MAX_RUN = (1 << END_OF_BAND_SYMBOLS) - 1 };

typedef struct {
    int identifier;
    int horizontal, vertical;  /* sampling factors */
    int precise[COEFFICIENTS]; /* the lowest bit of each coefficient that a scan has; -1 if there was no scan */
    bool is_reduced;           /* only the means of blocks are needed */
} component;

typedef struct {
    size_t begin, end;
} part;

typedef struct {
    const uint8_t *bytes;
    size_t size;
    int width, height;
    int horizontal, vertical; /* largest sampling factors */
    int count;
    component components[MAX_COMPONENTS];
    bool has_table[MAX_TABLES]; /* valid Huffman tables for details */
    int interval;               /* between restart markers, in blocks; 0 for none */
    part parts[MAX_PARTS];      /* of the file, to be copied */
    int part_count;
} progressive_file;

static int
read_16(const uint8_t *bytes)
{
    return bytes[0] << 8 | bytes[1];
}

/* Round up. */
static int
divide(int number, int by)
{
    return (number + by - 1) / by;
}

static bool
read_frame(progressive_file *file, const uint8_t *content, size_t length)
{
    enum { FIXED = 6, PER_COMPONENT = 3, SAMPLE_BITS = 8, MAX_FACTOR = 4 };

    if (length < FIXED || file->count > 0) {
        return false;
    }
    file->height = read_16(content + 1);
    file->width = read_16(content + 3);
    file->count = content[5];
    if (content[0] != SAMPLE_BITS || file->height == 0 || file->width == 0 || file->count < 1 ||
        file->count > MAX_COMPONENTS || length != FIXED + (size_t)file->count * PER_COMPONENT) {
        return false;
    }
    for (int i = 0; i < file->count; i++) {
        const uint8_t *from = content + FIXED + (ptrdiff_t)i * PER_COMPONENT;
        component *to = &file->components[i];

        to->identifier = from[0];
        to->horizontal = from[1] >> 4;
        to->vertical = from[1] & 15;
        if (to->horizontal < 1 || to->horizontal > MAX_FACTOR || to->vertical < 1 || to->vertical > MAX_FACTOR) {
            return false;
        }
        file->horizontal = VIPS_MAX(file->horizontal, to->horizontal);
        file->vertical = VIPS_MAX(file->vertical, to->vertical);
        for (int k = 0; k < COEFFICIENTS; k++) {
            to->precise[k] = -1;
        }
    }
    for (int i = 0; i < file->count; i++) {
        component *to = &file->components[i];
        bool has_width = file->horizontal % (2 * to->horizontal) != 0;
        bool has_height = file->vertical % (2 * to->vertical) != 0;

#ifdef WEBPENCODE_SYSTEM
        /* IJG's libjpeg, which a system may have, shrinks less in each direction. */
        to->is_reduced = has_width && has_height;
#else
        to->is_reduced = has_width || has_height;
#endif
    }
    return true;
}

/* Whether codes of the given lengths exist, as libjpeg requires: none of them has only ones. */
static bool
are_code_lengths_valid(const uint8_t *counts)
{
    int code = 0;

    for (int bits = 1; bits <= CODE_LENGTHS; bits++) {
        code += counts[bits - 1];
        if (counts[bits - 1] > 0 && code >= 1 << bits) {
            return false;
        }
        code <<= 1;
    }
    return true;
}

static bool
read_tables(progressive_file *file, const uint8_t *content, size_t length)
{
    enum { HEADER = 1 + CODE_LENGTHS, FOR_DETAILS = 0x10, MAX_SYMBOLS = 256 };

    while (length > 0) {
        size_t symbols = 0;

        if (length < HEADER) {
            return false;
        }
        for (int i = 1; i < HEADER; i++) {
            symbols += content[i];
        }
        if (symbols > MAX_SYMBOLS || length - HEADER < symbols || (content[0] & ~FOR_DETAILS) >= MAX_TABLES) {
            return false;
        }
        if (content[0] >= FOR_DETAILS) {
            file->has_table[content[0] - FOR_DETAILS] = are_code_lengths_valid(content + 1);
        }
        content += HEADER + symbols;
        length -= HEADER + symbols;
    }
    return true;
}

/* Number of blocks of a component in a scan of its own. */
static int
count_blocks(const progressive_file *file, const component *of)
{
    return divide(file->width * of->horizontal, file->horizontal * BLOCK) *
           divide(file->height * of->vertical, file->vertical * BLOCK);
}

/* Return the offset of the marker behind the data of a scan, and set the number of restart markers in the data. Returns
   0 if there is no marker, or if restart markers are not numbered in order. */
static size_t
skip_data(const progressive_file *file, size_t offset, int *restarts)
{
    const uint8_t *end = file->bytes + file->size;
    const uint8_t *at = file->bytes + offset;

    *restarts = 0;
    while ((at = memchr(at, 0xFF, (size_t)(end - at))) != NULL && end - at >= MARKER) {
        if (at[1] == FIRST_RESTART + *restarts % RESTARTS) {
            (*restarts)++;
        }
        else if (at[1] >= FIRST_RESTART && at[1] < FIRST_RESTART + RESTARTS) {
            return 0;
        }
        else if (at[1] != STUFFING) {
            return (size_t)(at - file->bytes);
        }
        at += MARKER;
    }
    return 0;
}

/* Record the precision of coefficients after a scan, which must be the first one of them or add one bit. */
static bool
add_precision(component *of, int first, int last, int approximation)
{
    enum { MAX_SHIFT = 13 };
    int before = approximation >> 4;
    int after = approximation & 15;

    if (after > MAX_SHIFT || (before > 0 && after != before - 1)) {
        return false;
    }
    for (int k = first; k <= last; k++) {
        if (before == 0 ? of->precise[k] != -1 : of->precise[k] != before) {
            return false;
        }
        of->precise[k] = after;
    }
    return true;
}

/* Read the header of a scan with `length` bytes at `content`. Sets the component whose details it has; NULL if it has
   means. */
static bool
read_scan(progressive_file *file, const uint8_t *content, size_t length, component **detailed)
{
    enum { FIXED = 4, PER_COMPONENT = 2 };
    int count = length < FIXED ? 0 : content[0];

    *detailed = NULL;
    if (count < 1 || count > file->count || length != FIXED + (size_t)count * PER_COMPONENT) {
        return false;
    }
    const uint8_t *spectrum = content + 1 + (ptrdiff_t)count * PER_COMPONENT;
    int first = spectrum[0];
    int last = spectrum[1];
    if (first > last || last >= COEFFICIENTS || (first == 0 ? last > 0 : count > 1)) {
        return false;
    }
    for (int i = 0; i < count; i++) {
        const uint8_t *selector = content + 1 + (ptrdiff_t)i * PER_COMPONENT;
        int number = 0;

        while (number < file->count && file->components[number].identifier != selector[0]) {
            number++;
        }
        if (number == file->count || !add_precision(&file->components[number], first, last, spectrum[2])) {
            return false;
        }
        if (first > 0) {
            int table = selector[1] & 15;

            *detailed = &file->components[number];
            if (table >= MAX_TABLES || !file->has_table[table] || (*detailed)->precise[0] < 0) {
                return false;
            }
        }
    }
    return true;
}

/* End a part of the file; the next one starts at `next`. */
static bool
end_part(progressive_file *file, size_t end, size_t next)
{
    file->parts[file->part_count++].end = end;
    if (file->part_count == MAX_PARTS) {
        return false;
    }
    file->parts[file->part_count].begin = next;
    return true;
}

/* Read a scan whose segment is at `offset`, which is moved behind its data. A scan with unnecessary details is left
   out. */
static bool
pass_scan(progressive_file *file, size_t *offset, size_t length)
{
    size_t begin = *offset;
    int restarts;
    component *detailed;

    if (!read_scan(file, file->bytes + begin + MARKER + LENGTH, length, &detailed)) {
        return false;
    }
    *offset = skip_data(file, begin + MARKER + LENGTH + length, &restarts);
    if (*offset == 0) {
        return false;
    }
    if (detailed == NULL || !detailed->is_reduced) {
        return true;
    }
    return restarts == (file->interval == 0 ? 0 : (count_blocks(file, detailed) - 1) / file->interval) &&
           end_part(file, begin, *offset);
}

/* Read a segment other than a scan. Returns false if it is irregular or unknown. */
static bool
read_segment(progressive_file *file, int marker, const uint8_t *content, size_t length)
{
    switch (marker) {
    case PROGRESSIVE_FRAME:
        return read_frame(file, content, length);
    case HUFFMAN_TABLES:
        return read_tables(file, content, length);
    case RESTART_INTERVAL:
        file->interval = length == 2 ? read_16(content) : 0;
        return length == 2;
    case QUANTIZATION_TABLES:
    case COMMENT:
        return true;
    default:
        return marker >= FIRST_APPLICATION && marker <= LAST_APPLICATION;
    }
}

/* Whether all details of all components are exact: otherwise libjpeg estimates them, which changes the means. */
static bool
is_exact(const progressive_file *file)
{
    for (int i = 0; i < file->count; i++) {
        for (int k = 1; k < COEFFICIENTS; k++) {
            if (file->components[i].precise[k] != 0) {
                return false;
            }
        }
    }
    return file->count > 0;
}

/* Find the parts of the file that are needed, up to the end marker. */
static bool
read_file(progressive_file *file)
{
    size_t offset = MARKER;

    while (file->size - offset >= MARKER + LENGTH) {
        const uint8_t *segment = file->bytes + offset;
        int marker = segment[1];
        size_t length = (size_t)read_16(segment + MARKER);

        if (segment[0] != 0xFF || marker == END_OF_IMAGE || length < LENGTH || length > file->size - offset - MARKER) {
            break;
        }
        if (marker == START_OF_SCAN) {
            if (!pass_scan(file, &offset, length - LENGTH)) {
                return false;
            }
            continue;
        }
        if (!read_segment(file, marker, segment + MARKER + LENGTH, length - LENGTH)) {
            return false;
        }
        offset += MARKER + length;
    }
    if (file->size - offset < MARKER || file->bytes[offset] != 0xFF || file->bytes[offset + 1] != END_OF_IMAGE) {
        return false;
    }
    file->parts[file->part_count++].end = offset;
    return is_exact(file) && file->part_count > 1;
}

/* Write the low `count` bits of a number to the data of a scan. */
static void
write_bits(uint8_t **to, unsigned *buffer, int *used, int number, int count)
{
    *buffer = *buffer << count | ((unsigned)number & ((1U << count) - 1));
    *used += count;
    while (*used >= 8) {
        *used -= 8;
        uint8_t byte = (uint8_t)(*buffer >> *used);
        *(*to)++ = byte;
        if (byte == 0xFF) {
            *(*to)++ = STUFFING;
        }
    }
}

/* Write a scan in which no block has details. Without one, libjpeg would estimate them. */
static uint8_t *
write_empty_scan(uint8_t *to, int identifier, int blocks)
{
    const uint8_t header[] = {0xFF, START_OF_SCAN, 0, 8, 1, (uint8_t)identifier, 0, 1, COEFFICIENTS - 1, 0};
    unsigned buffer = 0;
    int used = 0;

    memcpy(to, header, sizeof(header));
    to += sizeof(header);
    while (blocks > 0) {
        int run = VIPS_MIN(blocks, MAX_RUN);
        int symbol = 0;

        while (run >> (symbol + 1) > 0) {
            symbol++;
        }
        write_bits(&to, &buffer, &used, symbol, CODE_BITS);
        write_bits(&to, &buffer, &used, run, symbol);
        blocks -= run;
    }
    write_bits(&to, &buffer, &used, 0x7F, 7);
    return to;
}

/* Write the empty scans and the end marker. */
static uint8_t *
write_end(const progressive_file *file, uint8_t *to)
{
    static const uint8_t no_restarts[] = {0xFF, RESTART_INTERVAL, 0, 4, 0, 0};
    static const uint8_t table[] = {
        0xFF,
        HUFFMAN_TABLES,
        0,
        LENGTH + 1 + CODE_LENGTHS + END_OF_BAND_SYMBOLS,
        0x10,
        0,
        0,
        0,
        END_OF_BAND_SYMBOLS,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0x00,
        0x10,
        0x20,
        0x30,
        0x40,
        0x50,
        0x60,
        0x70,
        0x80,
        0x90,
        0xA0,
        0xB0,
        0xC0,
        0xD0,
        0xE0,
    };

    memcpy(to, no_restarts, sizeof(no_restarts));
    to += sizeof(no_restarts);
    memcpy(to, table, sizeof(table));
    to += sizeof(table);
    for (int i = 0; i < file->count; i++) {
        const component *reduced = &file->components[i];

        if (reduced->is_reduced) {
            to = write_empty_scan(to, reduced->identifier, count_blocks(file, reduced));
        }
    }
    *to++ = 0xFF;
    *to++ = END_OF_IMAGE;
    return to;
}

/* Return a bound for the size of what write_end() writes. */
static size_t
find_end_size(const progressive_file *file)
{
    enum { FIXED = 128, PER_RUN = 6 };
    size_t size = FIXED;

    for (int i = 0; i < file->count; i++) {
        size += ((size_t)count_blocks(file, &file->components[i]) / MAX_RUN + 1) * PER_RUN;
    }
    return size;
}

bool
jpeg_drop_details(const void *data, size_t size, WebPData *copy)
{
    progressive_file file = {.bytes = data, .size = size};
    size_t needed = 0;

    *copy = (WebPData){NULL, 0};
    if (!is_jpeg(data, size) || !read_file(&file)) {
        return false;
    }
    for (int i = 0; i < file.part_count; i++) {
        needed += file.parts[i].end - file.parts[i].begin;
    }
    uint8_t *to = WebPMalloc(needed + find_end_size(&file));
    if (to == NULL) {
        return false;
    }
    copy->bytes = to;
    for (int i = 0; i < file.part_count; i++) {
        size_t length = file.parts[i].end - file.parts[i].begin;

        memcpy(to, file.bytes + file.parts[i].begin, length);
        to += length;
    }
    copy->size = (size_t)(write_end(&file, to) - copy->bytes);
    return true;
}
