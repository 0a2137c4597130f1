/* Checks the features that the recipe of mariadb-connector-c declares; prints the name of each feature that is missing. */
#include <mysql.h>
#include <mariadb_dyncol.h>
#include <stdio.h>
#include <string.h>

/* From mysql/client_plugin.h, which includes a header that is not installed. */
enum { AUTHENTICATION = 2, COMPRESSION = 104 };
struct st_mysql_client_plugin *mysql_client_find_plugin(MYSQL *, const char *, int);

static MYSQL *connection;

static int has_plugin(const char *name, int type) {
    return mysql_client_find_plugin(connection, name, type) != NULL;
}

static int has_compression(void) {
    return has_plugin("zlib", COMPRESSION) && has_plugin("zstd", COMPRESSION);
}

/* A column is packed, and its value is read from the packed text. */
static int has_dynamic_columns(void) {
    DYNAMIC_COLUMN packed;
    DYNAMIC_COLUMN_VALUE value, copy;
    MYSQL_LEX_STRING key = {(char *)"size", 4};
    int is_right;

    memset(&value, 0, sizeof value);
    value.type = DYN_COL_INT;
    value.x.long_value = 42;
    mariadb_dyncol_init(&packed);
    is_right = mariadb_dyncol_create_many_named(&packed, 1, &key, &value, 1) == ER_DYNCOL_OK;
    is_right = is_right && mariadb_dyncol_get_named(&packed, &key, &copy) == ER_DYNCOL_OK;
    is_right = is_right && copy.x.long_value == 42;
    mariadb_dyncol_free(&packed);
    return is_right;
}

/* The methods by which servers of MariaDB and MySQL check passwords. */
static int has_passwords(void) {
    static const char *const names[] = {"caching_sha2_password", "client_ed25519", "dialog", "mysql_native_password",
                                        "sha256_password"};
    int is_right = 1;

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        is_right = is_right && has_plugin(names[i], AUTHENTICATION);
    return is_right;
}

static int has_ssl(void) {
    const char *library = NULL;

    return mariadb_get_infov(NULL, MARIADB_TLS_LIBRARY, &library) == 0 && strncmp(library, "OpenSSL", 7) == 0;
}

/* Special characters are escaped, and the characters of UTF-8 are not. */
static int has_strings(void) {
    char escaped[32];

    return mysql_set_character_set(connection, "utf8mb4") != 0 && mysql_errno(connection) != 0 &&
           mysql_real_escape_string(connection, escaped, "a'\xc3\xa9", 4) == 5 && strcmp(escaped, "a\\'\xc3\xa9") == 0;
}

static int has_feature(const char *name) {
    if (strcmp(name, "clear-password") == 0)
        return has_plugin("mysql_clear_password", AUTHENTICATION);
    if (strcmp(name, "compression") == 0)
        return has_compression();
    if (strcmp(name, "dynamic-columns") == 0)
        return has_dynamic_columns();
    if (strcmp(name, "passwords") == 0)
        return has_passwords();
    if (strcmp(name, "ssl") == 0)
        return has_ssl();
    return strcmp(name, "strings") == 0 && has_strings();
}

int main(int count, char **features) {
    int missing = 0;

    connection = mysql_init(NULL);
    for (int i = 1; i < count; i++) {
        if (!has_feature(features[i])) {
            puts(features[i]);
            missing = 1;
        }
    }
    mysql_close(connection);
    return missing;
}
