/* Checks the features that the recipe of mpfr declares; prints the name of each feature that is missing. */
#include <mpfr.h>
#include <stdio.h>
#include <string.h>

/* The natural logarithm of 2 and the gamma function of 1/2, each to 50 digits. */
static int has_functions(void) {
    char logarithm[64], gamma[64];
    mpfr_t value;

    mpfr_init2(value, 200);
    mpfr_const_log2(value, MPFR_RNDN);
    mpfr_snprintf(logarithm, sizeof logarithm, "%.48Rf", value);
    mpfr_set_d(value, 0.5, MPFR_RNDN);
    mpfr_gamma(value, value, MPFR_RNDN);
    mpfr_snprintf(gamma, sizeof gamma, "%.48Rf", value);
    mpfr_clear(value);
    return strcmp(logarithm, "0.693147180559945309417232121458176568075500134360") == 0 &&
           strcmp(gamma, "1.772453850905516027298167483341145182797549456122") == 0;
}

/* The quotients of 1 and 3, rounded down and up, differ by one unit in the last place. */
static int has_rounding(void) {
    mpfr_t down, up;
    int is_right;

    mpfr_inits2(24, down, up, (mpfr_ptr)NULL);
    mpfr_set_ui(down, 1, MPFR_RNDN);
    mpfr_div_ui(up, down, 3, MPFR_RNDU);
    is_right = mpfr_div_ui(down, down, 3, MPFR_RNDD) < 0 && mpfr_cmp(down, up) < 0;
    mpfr_nextabove(down);
    is_right = is_right && mpfr_equal_p(down, up);
    mpfr_clears(down, up, (mpfr_ptr)NULL);
    return is_right;
}

static int has_feature(const char *name) {
    if (strcmp(name, "functions") == 0)
        return has_functions();
    return strcmp(name, "rounding") == 0 ? has_rounding() : strcmp(name, "threads") == 0 && mpfr_buildopt_tls_p();
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
