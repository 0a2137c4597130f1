/* Checks the features that the recipe of nghttp2 declares; prints the name of each feature that is missing. */
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <string.h>

static nghttp2_nv header = {(uint8_t *)":method", (uint8_t *)"GET", 7, 3, NGHTTP2_NV_FLAG_NONE};

/* The block of ":method: GET" is the second entry of the static table (RFC 7541, appendix A). */
static int has_hpack(void) {
    nghttp2_hd_deflater *deflater = NULL;
    uint8_t block[64];
    nghttp2_ssize size = -1;

    if (nghttp2_hd_deflate_new(&deflater, 4096) == 0)
        size = nghttp2_hd_deflate_hd2(deflater, block, sizeof(block), &header, 1);
    nghttp2_hd_deflate_del(deflater);
    return size == 1 && block[0] == 0x82;
}

static int has_session(void) {
    nghttp2_session_callbacks *callbacks = NULL;
    nghttp2_session *session = NULL;
    const uint8_t *data = NULL;
    int is_right = 0;

    if (nghttp2_session_callbacks_new(&callbacks) == 0 && nghttp2_session_client_new(&session, callbacks, NULL) == 0)
        is_right = nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, NULL, 0) == 0 &&
                   nghttp2_session_mem_send2(session, &data) == 24 && memcmp(data, "PRI * HTTP/2.0", 14) == 0;
    nghttp2_session_del(session);
    nghttp2_session_callbacks_del(callbacks);
    return is_right;
}

static int has_feature(const char *name) {
    return strcmp(name, "hpack") == 0 ? has_hpack() : strcmp(name, "session") == 0 && has_session();
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
