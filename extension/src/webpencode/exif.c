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

/* Return how many bytes a whole number of a type has (TIFF 6.0, section 2), and 0 for other types. An orientation
   should be SHORT, but libexif obeys one of any of these. */
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

/* Write 1 for the first of an entry's numbers, which lie in the entry itself where four bytes are enough. */
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
        size_t at = read_32(number, is_little);

        if (at > size || size - at < length) {
            return;
        }
        number = exif + at;
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
    size_t at = read_32(exif + 4, is_little);
    if (at > size || size - at < 2) {
        return;
    }
    size_t count = read_16(exif + at, is_little);
    at += 2;
    for (size_t i = 0; i < count && size - at >= TIFF_ENTRY; i++, at += TIFF_ENTRY) {
        uint8_t *entry = exif + at;

        if (read_16(entry, is_little) == TAG_ORIENTATION) {
            set_first_number(exif, size, entry, is_little);
        }
    }
}
