/* Checks the features that the recipe of gmp declares; prints the name of each feature that is missing. */
#include <gmp.h>
#include <stdio.h>
#include <string.h>

/* A Mersenne prime of 521 bits, and a product that is long enough for the fast multiplications. */
static int has_integer(void) {
    mpz_t prime, product, quotient;
    int is_right;

    mpz_init(product);
    mpz_init(quotient);
    mpz_init_set_ui(prime, 1);
    mpz_mul_2exp(prime, prime, 521);
    mpz_sub_ui(prime, prime, 1);
    mpz_pow_ui(product, prime, 500);
    mpz_divexact(quotient, product, prime);
    mpz_mul(quotient, quotient, prime);
    is_right = mpz_probab_prime_p(prime, 25) > 0 && mpz_cmp(quotient, product) == 0 &&
               mpz_fdiv_ui(product, 1000000007) == 588520887;
    mpz_clears(prime, product, quotient, NULL);
    return is_right;
}

static int has_rational(void) {
    char text[32];
    mpq_t sum, part;

    mpq_inits(sum, part, NULL);
    mpq_set_str(sum, "1/3", 10);
    mpq_set_str(part, "1/6", 10);
    mpq_add(sum, sum, part);
    mpq_get_str(text, 10, sum);
    mpq_clears(sum, part, NULL);
    return strcmp(text, "1/2") == 0;
}

static int has_float(void) {
    char text[128];
    mpf_t root;

    mpf_init2(root, 256);
    mpf_sqrt_ui(root, 2);
    gmp_snprintf(text, sizeof text, "%.50Ff", root);
    mpf_clear(root);
    return strcmp(text, "1.41421356237309504880168872420969807856967187537695") == 0;
}

static int has_feature(const char *name) {
    if (strcmp(name, "integer") == 0)
        return has_integer();
    return strcmp(name, "rational") == 0 ? has_rational() : strcmp(name, "float") == 0 && has_float();
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
