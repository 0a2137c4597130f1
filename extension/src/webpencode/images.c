#include "images.h"

#include <stdio.h>
#include <string.h>

#include "gif.h"
#include "jpeg.h"
#include "png.h"

/* How long a frame is shown that says nothing about it, or hardly anything: as browsers do. */
enum { USUAL_DELAY = 100, SHORTEST_DELAY = 10 };

/* Start with nothing open. An array of objects is how libvips, which has no call to drop one object, lets go of
   several. */
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
}

/* Only these two have frames that play; the pages of other formats are pages. */
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

/* Refuse a WebP that is too large, as the header of its file or of its only picture says (RFC 9649, 2.5 to 2.7 and 3.4;
   RFC 6386, 9.1): libvips takes memory for all of it at once. */
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

/* Refuse a JPEG with a side that libjpeg does not read, of which it says no more than what the longest is. */
static bool
check_jpeg(const void *data, size_t size, failure *failed)
{
    int side = jpeg_longest_side(data, size);

    return side <= JPEG_LONGEST_SIDE ||
           fail_limit(failed, side, JPEG_LONGEST_SIDE, "the image has a side of %d pixels, and a JPEG's may have %d",
                      side, (int)JPEG_LONGEST_SIDE);
}

/* Refuse what would take memory before libvips has so much as told its size. */
static bool
check_header(const void *data, size_t size, const shape_options *options, failure *failed)
{
    size_t text = png_compressed_text(data, size);

    if (text > PNG_MOST_TEXT) {
        return fail_limit(failed, (long long)text, PNG_MOST_TEXT,
                          "the image has %lld bytes of compressed text, and at most %d are read", (long long)text,
                          (int)PNG_MOST_TEXT);
    }
    return check_jpeg(data, size, failed) && check_webp(data, size, options, failed);
}

/* Refuse a profile that a PNG has blown up out of next to nothing: libpng takes up to 50 MB for it, which would go on
   as they are, into a file and into every later reader. Elsewhere a profile is as large as what the file spends on it.
 */
static bool
check_profile(VipsImage *image, const void *data, size_t size, failure *failed)
{
    const void *profile;
    size_t length;

    if (!is_png(data, size) || vips_image_get_typeof(image, VIPS_META_ICC_NAME) == 0 ||
        vips_image_get_blob(image, VIPS_META_ICC_NAME, &profile, &length) != 0 || length <= PNG_MOST_PROFILE) {
        return true;
    }
    return fail_limit(failed, (long long)length, PNG_MOST_PROFILE,
                      "the image has a colour profile of %lld bytes, and at most %d are read", (long long)length,
                      (int)PNG_MOST_PROFILE);
}

/* Find who reads the bytes. Only loaders that libvips holds safe against hostile files may: it can block the others
   since 8.13, and for the whole process. */
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
    /* As libvips says where it has none but safe ones: some of the others take almost any bytes for theirs. */
    return fail(failed, FAILURE_UNSUPPORTED, "VipsForeignLoad: buffer is not in a known format");
}

bool
input_open(input *in, const void *data, size_t size, const shape_options *options, failure *failed)
{
    bool plays = options->animated && is_animation(data, size);

    input_start(in, options);
    in->data = data;
    in->size = size;
    if (!check_header(data, size, options, failed)) {
        return false;
    }
    if (!find_loader(data, size, failed)) {
        return false;
    }
    VipsImage *image = in->images[IMAGE_LOADED] = vips_image_new_from_buffer(
        data, size, plays ? FAIL_EARLY(",n=-1") : FAIL_EARLY(""), "access", VIPS_ACCESS_SEQUENTIAL, NULL);
    if (image == NULL) {
        return fail(failed, FAILURE_UNREADABLE, "");
    }
    if (!check_profile(image, data, size, failed)) {
        return false;
    }
    if (plays && gif_ends_early(data, size)) {
        return fail(failed, FAILURE_UNREADABLE, "gifload_buffer: the animation ends before its last frame");
    }
    if (!libvips_is_at_least(8, 12) && jpeg_ends_early(data, size)) {
        return fail(failed, FAILURE_UNREADABLE, "VipsJpeg: premature end of JPEG image");
    }
    if (options->threads > 0) {
        vips_image_set_int(image, VIPS_META_CONCURRENCY, options->threads);
    }
    in->frame_height = vips_image_get_page_height(image);
    in->frames = plays ? vips_image_get_height(image) / in->frame_height : 1;
    if (!check_size(vips_image_get_width(image), in->frame_height, in->frames, options, failed)) {
        return false;
    }
    if (in->frames == 1) {
        return true;
    }
    in->roll = in->images[IMAGE_ROLL] = vips_image_copy_memory(image);
    if (in->roll == NULL) {
        return fail(failed, FAILURE_UNREADABLE, "");
    }
    if (vips_image_get_typeof(in->roll, "loop") != 0) {
        (void)vips_image_get_int(in->roll, "loop", &in->loop);
    }
    if (vips_image_get_typeof(in->roll, "delay") != 0) {
        (void)vips_image_get_array_int(in->roll, "delay", &in->delays, &in->delay_count);
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
    /* Of four bands it would think that they are anything but colours. */
    VipsInterpretation colours = bands < 3 ? VIPS_INTERPRETATION_B_W : VIPS_INTERPRETATION_sRGB;
    if (image == NULL || vips_copy(image, &in->images[IMAGE_ROLL], "interpretation", colours, NULL) != 0) {
        return fail(failed, FAILURE_UNREADABLE, "");
    }
    in->roll = in->images[IMAGE_ROLL];
    return true;
}

bool
input_describe(const void *data, size_t size, description *found, failure *failed)
{
    static const shape_options anything = {.max_pixels = INT64_MAX};
    bool plays = is_animation(data, size);
    VipsArea *owner = vips_area_new_array_object(1);
    VipsImage **images = vips_area_get_data(owner, NULL, NULL, NULL, NULL);
    bool done = false;

    if (!check_header(data, size, &anything, failed)) {
        goto done;
    }
    if (!find_loader(data, size, failed)) {
        goto done;
    }
    VipsImage *image = images[0] = vips_image_new_from_buffer(data, size, plays ? FAIL_EARLY(",n=-1") : FAIL_EARLY(""),
                                                              "access", VIPS_ACCESS_SEQUENTIAL, NULL);
    if (image == NULL) {
        (void)fail(failed, FAILURE_UNREADABLE, "");
        goto done;
    }
    *found = (description){
        .width = vips_image_get_width(image),
        .height = vips_image_get_page_height(image),
        .frames = 1,
        .orientation = vips_image_get_orientation(image),
        .has_alpha = vips_image_hasalpha(image),
        .has_icc = vips_image_get_typeof(image, VIPS_META_ICC_NAME) != 0,
    };
    /* Not vips_image_get_n_pages(), which takes ten thousand and more for a mistake. */
    if (vips_image_get_typeof(image, VIPS_META_N_PAGES) != 0) {
        (void)vips_image_get_int(image, VIPS_META_N_PAGES, &found->frames);
    }
    /* Loaders are called `jpegload_buffer` and so on. */
    const char *loader = "unknown";
    if (vips_image_get_typeof(image, VIPS_META_LOADER) != 0) {
        (void)vips_image_get_string(image, VIPS_META_LOADER, &loader);
    }
    const char *end = strstr(loader, "load");
    int length = end == NULL ? (int)strlen(loader) : (int)(end - loader);
    (void)snprintf(found->format, sizeof(found->format), "%.*s", length, loader);
    done = true;

done:
    vips_area_unref(owner);
    return done;
}

int
input_delay(const input *in, int number)
{
    int delay = number < in->delay_count ? in->delays[number] : USUAL_DELAY;

    return delay <= SHORTEST_DELAY ? USUAL_DELAY : delay;
}
