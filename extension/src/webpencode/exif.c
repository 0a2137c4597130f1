#include "exif.h"

#include <stdbool.h>
#include <string.h>

enum { TIFF_HEADER = 8, TIFF_ENTRY = 12, TAG_ORIENTATION = 0x0112, TYPE_SHORT = 3 };

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

        if (read_16(entry, is_little) == TAG_ORIENTATION && read_16(entry + 2, is_little) == TYPE_SHORT) {
            entry[is_little ? 8 : 9] = 1;
            entry[is_little ? 9 : 8] = 0;
        }
    }
}
