#include "exif.h"

#include <stdbool.h>
#include <string.h>

enum { TIFF_HEADER = 8, TIFF_ENTRY = 12, TAG_ORIENTATION = 0x0112 };

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

/* Set the first value of an entry to 1. Values of up to four bytes are stored in the entry itself. */
static void
set_first_number(uint8_t *exif, size_t size, uint8_t *entry, bool is_little)
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

        if (offset > size || size - offset < length) {
            return;
        }
        number = exif + offset;
    }
    memset(number, 0, length);
    number[is_little ? 0 : length - 1] = 1;
}

void
exif_set_upright(uint8_t *exif, size_t size)
{
    if (size < TIFF_HEADER || (memcmp(exif, "II*\0", 4) != 0 && memcmp(exif, "MM\0*", 4) != 0)) {
        return;
    }
    bool is_little = exif[0] == 'I';
    size_t offset = read_32(exif + 4, is_little);
    if (offset > size || size - offset < 2) {
        return;
    }
    size_t count = read_16(exif + offset, is_little);
    offset += 2;
    for (size_t i = 0; i < count && size - offset >= TIFF_ENTRY; i++, offset += TIFF_ENTRY) {
        uint8_t *entry = exif + offset;

        if (read_16(entry, is_little) == TAG_ORIENTATION) {
            set_first_number(exif, size, entry, is_little);
        }
    }
}
