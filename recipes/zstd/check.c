/* Checks the features that the recipe of zstd declares; prints the name of each feature that is missing. */
#include <stdio.h>
#include <string.h>
#include <zstd.h>

static const char text[] = "to be or not to be, that is to be or not to be";

static int can_compress(void) {
    char packed[256], unpacked[sizeof(text)];
    size_t size = ZSTD_compress(packed, sizeof(packed), text, sizeof(text), 3);

    return !ZSTD_isError(size) && ZSTD_decompress(unpacked, sizeof(unpacked), packed, size) == sizeof(text) &&
           memcmp(text, unpacked, sizeof(text)) == 0;
}

static int can_threads(void) {
    ZSTD_CCtx *context = ZSTD_createCCtx();
    size_t result = ZSTD_CCtx_setParameter(context, ZSTD_c_nbWorkers, 2);

    ZSTD_freeCCtx(context);
    return !ZSTD_isError(result);
}

static int has_feature(const char *name) {
    return strcmp(name, "threads") == 0 ? can_threads() : strcmp(name, "compress") == 0 && can_compress();
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
