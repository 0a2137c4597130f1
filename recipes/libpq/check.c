/* Checks the features that the recipe of libpq declares; prints the name of each feature that is missing. */
#include <libpq-fe.h>
#include <stdio.h>
#include <string.h>

/* A valid string is split into its parts, and an invalid one is an error. */
static int has_connection_strings(void) {
    char *error = NULL;
    PQconninfoOption *options = PQconninfoParse("postgresql://user@[::1]:5433/base?sslmode=require", &error);
    int count = 0;

    for (PQconninfoOption *option = options; option != NULL && option->keyword != NULL; option++) {
        count += option->val != NULL && strcmp(option->keyword, "port") == 0 && strcmp(option->val, "5433") == 0;
        count += option->val != NULL && strcmp(option->keyword, "host") == 0 && strcmp(option->val, "::1") == 0;
        count += option->val != NULL && strcmp(option->keyword, "sslmode") == 0 && strcmp(option->val, "require") == 0;
    }
    PQconninfoFree(options);
    return count == 3 && PQconninfoParse("port", &error) == NULL && error != NULL;
}

static int has_encodings(void) {
    return strcmp(pg_encoding_to_char(pg_char_to_encoding("utf-8")), "UTF8") == 0 &&
           PQmblen("\xc3\xa9", pg_char_to_encoding("UTF8")) == 2;
}

/* A password is encrypted for the server with SCRAM, which uses the functions of openssl. */
static int has_scram(void) {
    PGconn *connection = PQconnectStart("host=/nonexistent");
    char *password = PQencryptPasswordConn(connection, "secret", "user", "scram-sha-256");
    int is_right = password != NULL && strncmp(password, "SCRAM-SHA-256$4096:", 19) == 0;

    PQfreemem(password);
    PQfinish(connection);
    return is_right;
}

static int has_feature(const char *name) {
    if (strcmp(name, "connection-strings") == 0)
        return has_connection_strings();
    if (strcmp(name, "encodings") == 0)
        return has_encodings();
    if (strcmp(name, "scram") == 0)
        return has_scram();
    if (strcmp(name, "ssl") == 0)
        return strcmp(PQsslAttribute(NULL, "library"), "OpenSSL") == 0;
    return strcmp(name, "threads") == 0 && PQisthreadsafe();
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
