/* Checks the features that the recipe of zlib declares; prints the name of each feature that is missing. */
#include <stdio.h>
#include <string.h>
#include <zlib.h>

static const unsigned char text[] = "to be or not to be, that is to be or not to be";

static int can_compress(void) {
    unsigned char packed[256], unpacked[sizeof(text)];
    uLongf packed_size = sizeof(packed), size = sizeof(unpacked);

    return compress(packed, &packed_size, text, sizeof(text)) == Z_OK &&
           uncompress(unpacked, &size, packed, packed_size) == Z_OK && size == sizeof(text) &&
           memcmp(text, unpacked, size) == 0;
}

/* 31 bits select a window of 15 bits and gzip's header and checksum; the checksum of `123456789` is that of its authors. */
static int has_gzip(void) {
    unsigned char packed[256];
    z_stream stream = {0};
    int is_right;

    if (deflateInit2(&stream, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return 0;
    stream.next_in = (unsigned char *)text;
    stream.avail_in = sizeof(text);
    stream.next_out = packed;
    stream.avail_out = sizeof(packed);
    is_right = deflate(&stream, Z_FINISH) == Z_STREAM_END && packed[0] == 0x1f && packed[1] == 0x8b;
    deflateEnd(&stream);
    return is_right && crc32(0, (const unsigned char *)"123456789", 9) == 0xcbf43926;
}

static int has_feature(const char *name) {
    if (strcmp(name, "compress") == 0)
        return can_compress();
    if (strcmp(name, "gzip") == 0)
        return has_gzip();
    return 0;
}

int main(int count, char **features) {
    int missing = 0;

    for (int i = 1; i < count; i++) {
        if (!has_feature(features[i])) {
            puts(features[i]);
            missing = 1;
        }
    }
    return missing;
}
