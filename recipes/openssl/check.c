/* Checks the features that the recipe of openssl declares; prints the name of each feature that is missing. */
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/provider.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

/* The first test of FIPS 180-2. */
static int has_sha256(void) {
    static const unsigned char expected[4] = {0xba, 0x78, 0x16, 0xbf};
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned size = 0;

    return EVP_Digest("abc", 3, hash, &size, EVP_sha256(), NULL) && size == 32 && memcmp(hash, expected, 4) == 0;
}

/* The second test of the specification of GCM: a block of zeros with a key of zeros. */
static int has_aes_gcm(void) {
    static const unsigned char zeros[16] = {0}, expected[4] = {0x03, 0x88, 0xda, 0xce};
    static const unsigned char expected_tag[4] = {0xab, 0x6e, 0x47, 0xd4};
    unsigned char sealed[32], tag[16];
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    int size = 0, rest = 0;
    int is_right = EVP_EncryptInit_ex(context, EVP_aes_128_gcm(), NULL, zeros, zeros) &&
                   EVP_EncryptUpdate(context, sealed, &size, zeros, 16) &&
                   EVP_EncryptFinal_ex(context, sealed + size, &rest) &&
                   EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, 16, tag) && size == 16 &&
                   memcmp(sealed, expected, 4) == 0 && memcmp(tag, expected_tag, 4) == 0;

    EVP_CIPHER_CTX_free(context);
    return is_right;
}

/* The first test of RFC 8032, section 7.1. */
static int has_ed25519(void) {
    static const unsigned char seed[32] = {0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a,
                                           0xf4, 0x92, 0xec, 0x2c, 0xc4, 0x44, 0x49, 0xc5, 0x69, 0x7b, 0x32,
                                           0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60};
    static const unsigned char expected[4] = {0xe5, 0x56, 0x43, 0x00};
    unsigned char signature[64];
    size_t size = sizeof(signature);
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, sizeof(seed));
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    int is_right = key != NULL && EVP_DigestSignInit(context, NULL, NULL, NULL, key) &&
                   EVP_DigestSign(context, signature, &size, (const unsigned char *)"", 0) && size == 64 &&
                   memcmp(signature, expected, 4) == 0;

    EVP_MD_CTX_free(context);
    EVP_PKEY_free(key);
    return is_right;
}

/* The provider is inside libcrypto: MD4 is one of its algorithms. */
static int has_legacy(void) {
    OSSL_PROVIDER *legacy = OSSL_PROVIDER_load(NULL, "legacy");
    EVP_MD *algorithm = EVP_MD_fetch(NULL, "MD4", NULL);
    int exists = legacy != NULL && algorithm != NULL;

    EVP_MD_free(algorithm);
    OSSL_PROVIDER_unload(legacy);
    return exists;
}

/* A client and a server that share memory: the handshake uses a certificate that the server signs itself. */
static int move(BIO *from, BIO *to) {
    char buffer[4096];
    int size = BIO_read(from, buffer, sizeof(buffer));

    return size > 0 && BIO_write(to, buffer, size) == size;
}

static X509 *make_certificate(EVP_PKEY *key) {
    X509 *certificate = X509_new();
    X509_NAME *name = X509_get_subject_name(certificate);

    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"localhost", -1, -1, 0);
    X509_set_issuer_name(certificate, name);
    return X509_sign(certificate, key, EVP_sha256()) ? certificate : NULL;
}

static int has_x509(void) {
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = make_certificate(key);
    int is_right = certificate != NULL && X509_verify(certificate, key) == 1;

    X509_free(certificate);
    EVP_PKEY_free(key);
    return is_right;
}

static int has_tls(void) {
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = make_certificate(key);
    SSL_CTX *context = SSL_CTX_new(TLS_method());
    SSL *client = SSL_new(context), *server = NULL;
    BIO *client_in = BIO_new(BIO_s_mem()), *client_out = BIO_new(BIO_s_mem());
    BIO *server_in = BIO_new(BIO_s_mem()), *server_out = BIO_new(BIO_s_mem());
    int is_right = 0;

    if (SSL_CTX_use_certificate(context, certificate) && SSL_CTX_use_PrivateKey(context, key)) {
        server = SSL_new(context);
        SSL_set_bio(client, client_in, client_out);
        SSL_set_bio(server, server_in, server_out);
        SSL_set_connect_state(client);
        SSL_set_accept_state(server);
        for (int i = 0; i < 4; i++) {
            SSL_do_handshake(client);
            move(client_out, server_in);
            SSL_do_handshake(server);
            move(server_out, client_in);
        }
        is_right = SSL_is_init_finished(client) && SSL_is_init_finished(server) && SSL_version(client) == TLS1_3_VERSION;
    }
    SSL_free(client);
    SSL_free(server);
    SSL_CTX_free(context);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return is_right;
}

static int has_feature(const char *name) {
    if (strcmp(name, "aes-gcm") == 0)
        return has_aes_gcm();
    if (strcmp(name, "ed25519") == 0)
        return has_ed25519();
    if (strcmp(name, "legacy") == 0)
        return has_legacy();
    if (strcmp(name, "sha256") == 0)
        return has_sha256();
    if (strcmp(name, "tls1.3") == 0)
        return has_tls();
    return strcmp(name, "x509") == 0 && has_x509();
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
