/* Checks the features that the recipe of win-iconv declares; prints the name of each feature that is missing. */
#include <errno.h>
#include <iconv.h>
#include <stdio.h>
#include <string.h>

/* Returns whether a text, converted from one character set to another, is the expected one. */
static int converts(const char *from, const char *text, size_t length, const char *to, const char *expected, size_t size) {
    char input[32], output[32], *source = input, *result = output;
    size_t left = length, space = sizeof(output);
    iconv_t converter = iconv_open(to, from);
    int is_right;

    if (converter == (iconv_t)-1)
        return 0;
    memcpy(input, text, length);
    is_right = iconv(converter, &source, &left, &result, &space) == 0 && left == 0 &&
               (size_t)(result - output) == size && memcmp(output, expected, size) == 0;
    iconv_close(converter);
    return is_right;
}

/* A character of the Basic Multilingual Plane and one outside of it; a truncated character is an error. */
static int has_utf16(void) {
    return converts("UTF-8", "\xe2\x82\xac\xf0\x9f\x98\x80", 7, "UTF-16LE", "\xac\x20\x3d\xd8\x00\xde", 6) &&
           converts("UTF-16BE", "\x20\xac", 2, "UTF-8", "\xe2\x82\xac", 3) &&
           !converts("UTF-8", "\xe2\x82", 2, "UTF-16LE", "", 0) && errno == EINVAL &&
           iconv_open("UTF-8", "no-such-set") == (iconv_t)-1;
}

static int has_windows1252(void) {
    return converts("WINDOWS-1252", "\x80\xe9", 2, "UTF-8", "\xe2\x82\xac\xc3\xa9", 5) &&
           converts("UTF-8", "\xc3\xa9", 2, "ISO-8859-1", "\xe9", 1);
}

static int has_feature(const char *name) {
    return strcmp(name, "utf16") == 0 ? has_utf16() : strcmp(name, "windows1252") == 0 && has_windows1252();
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
