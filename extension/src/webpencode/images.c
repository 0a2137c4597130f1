#include "images.h"

#include <stdio.h>
#include <string.h>

#include "gif.h"
#include "jpeg.h"
#include "limits.h"
#include "png.h"

/* Delays up to the minimum are replaced by the default, as in browsers; in milliseconds. */
enum { DEFAULT_DELAY = 100, MIN_DELAY = 10 };

/* WebP stores the number of times that an animation plays in 16 bits; a GIF that repeats 65,535 times plays once more.
 */
enum { MAX_LOOP = 65535 };

/* Initialize an input without images. They are stored in an array of objects, because libvips has no function that
   releases a single object, only one that releases an array. */
static void
input_start(input *in, const shape_options *options)
{
    *in = (input){.options = *options, .loop = -1, .frames = 1};
    in->owner = vips_area_new_array_object(IMAGE_SLOTS);
    in->images = vips_area_get_data(in->owner, NULL, NULL, NULL, NULL);
}

void
input_close(input *in)
{
    if (in->owner != NULL) {
        vips_area_unref(in->owner);
        in->owner = NULL;
    }
    /* After the images, which read from it. */
    WebPDataClear(&in->copy);
}

/* Whether the format can be animated: in other formats, pages are not frames. */
static bool
is_animation(const void *data, size_t size)
{
    const char *bytes = data;

    return (size > 6 && memcmp(bytes, "GIF8", 4) == 0) ||
           (size > 12 && memcmp(bytes, "RIFF", 4) == 0 && memcmp(bytes + 8, "WEBP", 4) == 0);
}

static bool
check_size(int width, int height, int frames, const shape_options *options, failure *failed)
{
    long long pixels = (long long)width * height * frames;

    if (pixels <= options->max_pixels) {
        return true;
    }
    return frames == 1 ? fail_limit(failed, pixels, options->max_pixels,
                                    "the image has %lld pixels (%d x %d), and max_pixels is %lld", pixels, width,
                                    height, (long long)options->max_pixels)
                       : fail_limit(failed, pixels, options->max_pixels,
                                    "the animation has %lld pixels (%d x %d, %d frames), and max_pixels is %lld",
                                    pixels, width, height, frames, (long long)options->max_pixels);
}

/* Reject a WebP that is too large, from the header of the file or of its only image (RFC 9649, 2.5 to 2.7 and 3.4; RFC
   6386, 9.1): libvips allocates memory for the whole image at once. */
static bool
check_webp(const uint8_t *bytes, size_t size, const shape_options *options, failure *failed)
{
    if (size <= 30 || memcmp(bytes, "RIFF", 4) != 0 || memcmp(bytes + 8, "WEBP", 4) != 0) {
        return true;
    }
    int width = 0;
    int height = 0;
    if (memcmp(bytes + 12, "VP8X", 4) == 0) {
        width = 1 + (bytes[24] | bytes[25] << 8 | bytes[26] << 16);
        height = 1 + (bytes[27] | bytes[28] << 8 | bytes[29] << 16);
    }
    else if (memcmp(bytes + 12, "VP8L", 4) == 0) {
        width = 1 + ((bytes[21] | bytes[22] << 8) & 0x3FFF);
        height = 1 + ((bytes[22] >> 6 | bytes[23] << 2 | bytes[24] << 10) & 0x3FFF);
    }
    else if (memcmp(bytes + 12, "VP8 ", 4) == 0) {
        width = (bytes[26] | bytes[27] << 8) & 0x3FFF;
        height = (bytes[28] | bytes[29] << 8) & 0x3FFF;
    }
    return check_size(width, height, 1, options, failed);
}

/* Reject input that would make libvips allocate too much memory before it returns the size of the image. */
static bool
check_header(const void *data, size_t size, const shape_options *options, failure *failed)
{
    return check_webp(data, size, options, failed) && check_limits(data, size, failed);
}

/* Reject a PNG whose compressed profile expands to an excessive size: libpng accepts up to 50 MB, which would be copied
   into the WebP file. Other formats store profiles uncompressed. */
static bool
check_profile(VipsImage *image, const void *data, size_t size, failure *failed)
{
    const void *profile;
    size_t length;

    if (!is_png(data, size) || vips_image_get_typeof(image, VIPS_META_ICC_NAME) == 0 ||
        vips_image_get_blob(image, VIPS_META_ICC_NAME, &profile, &length) != 0 || length <= PNG_MAX_PROFILE) {
        return true;
    }
    return fail_limit(failed, (long long)length, PNG_MAX_PROFILE,
                      "the image has a color profile of %lld bytes, and at most %d are read", (long long)length,
                      (int)PNG_MAX_PROFILE);
}

/* Check that a loader exists and is not one that libvips marks as untrusted. libvips itself can block untrusted loaders
   only since 8.13, and only for the whole process. */
static bool
find_loader(const void *data, size_t size, failure *failed)
{
    static const char *const safe[] = {"Gif", "Heif", "Jpeg", "Nsgif", "Png", "Tiff", "Webp"};
    static const char prefix[] = "VipsForeignLoad";
    const char *loader = vips_foreign_find_load_buffer(data, size);

    if (loader == NULL) {
        return fail(failed, FAILURE_UNSUPPORTED, "");
    }
    const char *format = strncmp(loader, prefix, sizeof(prefix) - 1) == 0 ? loader + sizeof(prefix) - 1 : "";
    for (size_t i = 0; i < sizeof(safe) / sizeof(safe[0]); i++) {
        if (strncmp(format, safe[i], strlen(safe[i])) == 0) {
            return true;
        }
    }
    /* The message of libvips without untrusted loaders, some of which accept almost any data. */
    return fail(failed, FAILURE_UNSUPPORTED, "VipsForeignLoad: buffer is not in a known format");
}

/* Return the loader options for a file. Wrong checksums are only an error of PNG files, at the next level of `fail_on`.
 */
static const char *
find_loader_options(const void *data, size_t size, bool is_animated)
{
    if (is_animated) {
        return FAIL_IF_TRUNCATED(",n=-1");
    }
    return is_png(data, size) && libvips_is_at_least(8, 12) ? "fail_on=error" : FAIL_IF_TRUNCATED("");
}

VipsImage *
input_load(input *in, const void *data, size_t size, const char *options, int slot)
{
    VipsImage **streamed = &in->images[slot];
    VipsImage **loaded = &in->images[slot + 1];

    *streamed = vips_image_new_from_buffer(data, size, options, "access", VIPS_ACCESS_SEQUENTIAL, NULL);
    if (*streamed == NULL) {
        return NULL;
    }
    if (in->in_memory) {
        *loaded = vips_image_copy_memory(*streamed);
    }
    else {
        (void)vips_copy(*streamed, loaded, NULL);
    }
    return *loaded;
}

bool
input_is_out_of_order(const failure *failed)
{
    /* Read without a copy, because 8.10 deadlocks in vips_error_buffer_copy(). Another call's message only costs time.
     */
    return failed->kind == FAILURE_UNREADABLE && strstr(vips_error_buffer(), "out of order read") != NULL;
}

bool
input_open(input *in, const void *data, size_t size, const shape_options *options, bool in_memory, failure *failed)
{
    bool is_animated = options->animated && is_animation(data, size);

    input_start(in, options);
    if (!png_rearrange(data, size, &in->copy)) {
        return fail(failed, FAILURE_MEMORY, "not enough memory for the metadata of the image");
    }
    if (in->copy.size > 0) {
        data = in->copy.bytes;
        size = in->copy.size;
    }
    in->data = data;
    in->size = size;
    in->in_memory = in_memory;
    if (!check_header(data, size, options, failed)) {
        return false;
    }
    if (!find_loader(data, size, failed)) {
        return false;
    }
    VipsImage *image = input_load(in, data, size, find_loader_options(data, size, is_animated), IMAGE_STREAMED);
    if (image == NULL) {
        return fail(failed, FAILURE_UNREADABLE, "");
    }
    int width = vips_image_get_width(image);
    in->frame_height = vips_image_get_page_height(image);
    if (!check_profile(image, data, size, failed) || !check_gif_sides(data, size, width, in->frame_height, failed)) {
        return false;
    }
    input_check_profile(in, image);
    if (is_animated && gif_ends_early(data, size)) {
        return fail(failed, FAILURE_UNREADABLE, "gifload_buffer: the animation ends before its last frame");
    }
    if (!libvips_is_at_least(8, 12) && jpeg_ends_early(data, size)) {
        return fail(failed, FAILURE_UNREADABLE, "VipsJpeg: premature end of JPEG image");
    }
    if (options->threads > 0) {
        vips_image_set_int(image, VIPS_META_CONCURRENCY, options->threads);
    }
    in->frames = is_animated ? vips_image_get_height(image) / in->frame_height : 1;
    if (!check_size(width, in->frame_height, in->frames, options, failed)) {
        return false;
    }
    if (in->frames == 1) {
        return true;
    }
    if (vips_image_get_typeof(image, "loop") != 0) {
        (void)vips_image_get_int(image, "loop", &in->loop);
        in->loop = VIPS_CLIP(0, in->loop, MAX_LOOP);
    }
    if (vips_image_get_typeof(image, "delay") != 0) {
        (void)vips_image_get_array_int(image, "delay", &in->delays, &in->delay_count);
    }
    return true;
}

bool
input_open_pixels(input *in, const void *pixels, int width, int height, int bands, const shape_options *options,
                  failure *failed)
{
    input_start(in, options);
    in->frame_height = height;
    VipsImage *image = in->images[IMAGE_LOADED] = vips_image_new_from_memory(
        pixels, (size_t)width * (size_t)height * (size_t)bands, width, height, bands, VIPS_FORMAT_UCHAR);
    /* By default, libvips does not interpret four bands as colors. */
    VipsInterpretation interpretation = bands < 3 ? VIPS_INTERPRETATION_B_W : VIPS_INTERPRETATION_sRGB;
    if (image == NULL || vips_copy(image, &in->images[IMAGE_DECODED], "interpretation", interpretation, NULL) != 0) {
        return fail(failed, FAILURE_UNREADABLE, "");
    }
    in->decoded = in->images[IMAGE_DECODED];
    return true;
}

bool
input_describe(const void *data, size_t size, description *header, failure *failed)
{
    static const shape_options no_limits = {.max_pixels = INT64_MAX};
    bool is_animated = is_animation(data, size);
    VipsArea *owner = vips_area_new_array_object(1 + PROFILE_STEPS);
    VipsImage **images = vips_area_get_data(owner, NULL, NULL, NULL, NULL);
    WebPData copy = {NULL, 0};
    bool done = false;

    if (!png_rearrange(data, size, &copy)) {
        (void)fail(failed, FAILURE_MEMORY, "not enough memory for the metadata of the image");
        goto done;
    }
    if (copy.size > 0) {
        data = copy.bytes;
        size = copy.size;
    }
    if (!check_header(data, size, &no_limits, failed)) {
        goto done;
    }
    if (!find_loader(data, size, failed)) {
        goto done;
    }
    VipsImage *image = images[0] = vips_image_new_from_buffer(data, size, find_loader_options(data, size, is_animated),
                                                              "access", VIPS_ACCESS_SEQUENTIAL, NULL);
    if (image == NULL) {
        (void)fail(failed, FAILURE_UNREADABLE, "");
        goto done;
    }
    *header = (description){
        .width = vips_image_get_width(image),
        .height = vips_image_get_page_height(image),
        .frames = 1,
        .orientation = vips_image_get_orientation(image),
        .has_alpha = vips_image_hasalpha(image),
        .has_icc = vips_image_get_typeof(image, VIPS_META_ICC_NAME) != 0,
    };
    if (!check_gif_sides(data, size, header->width, header->height, failed)) {
        goto done;
    }
    const void *profile;
    size_t length;
    header->has_usable_icc = header->has_icc && vips_icc_present() &&
                             vips_image_get_blob(image, VIPS_META_ICC_NAME, &profile, &length) == 0 &&
                             input_has_usable_profile(image, profile, length, images + 1);
    /* Not vips_image_get_n_pages(), which ignores numbers of 10,000 and more. */
    if (vips_image_get_typeof(image, VIPS_META_N_PAGES) != 0) {
        (void)vips_image_get_int(image, VIPS_META_N_PAGES, &header->frames);
    }
    /* Loader names have the form `jpegload_buffer`. */
    const char *loader = "unknown";
    if (vips_image_get_typeof(image, VIPS_META_LOADER) != 0) {
        (void)vips_image_get_string(image, VIPS_META_LOADER, &loader);
    }
    const char *end = strstr(loader, "load");
    int characters = end == NULL ? (int)strlen(loader) : (int)(end - loader);
    (void)snprintf(header->format, sizeof(header->format), "%.*s", characters, loader);
    done = true;

done:
    vips_area_unref(owner);
    WebPDataClear(&copy);
    return done;
}

int
input_delay(const input *in, int number)
{
    int delay = number < in->delay_count ? in->delays[number] : DEFAULT_DELAY;

    return delay <= MIN_DELAY ? DEFAULT_DELAY : delay;
}
