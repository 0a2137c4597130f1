/* Checks the features that the recipe of libarchive declares; prints the name of each feature that is missing. */
#include <archive.h>
#include <archive_entry.h>
#include <stdio.h>
#include <string.h>

static const char TEXT[] = "The quick brown fox jumps over the lazy dog.";

static int write_file(struct archive *archive) {
    struct archive_entry *entry = archive_entry_new();
    int is_right;

    archive_entry_set_pathname(entry, "folder/file");
    archive_entry_set_size(entry, sizeof TEXT);
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0644);
    is_right = archive_write_header(archive, entry) == ARCHIVE_OK &&
               archive_write_data(archive, TEXT, sizeof TEXT) == sizeof TEXT;
    archive_entry_free(entry);
    return archive_write_close(archive) == ARCHIVE_OK && is_right;
}

static int read_file(const char *data, size_t size, const char *passphrase) {
    struct archive *archive = archive_read_new();
    struct archive_entry *entry;
    char text[sizeof TEXT] = "";
    int is_right;

    archive_read_support_filter_all(archive);
    archive_read_support_format_all(archive);
    if (passphrase != NULL)
        archive_read_add_passphrase(archive, passphrase);
    is_right = archive_read_open_memory(archive, data, size) == ARCHIVE_OK &&
               archive_read_next_header(archive, &entry) == ARCHIVE_OK &&
               strcmp(archive_entry_pathname(entry), "folder/file") == 0 &&
               archive_read_data(archive, text, sizeof text) == sizeof TEXT && strcmp(text, TEXT) == 0;
    archive_read_free(archive);
    return is_right;
}

/* Writes an archive and reads it; an external program, which is a warning, does not count. */
static int has_format(const char *format, const char *filter, const char *options) {
    static char data[1 << 16];
    struct archive *archive = archive_write_new();
    size_t used = 0;
    int is_right = archive_write_set_format_by_name(archive, format) == ARCHIVE_OK &&
                   (filter == NULL || archive_write_add_filter_by_name(archive, filter) == ARCHIVE_OK) &&
                   (options == NULL || (archive_write_set_options(archive, options) == ARCHIVE_OK &&
                                        archive_write_set_passphrase(archive, "secret") == ARCHIVE_OK)) &&
                   archive_write_open_memory(archive, data, sizeof data, &used) == ARCHIVE_OK && write_file(archive);

    archive_write_free(archive);
    return is_right && read_file(data, used, options == NULL ? NULL : "secret");
}

/* Reads an archive whose table of contents is stored in a zlib stream; the library writes none without libxml2. */
static int has_xar(void) {
    static const char header[] = "xar!\0\x1c\0\1\0\0\0\0\0\0\0\xcb\0\0\0\0\0\0\0\xc0\0\0\0\0\x78\1\1\xc0\0\x3f\xff";
    static const char contents[] = "<xar><toc><file id=\"1\"><name>folder/file</name><type>file</type><data>"
                                   "<offset>0</offset><size>45</size><length>45</length>"
                                   "<encoding style=\"application/octet-stream\"/></data></file></toc></xar>";
    static const char checksum[] = "\x3b\x85\x43\x09";
    char data[sizeof header + sizeof contents + sizeof checksum + sizeof TEXT];
    char *end = data;

    memcpy(end, header, sizeof header - 1);
    end += sizeof header - 1;
    memcpy(end, contents, sizeof contents - 1);
    end += sizeof contents - 1;
    memcpy(end, checksum, sizeof checksum - 1);
    end += sizeof checksum - 1;
    memcpy(end, TEXT, sizeof TEXT);
    return read_file(data, (size_t)(end - data) + sizeof TEXT, NULL);
}

static int has_feature(const char *name) {
    if (strcmp(name, "7zip") == 0 || strcmp(name, "zip") == 0)
        return has_format(name, NULL, NULL);
    if (strcmp(name, "encryption") == 0)
        return has_format("zip", NULL, "zip:encryption=aes256");
    return strcmp(name, "xar") == 0 ? has_xar() : has_format("pax", name, NULL);
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
