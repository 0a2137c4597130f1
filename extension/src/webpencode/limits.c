#include "limits.h"

#include <stdint.h>
#include <string.h>

#include "gif.h"
#include "jpeg.h"
#include "png.h"

/* Longest sides that libvips reads (VIPS_MAX_COORD in libvips/image.h, and the limits of its GIF and WebP loaders). */
enum { GIF_MAX_SIDE = 65536, PNG_MAX_SIDE = 10000000, WEBP_MAX_SIDE = 16383 };

/* The system's libwebp searches a list of all frames for each frame, so its time increases with the square of their
   number; the bundled one is patched. */
enum { MAX_FRAMES = 65535 };

/* Return the length of the longer side of a PNG (third edition, 11.2.1); 0 if the data are not a PNG. */
static uint32_t
png_longest_side(const uint8_t *bytes, size_t size)
{
    enum { WIDTH = 16, HEIGHT = 20, END = 24 };

    if (size < END || !is_png(bytes, size)) {
        return 0;
    }
    uint32_t width = (uint32_t)bytes[WIDTH] << 24 | (uint32_t)bytes[WIDTH + 1] << 16 | (uint32_t)bytes[WIDTH + 2] << 8 |
                     bytes[WIDTH + 3];
    uint32_t height = (uint32_t)bytes[HEIGHT] << 24 | (uint32_t)bytes[HEIGHT + 1] << 16 |
                      (uint32_t)bytes[HEIGHT + 2] << 8 | bytes[HEIGHT + 3];
    /* Larger numbers are invalid: libpng reports them. */
    return width > INT32_MAX || height > INT32_MAX ? 0 : width > height ? width : height;
}

static bool
is_extended_webp(const uint8_t *bytes, size_t size)
{
    return size > 30 && memcmp(bytes, "RIFF", 4) == 0 && memcmp(bytes + 8, "WEBPVP8X", 8) == 0;
}

/* Return the length of the longer side of the canvas (RFC 9649, 2.7); 0 if the data have none. */
static int
webp_longest_side(const uint8_t *bytes, size_t size)
{
    if (!is_extended_webp(bytes, size)) {
        return 0;
    }
    int width = 1 + (bytes[24] | bytes[25] << 8 | bytes[26] << 16);
    int height = 1 + (bytes[27] | bytes[28] << 8 | bytes[29] << 16);

    return width > height ? width : height;
}

/* Return the number of frames of an animated WebP; 0 for other data. */
static long long
webp_count_frames(const uint8_t *bytes, size_t size)
{
    enum { FIRST = 12, CHUNK_HEADER = 8 };
    long long count = 0;
    size_t offset = FIRST;

    if (!is_extended_webp(bytes, size)) {
        return 0;
    }
    while (size - offset >= CHUNK_HEADER) {
        const uint8_t *chunk = bytes + offset;
        size_t length = chunk[4] | (size_t)chunk[5] << 8 | (size_t)chunk[6] << 16 | (size_t)chunk[7] << 24;

        count += memcmp(chunk, "ANMF", 4) == 0;
        offset += CHUNK_HEADER;
        if (length >= size - offset) {
            break;
        }
        offset += length + length % 2;
    }
    return count;
}

static bool
check_side(long long side, long long limit, const char *library, failure *failed)
{
    return side <= limit ||
           fail_limit(failed, side, limit, "the image has a side of %lld pixels, and %s reads at most %lld", side,
                      library, limit);
}

bool
check_limits(const void *data, size_t size, failure *failed)
{
    long long frames = gif_count_frames(data, size) + webp_count_frames(data, size);

    if (frames > MAX_FRAMES) {
        return fail_limit(failed, frames, MAX_FRAMES, "the animation has %lld frames, and at most %d are read", frames,
                          (int)MAX_FRAMES);
    }
    return check_side(jpeg_longest_side(data, size), JPEG_MAX_SIDE, "libjpeg", failed) &&
           check_side(png_longest_side(data, size), PNG_MAX_SIDE, "libvips", failed) &&
           check_side(webp_longest_side(data, size), WEBP_MAX_SIDE, "libvips", failed);
}

bool
check_gif_sides(const void *data, size_t size, int width, int height, failure *failed)
{
    return !is_gif(data, size) || check_side(width > height ? width : height, GIF_MAX_SIDE, "libvips", failed);
}
