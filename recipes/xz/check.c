/* Checks the features that the recipe of xz declares; prints the name of each feature that is missing. */
#include <lzma.h>
#include <stdio.h>
#include <string.h>

static const uint8_t text[] = "to be or not to be, that is to be or not to be";

static int can_compress(void) {
    uint8_t packed[512], unpacked[sizeof(text)];
    size_t packed_size = 0, read = 0, size = 0;
    uint64_t memory = 64 << 20;

    return lzma_easy_buffer_encode(6, LZMA_CHECK_SHA256, NULL, text, sizeof(text), packed, &packed_size, sizeof(packed)) ==
               LZMA_OK &&
           lzma_stream_buffer_decode(&memory, 0, NULL, packed, &read, packed_size, unpacked, &size, sizeof(unpacked)) ==
               LZMA_OK &&
           size == sizeof(text) && memcmp(text, unpacked, size) == 0;
}

static int can_threads(void) {
    uint8_t packed[512];
    lzma_stream stream = LZMA_STREAM_INIT;
    lzma_mt options = {.threads = 2, .preset = 1, .check = LZMA_CHECK_CRC64};
    int is_right = lzma_stream_encoder_mt(&stream, &options) == LZMA_OK;

    stream.next_in = text;
    stream.avail_in = sizeof(text);
    stream.next_out = packed;
    stream.avail_out = sizeof(packed);
    is_right = is_right && lzma_code(&stream, LZMA_FINISH) == LZMA_STREAM_END && stream.total_in == sizeof(text);
    lzma_end(&stream);
    return is_right;
}

static int has_feature(const char *name) {
    if (strcmp(name, "compress") == 0)
        return can_compress();
    if (strcmp(name, "threads") == 0)
        return can_threads();
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
