/* Checks the features that the recipe of lz4 declares; prints the name of each feature that is missing. */
#include <lz4.h>
#include <lz4frame.h>
#include <stdio.h>
#include <string.h>

static const char text[] = "to be or not to be, that is to be or not to be";

static int can_block(void) {
    char packed[128], unpacked[sizeof(text)];
    int size = LZ4_compress_default(text, packed, sizeof(text), sizeof(packed));

    return size > 0 && LZ4_decompress_safe(packed, unpacked, size, sizeof(unpacked)) == sizeof(text) &&
           memcmp(text, unpacked, sizeof(text)) == 0;
}

static int can_frame(void) {
    char packed[256], unpacked[sizeof(text)];
    size_t size = LZ4F_compressFrame(packed, sizeof(packed), text, sizeof(text), NULL), unpacked_size = sizeof(text);
    LZ4F_dctx *context;
    int is_right;

    if (LZ4F_isError(size) || LZ4F_isError(LZ4F_createDecompressionContext(&context, LZ4F_VERSION)))
        return 0;
    is_right = LZ4F_decompress(context, unpacked, &unpacked_size, packed, &size, NULL) == 0 &&
               unpacked_size == sizeof(text) && memcmp(text, unpacked, sizeof(text)) == 0;
    LZ4F_freeDecompressionContext(context);
    return is_right;
}

static int has_feature(const char *name) {
    return strcmp(name, "block") == 0 ? can_block() : strcmp(name, "frame") == 0 && can_frame();
}

int main(int argc, char **argv) {
    int missing = 0;

    for (int i = 1; i < argc; i++) {
        if (!has_feature(argv[i])) {
            puts(argv[i]);
            missing = 1;
        }
    }
    return missing;
}
