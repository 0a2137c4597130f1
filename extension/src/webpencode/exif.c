#include "exif.h"

#include <stdbool.h>
#include <string.h>

enum { TIFF_HEADER = 8, TIFF_ENTRY = 12 };

/* Tags of TIFF 6.0, section 8, and of CIPA DC-008, 4.6.3 and 4.6.5. */
enum {
    IMAGE_WIDTH = 0x0100,
    IMAGE_LENGTH = 0x0101,
    ORIENTATION = 0x0112,
    EXIF_DIRECTORY = 0x8769,
    COLOR_SPACE = 0xA001,
    PIXEL_X_DIMENSION = 0xA002,
    PIXEL_Y_DIMENSION = 0xA003,
};

void
exif_strip_prefix(WebPData *exif)
{
    if (exif->size >= 6 && memcmp(exif->bytes, "Exif\0\0", 6) == 0) {
        exif->bytes += 6;
        exif->size -= 6;
    }
}

static unsigned
read_16(const uint8_t *bytes, bool is_little)
{
    return is_little ? (unsigned)(bytes[0] | bytes[1] << 8) : (unsigned)(bytes[1] | bytes[0] << 8);
}

static size_t
read_32(const uint8_t *bytes, bool is_little)
{
    size_t first = read_16(bytes, is_little);
    size_t second = read_16(bytes + 2, is_little);

    return is_little ? first | second << 16 : second | first << 16;
}

/* Return the size in bytes of an integer type (TIFF 6.0, section 2), or 0 for other types. The orientation should be a
   SHORT, but libexif accepts any of these types. */
static size_t
number_size(unsigned type)
{
    enum { BYTE = 1, SHORT = 3, LONG = 4, SBYTE = 6, SSHORT = 8, SLONG = 9 };

    switch (type) {
    case BYTE:
    case SBYTE:
        return 1;
    case SHORT:
    case SSHORT:
        return 2;
    case LONG:
    case SLONG:
        return 4;
    default:
        return 0;
    }
}

/* Set the first value of an entry. Values of up to four bytes are stored in the entry itself. */
static void
set_first_number(uint8_t *exif, size_t size, uint8_t *entry, bool is_little, int value)
{
    enum { IN_ENTRY = 4 };
    size_t length = number_size(read_16(entry + 2, is_little));
    size_t count = read_32(entry + 4, is_little);
    uint8_t *number = entry + 8;

    if (length == 0 || count == 0) {
        return;
    }
    if (count > IN_ENTRY / length) {
        size_t offset = read_32(number, is_little);

        /* An array that does not fit is not a value: other entries may be at its offset. */
        if (offset > size || count > (size - offset) / length) {
            return;
        }
        number = exif + offset;
    }
    for (size_t i = 0; i < length; i++) {
        number[is_little ? i : length - 1 - i] = (uint8_t)(i < sizeof(value) ? (unsigned)value >> 8 * i : 0);
    }
}

/* Return the number that an entry must have, or -1 to keep it. */
static int
find_number(unsigned tag, const picture_facts *facts)
{
    switch (tag) {
    case ORIENTATION:
        return facts->is_upright ? 1 : -1;
    case COLOR_SPACE:
        return facts->is_srgb ? 1 : -1;
    case IMAGE_WIDTH:
    case PIXEL_X_DIMENSION:
        return facts->width;
    case IMAGE_LENGTH:
    case PIXEL_Y_DIMENSION:
        return facts->height;
    default:
        return -1;
    }
}

/* Update the entries of the directory at `offset`. Returns the offset of its Exif directory, or 0. Removes the link of
   the main directory to the next one, which describes the thumbnail; after other directories, some programs write
   values. */
static size_t
update_directory(uint8_t *exif, size_t size, size_t offset, bool is_main, bool is_little, const picture_facts *facts)
{
    size_t child = 0;

    if (offset < TIFF_HEADER || offset > size || size - offset < 2) {
        return 0;
    }
    size_t count = read_16(exif + offset, is_little);
    offset += 2;
    for (size_t i = 0; i < count; i++, offset += TIFF_ENTRY) {
        if (size - offset < TIFF_ENTRY) {
            return child;
        }
        uint8_t *entry = exif + offset;
        unsigned tag = read_16(entry, is_little);
        int number = find_number(tag, facts);

        if (number >= 0) {
            set_first_number(exif, size, entry, is_little, number);
        }
        if (tag == EXIF_DIRECTORY) {
            child = read_32(entry + 8, is_little);
        }
    }
    if (is_main && size - offset >= 4) {
        memset(exif + offset, 0, 4);
    }
    return child;
}

void
exif_update(uint8_t *exif, size_t size, const picture_facts *facts)
{
    if (size < TIFF_HEADER || (memcmp(exif, "II*\0", 4) != 0 && memcmp(exif, "MM\0*", 4) != 0)) {
        return;
    }
    bool is_little = exif[0] == 'I';
    size_t child = update_directory(exif, size, read_32(exif + 4, is_little), true, is_little, facts);
    if (child != 0) {
        (void)update_directory(exif, size, child, false, is_little, facts);
    }
}
