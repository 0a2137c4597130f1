#include "thumbnail.h"

#include <stdio.h>
#include <string.h>

#include <vips/vips.h>

int
thumbnail_start(const char *program, char *error, size_t size)
{
    if (vips_init(program) != 0) {
        snprintf(error, size, "%s", vips_error_buffer());
        return -1;
    }
    /* A server handles requests in parallel, not the parts of a picture, and no two of its pictures are the same. */
    vips_concurrency_set(1);
    vips_cache_set_max(0);
    vips_block_untrusted_set(TRUE);
    return 0;
}

static void
copy_error(char *error, size_t size)
{
    char *end;

    snprintf(error, size, "%s", vips_error_buffer());
    vips_error_clear();
    for (end = error + strlen(error); end > error && end[-1] == '\n'; end--)
        end[-1] = '\0';
}

void
thumbnail_find_format(const void *data, size_t length, char *format, size_t size)
{
    static const char *const loaders[][2] = {
        {"VipsForeignLoadJpeg", "jpeg"}, {"VipsForeignLoadPng", "png"},   {"VipsForeignLoadWebp", "webp"},
        {"VipsForeignLoadNsgif", "gif"}, {"VipsForeignLoadHeif", "heif"}, {"VipsForeignLoadTiff", "tiff"},
        {"VipsForeignLoadSvg", "svg"},
    };
    const char *name = vips_foreign_find_load_buffer(data, length);
    size_t i;

    *format = '\0';
    if (name == NULL)
        vips_error_clear();
    for (i = 0; name != NULL && i < G_N_ELEMENTS(loaders); i++)
        if (strncmp(name, loaders[i][0], strlen(loaders[i][0])) == 0)
            snprintf(format, size, "%s", loaders[i][1]);
}

int
thumbnail_can_save(const char *suffix)
{
    const char *name = vips_foreign_find_save_target(suffix);

    if (name == NULL)
        vips_error_clear();
    return name != NULL;
}

static void
check_deadline(VipsImage *image, VipsProgress *progress, gint64 *deadline)
{
    if (g_get_monotonic_time() < *deadline)
        return;
    vips_image_set_kill(image, TRUE);
}

static int
save(VipsImage *image, const struct thumbnail_request *request, struct thumbnail_result *result)
{
    const char *suffix = request->save_suffix;

    if (strcmp(suffix, ".webp") == 0)
        return vips_webpsave_buffer(image, &result->data, &result->length, "Q", request->quality, "keep",
                                    VIPS_FOREIGN_KEEP_NONE, NULL);
    if (strcmp(suffix, ".jpg") == 0)
        return vips_jpegsave_buffer(image, &result->data, &result->length, "Q", request->quality, "optimize_coding",
                                    TRUE, "keep", VIPS_FOREIGN_KEEP_NONE, NULL);
    if (strcmp(suffix, ".png") == 0)
        return vips_pngsave_buffer(image, &result->data, &result->length, "keep", VIPS_FOREIGN_KEEP_NONE, NULL);
    return vips_heifsave_buffer(image, &result->data, &result->length, "Q", request->quality, "compression",
                                VIPS_FOREIGN_HEIF_COMPRESSION_AV1, "effort", 2, "keep", VIPS_FOREIGN_KEEP_NONE, NULL);
}

static enum thumbnail_status
read_header(const void *data, size_t length, double limit, int *has_profile, struct thumbnail_result *result)
{
    VipsImage *image = vips_image_new_from_buffer(data, length, "", "access", VIPS_ACCESS_SEQUENTIAL, NULL);
    int width, height, pages;

    if (image == NULL)
        return THUMBNAIL_DAMAGED;
    width = vips_image_get_width(image);
    height = vips_image_get_height(image);
    pages = vips_image_get_n_pages(image);
    *has_profile = vips_image_get_typeof(image, VIPS_META_ICC_NAME) != 0;
    g_object_unref(image);
    if ((double)width * height * pages <= limit)
        return THUMBNAIL_OK;
    snprintf(result->error, sizeof(result->error), "the picture has %d x %d pixels in %d frames, more than %.0f in all",
             width, height, pages, limit);
    return THUMBNAIL_TOO_LARGE;
}

enum thumbnail_status
thumbnail_make(const void *data, size_t length, const struct thumbnail_request *request,
               struct thumbnail_result *result)
{
    gint64 deadline = g_get_monotonic_time() + (gint64)(request->time_limit * 1e6); /* of the monotonic clock */
    enum thumbnail_status status;
    VipsImage *image = NULL;
    char format[16];
    int has_profile, failed;

    memset(result, 0, sizeof(*result));
    thumbnail_find_format(data, length, format, sizeof(format));
    if (*format == '\0')
        return THUMBNAIL_NOT_A_PICTURE;
    status = read_header(data, length, request->pixel_limit, &has_profile, result);
    /* libvips 8.16 ignores the argument fail_on of thumbnails of data in memory, and converts pictures without a
     * profile, which are sRGB already, if the result is to have one. */
    if (status == THUMBNAIL_OK &&
        vips_thumbnail_buffer((void *)data, length, &image, request->width > 0 ? request->width : VIPS_MAX_COORD,
                              "height", request->height > 0 ? request->height : VIPS_MAX_COORD, "size", VIPS_SIZE_DOWN,
                              "option_string", "[fail_on=error]", "export_profile", has_profile ? "srgb" : NULL,
                              NULL) != 0)
        status = THUMBNAIL_DAMAGED;
    if (status == THUMBNAIL_OK) {
        g_signal_connect(image, "eval", G_CALLBACK(check_deadline), &deadline);
        vips_image_set_progress(image, TRUE);
        failed = save(image, request, result);
        result->width = vips_image_get_width(image);
        result->height = vips_image_get_height(image);
        if (g_get_monotonic_time() >= deadline) /* a small picture may be finished without progress */
            status = THUMBNAIL_TIMEOUT;
        else if (failed)
            status = THUMBNAIL_DAMAGED;
    }
    if (image != NULL)
        g_object_unref(image);
    if (status != THUMBNAIL_OK && *result->error == '\0')
        copy_error(result->error, sizeof(result->error));
    vips_error_clear();
    vips_thread_shutdown(); /* of the buffers that libvips keeps for each thread */
    return status;
}

void
thumbnail_free(void *data)
{
    g_free(data);
}
