/* Checks the features that the recipe of utf8proc declares; prints the name of each feature that is missing. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

static int maps(utf8proc_uint8_t *found, const char *expected) {
    int is_right = found != NULL && strcmp((char *)found, expected) == 0;

    free(found);
    return is_right;
}

static int has_case(void) {
    return utf8proc_toupper(0xE9) == 0xC9 && utf8proc_tolower(0x130) == 'i' &&
           maps(utf8proc_NFKC_Casefold((const utf8proc_uint8_t *)"Stra\xc3\x9f"
                                                                 "E"),
                "strasse");
}

/* A letter with an accent, and a family of emoji, are one grapheme each; two letters are two. The state is that of one text. */
static int has_graphemes(void) {
    utf8proc_int32_t letter = 0, family = 0, letters = 0;

    return !utf8proc_grapheme_break_stateful('e', 0x301, &letter) &&
           !utf8proc_grapheme_break_stateful(0x1F468, 0x200D, &family) &&
           !utf8proc_grapheme_break_stateful(0x200D, 0x1F469, &family) &&
           utf8proc_grapheme_break_stateful('a', 'b', &letters);
}

static int has_normalization(void) {
    return maps(utf8proc_NFC((const utf8proc_uint8_t *)"e\xcc\x81"), "\xc3\xa9") &&
           maps(utf8proc_NFD((const utf8proc_uint8_t *)"\xc3\xa9"), "e\xcc\x81") &&
           maps(utf8proc_NFKC((const utf8proc_uint8_t *)"\xef\xac\x81"), "fi");
}

static int has_feature(const char *name) {
    if (strcmp(name, "case") == 0)
        return has_case();
    return strcmp(name, "graphemes") == 0 ? has_graphemes() : strcmp(name, "normalization") == 0 && has_normalization();
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
