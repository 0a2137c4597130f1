/* Checks the features that the recipe of xxhash declares; prints the name of each feature that is missing. */
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

/* The values for nothing are those of the specification (doc/xxhash_spec.md). */
static int has_xxh64(void) {
    return XXH64("", 0, 0) == 0xEF46DB3751D8E999 && XXH64("abc", 3, 0) == 0x44BC2CF5AD770999;
}

static int has_xxh3(void) {
    XXH3_state_t *state = XXH3_createState();
    char data[5000];
    int is_right;

    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (char)(i * 7);
    XXH3_64bits_reset(state);
    for (size_t i = 0; i < sizeof(data); i += 100)
        XXH3_64bits_update(state, data + i, 100);
    is_right = XXH3_64bits("", 0) == 0x2D06800538D394C2 && XXH3_64bits_digest(state) == XXH3_64bits(data, sizeof(data)) &&
               XXH3_128bits("", 0).high64 == 0x99AA06D3014798D8;
    XXH3_freeState(state);
    return is_right;
}

static int has_feature(const char *name) {
    return strcmp(name, "xxh64") == 0 ? has_xxh64() : strcmp(name, "xxh3") == 0 && has_xxh3();
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
