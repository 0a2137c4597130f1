#include "images.h"

#include <stdio.h>
#include <string.h>

#include "exif.h"
#include "gif.h"
#include "png.h"

/* An image that ends early is an error, never a picture with a grey end. As an option's text, since
   vips_thumbnail_buffer() takes `fail_on` too, but does not hand it on to the loader. */
#define FAIL_EARLY(more) (libvips_is_at_least(8, 12) ? "fail_on=truncated" more : "fail=true" more)

/* Pixels of a frame for which one thread is enough. */
enum { SMALL_FRAME = 160 * 160 };

/* How long a frame is shown that says nothing about it, or hardly anything: as browsers do. */
enum { USUAL_DELAY = 100, SHORTEST_DELAY = 10 };

/* The images between the input and the output, each in its place; those of a frame come last. */
enum {
    IMAGE_LOADED,
    IMAGE_ROLL,
    IMAGE_OF_FRAME,
    IMAGE_CUT = IMAGE_OF_FRAME,
    IMAGE_IN_MEMORY,
    IMAGE_UPRIGHT,
    IMAGE_SIZED,
    IMAGE_PROFILED,
    IMAGE_COLOURED,
    IMAGE_BANDED,
    IMAGE_OPAQUE,
    IMAGE_PADDED,
    IMAGE_SENT,
    IMAGE_REDUCED,
    IMAGE_STRETCHED,
    IMAGE_LAST = IMAGE_STRETCHED + 4,
};

_Static_assert((int)IMAGE_LAST <= (int)IMAGE_SLOTS, "every image has its place");

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

/* Let go of one frame's images and keep those of the input. */
static void
drop_frame(input *in)
{
    VipsArea *owner = vips_area_new_array_object(IMAGE_SLOTS);
    VipsImage **kept = vips_area_get_data(owner, NULL, NULL, NULL, NULL);

    for (int i = 0; i < IMAGE_OF_FRAME; i++) {
        kept[i] = in->images[i];
        in->images[i] = NULL;
    }
    vips_area_unref(in->owner);
    in->owner = owner;
    in->images = kept;
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

/* Refuse what would take memory before libvips has so much as told its size. */
static bool
check_header(const void *data, size_t size, const shape_options *options, failure *failed)
{
    const uint8_t *bytes = data;
    size_t text = png_compressed_text(data, size);

    if (text > PNG_MOST_TEXT) {
        return fail_limit(failed, (long long)text, PNG_MOST_TEXT,
                          "the image has %lld bytes of compressed text, and at most %d are read", (long long)text,
                          (int)PNG_MOST_TEXT);
    }
    if (size > 30 && is_animation(data, size) && memcmp(bytes + 12, "VP8X", 4) == 0) {
        int width = 1 + (bytes[24] | bytes[25] << 8 | bytes[26] << 16);
        int height = 1 + (bytes[27] | bytes[28] << 8 | bytes[29] << 16);

        return check_size(width, height, 1, options, failed);
    }
    return true;
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

/* Whether a JPEG's last scan has no end (ITU-T T.81, B.1.1.3 and B.2.1): libvips before 8.12 draws the rest of it grey
   where the JPEG is shrunk while it is read. In a scan no 0xFF is followed by a marker's number. */
static bool
jpeg_ends_early(const void *data, size_t size)
{
    const uint8_t *bytes = data;
    bool has_ended = false;

    if (size < 4 || memcmp(bytes, "\xFF\xD8\xFF", 3) != 0) {
        return false;
    }
    for (size_t at = size - 1; at > 0; at--) {
        if (bytes[at - 1] == 0xFF && bytes[at] == 0xDA) {
            return !has_ended;
        }
        has_ended = has_ended || (bytes[at - 1] == 0xFF && bytes[at] == 0xD9);
    }
    return false;
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
        .frames = vips_image_get_n_pages(image),
        .orientation = vips_image_get_orientation(image),
        .has_alpha = vips_image_hasalpha(image),
        .has_icc = vips_image_get_typeof(image, VIPS_META_ICC_NAME) != 0,
    };
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

/* Whether an image's profile is one for RGB (ICC.1:2010, 7.2.6). */
static bool
is_rgb_profile(VipsImage *frame)
{
    const void *profile;
    size_t size;

    return vips_image_get_blob(frame, VIPS_META_ICC_NAME, &profile, &size) == 0 && size >= 20 &&
           memcmp((const char *)profile + 16, "RGB ", 4) == 0;
}

/* Stretch an image with transparency. vips_thumbnail() forgets to weigh colours by it where one side stays as it is. */
static VipsImage *
stretch_frame(input *in, VipsImage *frame, int width, int height)
{
    VipsImage **steps = &in->images[IMAGE_STRETCHED];

    if (vips_premultiply(frame, &steps[0], NULL) == 0 &&
        vips_resize(steps[0], &steps[1], (double)width / vips_image_get_width(frame), "vscale",
                    (double)height / vips_image_get_height(frame), NULL) == 0 &&
        vips_unpremultiply(steps[1], &steps[2], NULL) == 0) {
        (void)vips_cast(steps[2], &steps[3], vips_image_get_format(frame), NULL);
    }
    return steps[3];
}

/* Return by how much a JPEG can be shrunk while it is read, which costs next to nothing: 1, 2, 4 or 8. libvips would
   leave twice the size to be resized; its own way to do that is as good from less. */
static int
jpeg_shrink(const input *in, int width, int height)
{
    const uint8_t *bytes = in->data;
    double across = in->options.width > 0 ? (double)width / in->options.width : 0;
    double down = in->options.height > 0 ? (double)height / in->options.height : 0;
    bool takes_larger = across == 0 || down == 0 || in->options.fit == FIT_INSIDE || in->options.fit == FIT_CONTAIN;
    double shrink = takes_larger ? VIPS_MAX(across, down) : VIPS_MIN(across, down);

    if (in->roll != NULL || in->size < 3 || memcmp(bytes, "\xFF\xD8\xFF", 3) != 0) {
        return 1;
    }
    return shrink >= 8 ? 8 : shrink >= 4 ? 4 : shrink >= 2 ? 2 : 1;
}

/* Make an image fit into the box, from the file's own bytes where it can: a JPEG is then read at less than its size. */
static VipsImage *
resize_frame(input *in, VipsImage *frame)
{
    const shape_options *options = &in->options;
    VipsImage **sized = &in->images[IMAGE_SIZED];
    bool has_both = options->width > 0 && options->height > 0;
    bool is_swapped = options->autorotate && vips_image_get_orientation_swap(frame);
    int image_width = is_swapped ? in->frame_height : vips_image_get_width(frame);
    int image_height = is_swapped ? vips_image_get_width(frame) : in->frame_height;
    int width = options->width > 0 ? options->width : LONGEST_SIDE;
    int height = options->height > 0 ? options->height : LONGEST_SIDE;
    VipsSize size = options->upscale ? VIPS_SIZE_BOTH : VIPS_SIZE_DOWN;
    VipsInteresting crop = VIPS_INTERESTING_NONE;

    if (has_both && options->fit == FIT_COVER) {
        crop = VIPS_INTERESTING_CENTRE;
        if (!options->upscale && (image_width < width || image_height < height)) {
            /* libvips 8.10 would cut off more than there is. */
            width = VIPS_MIN(width, image_width);
            height = VIPS_MIN(height, image_height);
        }
    }
    if (has_both && options->fit == FIT_FILL) {
        size = VIPS_SIZE_FORCE;
        if (!options->upscale) {
            width = VIPS_MIN(width, image_width);
            height = VIPS_MIN(height, image_height);
        }
        if (vips_image_hasalpha(frame) && !is_swapped && vips_image_get_orientation(frame) == 1) {
            return stretch_frame(in, frame, width, height);
        }
    }
    /* A profile that is not for RGB is lost on the way, so that it must be obeyed at once. */
    bool is_other =
        vips_image_get_typeof(frame, VIPS_META_ICC_NAME) != 0 && vips_icc_present() && !is_rgb_profile(frame);
    const char *profile = is_other ? "export_profile" : NULL;
    in->is_srgb = is_other;
    int shrink = is_other ? 1 : jpeg_shrink(in, image_width, image_height);
    if (shrink > 1) {
        const char *reduced = shrink == 2   ? FAIL_EARLY(",shrink=2")
                              : shrink == 4 ? FAIL_EARLY(",shrink=4")
                                            : FAIL_EARLY(",shrink=8");

        frame = in->images[IMAGE_REDUCED] =
            vips_image_new_from_buffer(in->data, in->size, reduced, "access", VIPS_ACCESS_SEQUENTIAL, NULL);
        if (frame == NULL) {
            return NULL;
        }
    }
    if (in->roll == NULL && shrink == 1) {
        /* It only reads the data, though they are not const to it. */
        (void)vips_thumbnail_buffer((void *)in->data, in->size, sized, width, "height", height, "size", size, "crop",
                                    crop, "no_rotate", !options->autorotate, "option_string", FAIL_EARLY(""), profile,
                                    "srgb", NULL);
    }
    else {
        (void)vips_thumbnail_image(frame, sized, width, "height", height, "size", size, "crop", crop, "no_rotate",
                                   !options->autorotate, profile, "srgb", NULL);
    }
    return *sized;
}

/* Turn an image as its EXIF data say. */
static VipsImage *
turn_frame(input *in, VipsImage *frame)
{
    VipsImage **upright = &in->images[IMAGE_UPRIGHT];

    /* A turn reads the lines in another order than the file has them, so all of them must be there first. */
    VipsImage *whole = in->images[IMAGE_IN_MEMORY] = vips_image_copy_memory(frame);
    if (whole != NULL) {
        (void)vips_autorot(whole, upright, NULL);
    }
    return *upright;
}

/* Make an image 8-bit RGB or RGBA: in its own colours where the profile goes with it, else in those of sRGB. */
static VipsImage *
colour_frame(input *in, VipsImage *frame)
{
    bool has_profile = vips_image_get_typeof(frame, VIPS_META_ICC_NAME) != 0;

    if (has_profile && vips_icc_present() && ((in->options.keep & KEEP_ICC) == 0 || !is_rgb_profile(frame))) {
        if (vips_icc_transform(frame, &in->images[IMAGE_PROFILED], "srgb", "embedded", TRUE, NULL) != 0) {
            return NULL;
        }
        frame = in->images[IMAGE_PROFILED];
        in->is_srgb = true;
    }
    if (vips_image_get_interpretation(frame) != VIPS_INTERPRETATION_sRGB ||
        vips_image_get_format(frame) != VIPS_FORMAT_UCHAR) {
        if (vips_colourspace(frame, &in->images[IMAGE_COLOURED], VIPS_INTERPRETATION_sRGB, NULL) != 0) {
            return NULL;
        }
        frame = in->images[IMAGE_COLOURED];
    }
    if (vips_image_get_bands(frame) < 3) {
        vips_error("webpencode", "the image has %d bands, and is no grey one", vips_image_get_bands(frame));
        return NULL;
    }
    if (vips_image_get_bands(frame) > 4) {
        if (vips_extract_band(frame, &in->images[IMAGE_BANDED], 0, "n", 4, NULL) != 0) {
            return NULL;
        }
        frame = in->images[IMAGE_BANDED];
    }
    return frame;
}

static VipsImage *
flatten_frame(input *in, VipsImage *frame)
{
    double colour[3];

    for (int i = 0; i < 3; i++) {
        colour[i] = in->options.background[i];
    }
    VipsArrayDouble *background = vips_array_double_new(colour, 3);
    (void)vips_flatten(frame, &in->images[IMAGE_OPAQUE], "background", background, NULL);
    vips_area_unref(VIPS_AREA(background));
    return in->images[IMAGE_OPAQUE];
}

/* Put an image into the middle of the box; what is around it is the background, or transparent. */
static VipsImage *
pad_frame(input *in, VipsImage *frame)
{
    double colour[4] = {0, 0, 0, 0};

    if (vips_image_get_bands(frame) == 3 && !in->options.has_background) {
        if (vips_addalpha(frame, &in->images[IMAGE_OPAQUE], NULL) != 0) {
            return NULL;
        }
        frame = in->images[IMAGE_OPAQUE];
    }
    for (int i = 0; in->options.has_background && i < 3; i++) {
        colour[i] = in->options.background[i];
    }
    VipsArrayDouble *background = vips_array_double_new(colour, vips_image_get_bands(frame));
    (void)vips_gravity(frame, &in->images[IMAGE_PADDED], VIPS_COMPASS_DIRECTION_CENTRE, in->options.width,
                       in->options.height, "extend", VIPS_EXTEND_BACKGROUND, "background", background, NULL);
    vips_area_unref(VIPS_AREA(background));
    return in->images[IMAGE_PADDED];
}

VipsImage *
input_frame(input *in, int number, failure *failed)
{
    const shape_options *options = &in->options;
    bool has_box = options->width > 0 || options->height > 0;
    VipsImage *frame = in->roll != NULL ? in->roll : in->images[IMAGE_LOADED];

    if (in->frames > 1) {
        drop_frame(in);
        if (vips_crop(in->roll, &in->images[IMAGE_CUT], 0, number * in->frame_height, vips_image_get_width(in->roll),
                      in->frame_height, NULL) != 0) {
            goto failed;
        }
        frame = in->images[IMAGE_CUT];
    }
    in->is_turned = options->autorotate && vips_image_get_orientation(frame) != 1;
    if (has_box) {
        frame = resize_frame(in, frame);
    }
    else if (in->is_turned) {
        frame = turn_frame(in, frame);
    }
    if (frame != NULL) {
        frame = colour_frame(in, frame);
    }
    if (frame != NULL && options->has_background && vips_image_get_bands(frame) == 4) {
        frame = flatten_frame(in, frame);
    }
    if (frame != NULL && options->fit == FIT_CONTAIN && options->width > 0 && options->height > 0) {
        frame = pad_frame(in, frame);
    }
    if (frame != NULL) {
        return frame;
    }

failed:
    (void)fail(failed, FAILURE_UNREADABLE, "");
    return NULL;
}

/* Compute a small frame here and now: to wake other threads would take longer. */
static bool
send_small(input *in, VipsImage *frame, VipsRegionWrite write, void *to, failure *failed)
{
    VipsRect all = {.width = vips_image_get_width(frame), .height = vips_image_get_height(frame)};
    VipsRegion *region = vips_region_new(frame);

    /* An object among others: the array lets go of it. */
    in->images[IMAGE_SENT] = (VipsImage *)region;
    return (region != NULL && vips_region_prepare(region, &all) == 0 && write(region, &all, to) == 0) ||
           fail(failed, FAILURE_UNREADABLE, "");
}

bool
input_send(input *in, VipsImage *frame, VipsRegionWrite write, void *to, failure *failed)
{
    if ((long long)vips_image_get_width(frame) * vips_image_get_height(frame) <= SMALL_FRAME) {
        return send_small(in, frame, write, to, failed);
    }
    if (in->options.threads > 0) {
        if (vips_copy(frame, &in->images[IMAGE_SENT], NULL) != 0) {
            return fail(failed, FAILURE_UNREADABLE, "");
        }
        frame = in->images[IMAGE_SENT];
        vips_image_set_int(frame, VIPS_META_CONCURRENCY, in->options.threads);
    }
    return vips_sink_disc(frame, write, to) == 0 || fail(failed, FAILURE_UNREADABLE, "");
}

static void
find_blob(VipsImage *frame, const char *name, WebPData *data)
{
    const void *bytes;
    size_t size;

    if (vips_image_get_typeof(frame, name) != 0 && vips_image_get_blob(frame, name, &bytes, &size) == 0) {
        *data = (WebPData){.bytes = bytes, .size = size};
    }
}

bool
input_metadata(const input *in, VipsImage *frame, webp_metadata *metadata, WebPData *exif, failure *failed)
{
    int keep = in->options.keep;

    if ((keep & KEEP_ICC) != 0 && !in->is_srgb) {
        find_blob(frame, VIPS_META_ICC_NAME, &metadata->icc);
    }
    if ((keep & KEEP_XMP) != 0) {
        find_blob(frame, VIPS_META_XMP_NAME, &metadata->xmp);
    }
    if ((keep & KEEP_EXIF) != 0) {
        find_blob(frame, VIPS_META_EXIF_NAME, &metadata->exif);
        exif_strip_prefix(&metadata->exif);
    }
    if (metadata->exif.size > 0 && in->is_turned) {
        if (!WebPDataCopy(&metadata->exif, exif)) {
            return fail(failed, FAILURE_MEMORY, "there is not enough memory for the EXIF data");
        }
        exif_set_upright((uint8_t *)exif->bytes, exif->size);
        metadata->exif = *exif;
    }
    return true;
}
