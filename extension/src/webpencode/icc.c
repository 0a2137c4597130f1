#include "icc.h"

#include <stdint.h>
#include <string.h>

enum { HEADER = 128, COLOR_SPACE = 16, TABLE_ENTRY = 12 };

static size_t
read_32(const uint8_t *bytes)
{
    return (size_t)bytes[0] << 24 | (size_t)bytes[1] << 16 | (size_t)bytes[2] << 8 | bytes[3];
}

static bool
has_space(const uint8_t *bytes, size_t size, const char *space)
{
    return size >= HEADER && memcmp(bytes + COLOR_SPACE, space, 4) == 0;
}

/* Whether the table of a profile has a tag whose data are in the profile. */
static bool
has_tag(const uint8_t *bytes, size_t size, const char *tag)
{
    size_t count = size >= HEADER + 4 ? read_32(bytes + HEADER) : 0;

    for (size_t i = 0; i < count && (size - HEADER - 4) / TABLE_ENTRY > i; i++) {
        const uint8_t *entry = bytes + HEADER + 4 + i * TABLE_ENTRY;
        size_t offset = read_32(entry + 4);

        if (memcmp(entry, tag, 4) == 0) {
            return offset <= size && read_32(entry + 8) <= size - offset;
        }
    }
    return false;
}

bool
icc_is_rgb(const void *profile, size_t size)
{
    return has_space(profile, size, "RGB ");
}

bool
icc_is_complete(const void *profile, size_t size)
{
    static const char *const colors[] = {"rTRC", "gTRC", "bTRC", "rXYZ", "gXYZ", "bXYZ"};

    if (has_tag(profile, size, "A2B0") || has_tag(profile, size, "A2B1") || has_tag(profile, size, "D2B0")) {
        return true;
    }
    if (has_space(profile, size, "GRAY")) {
        return has_tag(profile, size, "kTRC");
    }
    for (size_t i = 0; i < sizeof(colors) / sizeof(colors[0]); i++) {
        if (!has_tag(profile, size, colors[i])) {
            return false;
        }
    }
    return has_space(profile, size, "RGB ");
}
