/* Thumbnails with libvips, in one call. */
#ifndef THUMBNAIL_H
#define THUMBNAIL_H

#include <stddef.h>

enum thumbnail_status {
    THUMBNAIL_OK,
    THUMBNAIL_NOT_A_PICTURE,
    THUMBNAIL_TOO_LARGE,
    THUMBNAIL_DAMAGED,
    THUMBNAIL_TIMEOUT,
    THUMBNAIL_FAILED,
};

struct thumbnail_request {
    int width, height;       /* of the box that the result fits in; 0: no limit. Pictures are never enlarged. */
    int quality;             /* 1 to 100; not used for PNG */
    const char *save_suffix; /* ".webp", ".jpg", ".png" or ".avif" */
    double pixel_limit;      /* of the picture, with all frames */
    double time_limit;       /* seconds */
};

struct thumbnail_result {
    void *data; /* to be freed with thumbnail_free */
    size_t length;
    int width, height;
    /* Empty if the status is THUMBNAIL_OK. The messages of libvips belong to the process, so with several threads these
     * may be about the picture of another one: they are for a log. */
    char error[512];
};

int
thumbnail_start(const char *program, char *error, size_t size);
/* Write the format of a picture ("jpeg", "png", "webp", "gif", "heif", "tiff", "svg") or "" to `format`. */
void
thumbnail_find_format(const void *data, size_t length, char *format, size_t size);
int
thumbnail_can_save(const char *suffix);
enum thumbnail_status
thumbnail_make(const void *data, size_t length, const struct thumbnail_request *request,
               struct thumbnail_result *result);
void
thumbnail_free(void *data);

#endif
