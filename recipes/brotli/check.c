/* Checks the features that the recipe of brotli declares; prints the name of each feature that is missing. */
#include <brotli/decode.h>
#include <brotli/encode.h>
#include <stdio.h>
#include <string.h>

static const uint8_t text[] = "to be or not to be, that is to be or not to be";

/* An empty stream with a window of 16 bits is one byte (RFC 7932, section 9.1 and 9.2). */
static int can_decode(void) {
    const uint8_t nothing[] = {0x06};
    uint8_t output[16];
    size_t size = sizeof(output);

    return BrotliDecoderDecompress(sizeof(nothing), nothing, &size, output) == BROTLI_DECODER_RESULT_SUCCESS && size == 0;
}

static int can_encode(void) {
    uint8_t packed[256], unpacked[sizeof(text)];
    size_t packed_size = sizeof(packed), size = sizeof(unpacked);

    return BrotliEncoderCompress(5, BROTLI_DEFAULT_WINDOW, BROTLI_MODE_TEXT, sizeof(text), text, &packed_size, packed) &&
           BrotliDecoderDecompress(packed_size, packed, &size, unpacked) == BROTLI_DECODER_RESULT_SUCCESS &&
           size == sizeof(text) && memcmp(text, unpacked, size) == 0;
}

static int has_feature(const char *name) {
    if (strcmp(name, "decode") == 0)
        return can_decode();
    if (strcmp(name, "encode") == 0)
        return can_encode();
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
