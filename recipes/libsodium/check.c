/* Prints each name in its arguments that libsodium does not provide. */
#include <sodium.h>
#include <stdio.h>
#include <string.h>

static int seal(void)
{
    static const unsigned char key[crypto_secretbox_KEYBYTES] = {1}, nonce[crypto_secretbox_NONCEBYTES] = {2};
    unsigned char sealed[crypto_secretbox_MACBYTES + 4], opened[4];
    return crypto_secretbox_easy(sealed, (const unsigned char *) "text", 4, nonce, key) == 0 &&
           crypto_secretbox_open_easy(opened, sealed, sizeof sealed, nonce, key) == 0 && memcmp(opened, "text", 4) == 0;
}

/* The first test of RFC 8032, section 7.1. */
static int sign(void)
{
    static const unsigned char seed[crypto_sign_SEEDBYTES] = {
        0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c, 0xc4,
        0x44, 0x49, 0xc5, 0x69, 0x7b, 0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60};
    static const unsigned char expected[4] = {0xe5, 0x56, 0x43, 0x00};
    unsigned char public[crypto_sign_PUBLICKEYBYTES], secret[crypto_sign_SECRETKEYBYTES], signature[crypto_sign_BYTES];
    return crypto_sign_seed_keypair(public, secret, seed) == 0 &&
           crypto_sign_detached(signature, NULL, NULL, 0, secret) == 0 && memcmp(signature, expected, 4) == 0;
}

static int hash_password(void)
{
    char hash[crypto_pwhash_STRBYTES];
    return crypto_pwhash_str(hash, "password", 8, 1, crypto_pwhash_MEMLIMIT_MIN) == 0 &&
           strncmp(hash, "$argon2id$", 10) == 0 && crypto_pwhash_str_verify(hash, "password", 8) == 0;
}

int main(int argc, char **argv)
{
    int missing = 0;
    if (sodium_init() < 0) return 2;
    for (int i = 1; i < argc; i++) {
        int (*check)(void) = strcmp(argv[i], "secretbox") == 0 ? seal
                             : strcmp(argv[i], "sign") == 0    ? sign
                             : strcmp(argv[i], "pwhash") == 0  ? hash_password
                                                               : NULL;
        if (check == NULL || !check()) {
            printf("%s\n", argv[i]);
            missing = 1;
        }
    }
    return missing;
}
