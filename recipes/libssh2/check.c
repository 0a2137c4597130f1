/* Checks the features that the recipe of libssh2 declares; prints the name of each feature that is missing. */
#include <libssh2.h>
#include <stdio.h>
#include <string.h>

static int supports(LIBSSH2_SESSION *session, int method, const char *name) {
    const char **algorithms;
    int is_supported = 0, count = libssh2_session_supported_algs(session, method, &algorithms);

    for (int i = 0; i < count; i++)
        is_supported = is_supported || strcmp(algorithms[i], name) == 0;
    if (count > 0)
        libssh2_free(session, algorithms);
    return is_supported;
}

/* A key that is stored under the hash of the host's name is found by the name, and another key is a mismatch. */
static int has_known_hosts(LIBSSH2_SESSION *session) {
    const char line[] = "|1|AAAAAAAAAAAAAAAAAAAAAAAAAAA=|b30nVJpeVVWOG0qYD9b1ry0D0U4= ssh-rsa YSBrZXkgb2YgMTYgYnl0ZXM=";
    LIBSSH2_KNOWNHOSTS *hosts = libssh2_knownhost_init(session);
    struct libssh2_knownhost *host = NULL;
    const int type = LIBSSH2_KNOWNHOST_TYPE_PLAIN | LIBSSH2_KNOWNHOST_KEYENC_BASE64;
    int is_right = hosts != NULL &&
                   libssh2_knownhost_readline(hosts, line, sizeof line - 1, LIBSSH2_KNOWNHOST_FILE_OPENSSH) == 0 &&
                   libssh2_knownhost_check(hosts, "example.org", "YSBrZXkgb2YgMTYgYnl0ZXM=", 24, type, &host) ==
                       LIBSSH2_KNOWNHOST_CHECK_MATCH &&
                   libssh2_knownhost_check(hosts, "example.org", "b3RoZXI=", 8, type, &host) ==
                       LIBSSH2_KNOWNHOST_CHECK_MISMATCH;

    if (hosts != NULL)
        libssh2_knownhost_free(hosts);
    return is_right;
}

static int has_feature(LIBSSH2_SESSION *session, const char *name) {
    if (strcmp(name, "ed25519") == 0)
        return supports(session, LIBSSH2_METHOD_HOSTKEY, "ssh-ed25519") &&
               supports(session, LIBSSH2_METHOD_KEX, "curve25519-sha256");
    if (strcmp(name, "known-hosts") == 0)
        return has_known_hosts(session);
    if (strcmp(name, "openssl") == 0)
        return libssh2_crypto_engine() == libssh2_openssl;
    return strcmp(name, "zlib") == 0 && supports(session, LIBSSH2_METHOD_COMP_CS, "zlib@openssh.com");
}

int main(int count, char **features) {
    LIBSSH2_SESSION *session;
    int missing = 0;

    if (libssh2_init(0) != 0 || (session = libssh2_session_init()) == NULL)
        return 2;
    libssh2_session_flag(session, LIBSSH2_FLAG_COMPRESS, 1);
    for (int i = 1; i < count; i++) {
        if (!has_feature(session, features[i])) {
            puts(features[i]);
            missing = 1;
        }
    }
    libssh2_session_free(session);
    libssh2_exit();
    return missing;
}
