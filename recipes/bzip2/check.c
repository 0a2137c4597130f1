/* Checks the features that the recipe of bzip2 declares; prints the name of each feature that is missing. */
#include <bzlib.h>
#include <stdio.h>
#include <string.h>

static int can_compress(void) {
    char text[] = "to be or not to be, that is to be or not to be", packed[256], unpacked[sizeof(text)];
    unsigned int packed_size = sizeof(packed), size = sizeof(unpacked);

    return BZ2_bzBuffToBuffCompress(packed, &packed_size, text, sizeof(text), 9, 0, 0) == BZ_OK &&
           memcmp(packed, "BZh9", 4) == 0 &&
           BZ2_bzBuffToBuffDecompress(unpacked, &size, packed, packed_size, 0, 0) == BZ_OK && size == sizeof(text) &&
           memcmp(text, unpacked, size) == 0;
}

int main(int count, char **features) {
    int missing = 0;

    for (int i = 1; i < count; i++) {
        if (!(strcmp(features[i], "compress") == 0 && can_compress())) {
            puts(features[i]);
            missing = 1;
        }
    }
    return missing;
}
