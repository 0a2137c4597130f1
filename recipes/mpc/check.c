/* Checks the features that the recipe of mpc declares; prints the name of each feature that is missing. */
#include <mpc.h>
#include <stdio.h>
#include <string.h>

/* The square root of -2i is 1-i, and the logarithm of -1 is pi*i. */
static int has_functions(void) {
    mpc_t value;
    mpfr_t pi;
    int is_right;

    mpc_init2(value, 200);
    mpfr_init2(pi, 200);
    mpc_set_si_si(value, 0, -2, MPC_RNDNN);
    mpc_sqrt(value, value, MPC_RNDNN);
    is_right = mpc_cmp_si_si(value, 1, -1) == 0;
    mpc_set_si(value, -1, MPC_RNDNN);
    mpc_log(value, value, MPC_RNDNN);
    mpfr_const_pi(pi, MPFR_RNDN);
    is_right = is_right && mpfr_zero_p(mpc_realref(value)) && mpfr_equal_p(mpc_imagref(value), pi);
    mpfr_clear(pi);
    mpc_clear(value);
    return is_right;
}

static int has_parser(void) {
    mpc_t value;
    char *text;
    int is_right;

    mpc_init2(value, 53);
    is_right = mpc_set_str(value, "(1.5 -0x1p-2)", 0, MPC_RNDNN) == 0;
    text = mpc_get_str(10, 4, value, MPC_RNDNN);
    is_right = is_right && strcmp(text, "(1.500 -2.500e-1)") == 0;
    mpc_free_str(text);
    mpc_clear(value);
    return is_right;
}

static int has_feature(const char *name) {
    return strcmp(name, "functions") == 0 ? has_functions() : strcmp(name, "parser") == 0 && has_parser();
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
