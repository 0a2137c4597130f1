/* Checks the features that the recipe of pcre2 declares; prints the name of each feature that is missing. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdio.h>
#include <string.h>

static int matches(const char *pattern, const char *subject, uint32_t options) {
    int error, result = PCRE2_ERROR_NOMATCH;
    size_t offset;
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, options, &error, &offset, NULL);

    if (code != NULL) {
        pcre2_match_data *data = pcre2_match_data_create_from_pattern(code, NULL);

        result = pcre2_match(code, (PCRE2_SPTR)subject, strlen(subject), 0, 0, data, NULL);
        pcre2_match_data_free(data);
    }
    pcre2_code_free(code);
    return result > 0;
}

/* Matches with the compiled pattern; without the JIT compiler, the function for it returns an error. */
static int has_jit(void) {
    uint32_t is_compiled_in = 0;
    int error, is_right = 0;
    size_t offset;
    pcre2_code *code = pcre2_compile((PCRE2_SPTR) "^(a+)b\\1$", PCRE2_ZERO_TERMINATED, 0, &error, &offset, NULL);

    if (code != NULL && pcre2_config(PCRE2_CONFIG_JIT, &is_compiled_in) == 0 && is_compiled_in == 1 &&
        pcre2_jit_compile(code, PCRE2_JIT_COMPLETE) == 0) {
        pcre2_match_data *data = pcre2_match_data_create_from_pattern(code, NULL);

        is_right = pcre2_jit_match(code, (PCRE2_SPTR) "aabaa", 5, 0, 0, data, NULL) == 2 &&
                   pcre2_jit_match(code, (PCRE2_SPTR) "aaba", 4, 0, 0, data, NULL) == PCRE2_ERROR_NOMATCH;
        pcre2_match_data_free(data);
    }
    pcre2_code_free(code);
    return is_right;
}

static int can_match(void) {
    return matches("^(a+)b\\1$", "aabaa", 0) && !matches("^(a+)b\\1$", "aaba", 0);
}

/* The Greek letters are a capital and a small omega. */
static int has_unicode(void) {
    return matches("^\\p{Lu}$", "\xce\xa9", PCRE2_UTF) && !matches("^\\p{Lu}$", "\xcf\x89", PCRE2_UTF);
}

static int has_feature(const char *name) {
    if (strcmp(name, "jit") == 0)
        return has_jit();
    if (strcmp(name, "match") == 0)
        return can_match();
    if (strcmp(name, "unicode") == 0)
        return has_unicode();
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
