/* Checks the features that the recipe of libcurl declares; prints the name of each feature that is missing. */
#include <curl/curl.h>
#include <stdio.h>
#include <string.h>

static int has_protocol(const curl_version_info_data *info, const char *name) {
    for (const char *const *protocol = info->protocols; *protocol != NULL; protocol++) {
        if (strcmp(*protocol, name) == 0)
            return 1;
    }
    return 0;
}

static size_t count_bytes(char *data, size_t size, size_t number, void *total) {
    (void)data;
    *(size_t *)total += size * number;
    return size * number;
}

/* Transfers the check program itself, a file that exists. */
static int has_file(const char *program) {
    CURL *handle = curl_easy_init();
    char url[4096];
    size_t total = 0;
    int is_right;

    snprintf(url, sizeof url, "file://%s", program);
    curl_easy_setopt(handle, CURLOPT_URL, url);
    curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, count_bytes);
    curl_easy_setopt(handle, CURLOPT_WRITEDATA, &total);
    is_right = curl_easy_perform(handle) == CURLE_OK && total > 0;
    curl_easy_cleanup(handle);
    return is_right;
}

static int has_urls(void) {
    CURLU *url = curl_url();
    char *path = NULL;
    int is_right = curl_url_set(url, CURLUPART_URL, "https://user@example.org:444/a/../b?c#d", 0) == CURLUE_OK &&
                   curl_url_get(url, CURLUPART_PATH, &path, 0) == CURLUE_OK && strcmp(path, "/b") == 0;

    curl_free(path);
    curl_url_cleanup(url);
    return is_right;
}

static int has_feature(const char *name, const char *program) {
    const curl_version_info_data *info = curl_version_info(CURLVERSION_NOW);
    const struct {
        const char *name;
        int is_there;
    } flags[] = {
        {"brotli", info->features & CURL_VERSION_BROTLI},
        {"http2", info->features & CURL_VERSION_HTTP2},
        {"ipv6", info->features & CURL_VERSION_IPV6},
        {"openssl", strncmp(info->ssl_version, "OpenSSL/", 8) == 0 && has_protocol(info, "https")},
        {"ssh", has_protocol(info, "sftp")},
        {"threads", (info->features & CURL_VERSION_ASYNCHDNS) && (info->features & CURL_VERSION_THREADSAFE)},
        {"websocket", has_protocol(info, "wss")},
        {"zlib", info->features & CURL_VERSION_LIBZ},
        {"zstd", info->features & CURL_VERSION_ZSTD},
    };

    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        if (strcmp(flags[i].name, name) == 0)
            return flags[i].is_there != 0;
    }
    return strcmp(name, "file") == 0 ? has_file(program) : strcmp(name, "urls") == 0 && has_urls();
}

int main(int count, char **features) {
    int missing = 0;

    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return 2;
    for (int i = 1; i < count; i++) {
        if (!has_feature(features[i], features[0])) {
            puts(features[i]);
            missing = 1;
        }
    }
    curl_global_cleanup();
    return missing;
}
