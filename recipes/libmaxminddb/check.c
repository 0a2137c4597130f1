/* Checks the features that the recipe of libmaxminddb declares; prints the name of each feature that is missing. */
#include <maxminddb.h>
#include <stdio.h>
#include <string.h>
#ifdef _WIN32
#include <process.h>
#define getpid _getpid
#else
#include <unistd.h>
#endif

/* A database in which every address of version 4 is in one country: a node, the data, and the metadata
 * (https://maxmind.github.io/MaxMind-DB/). */
static const char database[] = "\x00\x00\x11\x00\x00\x11"
                               "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
                               "\xe1\x47"
                               "country\x42"
                               "DE"
                               "\xab\xcd\xefMaxMind.com\xe9"
                               "\x5b"
                               "binary_format_major_version\xa1\x02"
                               "\x5b"
                               "binary_format_minor_version\xa0"
                               "\x4b"
                               "build_epoch\x01\x02\x01"
                               "\x4d"
                               "database_type\x45"
                               "Check"
                               "\x4b"
                               "description\xe0"
                               "\x4a"
                               "ip_version\xa1\x04"
                               "\x49"
                               "languages\x00\x04"
                               "\x4a"
                               "node_count\xc1\x01"
                               "\x4b"
                               "record_size\xa1\x18";

static int has_lookup(MMDB_s *mmdb) {
    int code, error;
    MMDB_lookup_result_s result = MMDB_lookup_string(mmdb, "192.0.2.1", &code, &error);
    MMDB_entry_data_s data;

    return code == 0 && error == MMDB_SUCCESS && result.found_entry &&
           MMDB_get_value(&result.entry, &data, "country", NULL) == MMDB_SUCCESS && data.has_data &&
           data.type == MMDB_DATA_TYPE_UTF8_STRING && data.data_size == 2 && memcmp(data.utf8_string, "DE", 2) == 0;
}

static int has_feature(const char *name) {
    char path[64];
    FILE *file;
    MMDB_s mmdb;
    int is_right = 0;

    snprintf(path, sizeof(path), "check-%d.mmdb", (int)getpid());
    file = fopen(path, "wb");
    if (file == NULL || fwrite(database, 1, sizeof(database) - 1, file) != sizeof(database) - 1 || fclose(file) != 0)
        return 0;
    if (MMDB_open(path, MMDB_MODE_MMAP, &mmdb) == MMDB_SUCCESS) {
        is_right = strcmp(name, "lookup") == 0     ? has_lookup(&mmdb)
                   : strcmp(name, "metadata") == 0 ? strcmp(mmdb.metadata.database_type, "Check") == 0 &&
                                                         mmdb.metadata.node_count == 1 && mmdb.metadata.ip_version == 4
                                                   : 0;
        MMDB_close(&mmdb);
    }
    remove(path);
    return is_right;
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
