#include "images.h"

#include <math.h>
#include <string.h>

#include "exif.h"
#include "jpeg.h"

/* Number of pixels up to which a frame is computed in the calling thread. */
enum { SMALL_FRAME = 160 * 160 };

/* Release the images of the current frame and keep those of the input. */
static void
release_frame(input *in)
{
    VipsArea *owner = vips_area_new_array_object(IMAGE_SLOTS);
    VipsImage **kept = vips_area_get_data(owner, NULL, NULL, NULL, NULL);

    for (int i = 0; i < IMAGE_FIRST_OF_FRAME; i++) {
        kept[i] = in->images[i];
        in->images[i] = NULL;
    }
    vips_area_unref(in->owner);
    in->owner = owner;
    in->images = kept;
}

/* Whether the color space of an image's profile is RGB (ICC.1:2010, 7.2.6). */
static bool
is_rgb_profile(VipsImage *frame)
{
    const void *profile;
    size_t size;

    return vips_image_get_blob(frame, VIPS_META_ICC_NAME, &profile, &size) == 0 && size >= 20 &&
           memcmp((const char *)profile + 16, "RGB ", 4) == 0;
}

/* Rotate and mirror an image as its EXIF orientation requires. */
static VipsImage *
rotate_frame(input *in, VipsImage *frame)
{
    VipsImage **rotated = &in->images[IMAGE_ROTATED];

    /* Rotation reads rows in another order than the file stores them, so the whole image must be in memory. */
    VipsImage *whole = in->images[IMAGE_IN_MEMORY] = vips_image_copy_memory(frame);
    if (whole != NULL) {
        (void)vips_autorot(whole, rotated, NULL);
    }
    return *rotated;
}

/* Stretch an image with transparency. vips_thumbnail() does not premultiply the colors if one side keeps its length. */
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

/* Whether the whole image must fit in the box, rather than cover or fill it. */
static bool
must_fit_inside(const shape_options *options)
{
    return options->width == 0 || options->height == 0 || options->fit == FIT_INSIDE || options->fit == FIT_CONTAIN;
}

/* Return how many pixels of the image correspond to one pixel in the box. */
static double
find_scale(const shape_options *options, int width, int height)
{
    double horizontal = options->width > 0 ? (double)width / options->width : 0;
    double vertical = options->height > 0 ? (double)height / options->height : 0;

    return must_fit_inside(options) ? VIPS_MAX(horizontal, vertical) : VIPS_MIN(horizontal, vertical);
}

/* Return the factor by which libjpeg can shrink a JPEG on load, at almost no cost: 1, 2, 4 or 8. libvips itself chooses
   a factor that leaves at least twice the final size for its resize operation; the result is as good with less.
   Shrinking on load drops incomplete pixels at the right and bottom edges: allow up to a quarter of a result pixel, and
   none if the image must cover or fill the box, because the crop would move. */
static int
find_load_shrink(const input *in, int width, int height, double scale)
{
    double max_loss = must_fit_inside(&in->options) ? scale / 4 : 0;

    for (int shrink = 8; shrink > 1; shrink /= 2) {
        if (scale >= shrink && width % shrink <= max_loss && height % shrink <= max_loss) {
            return shrink;
        }
    }
    return 1;
}

/* Reject an image that upscaling would make larger than max_pixels. A side that the box does not limit, or that 'cover'
   crops afterwards, grows with the aspect ratio: an 800 pixel wide thumbnail of a line would need gigabytes. */
static bool
check_upscale(const shape_options *options, int width, int height, failure *failed)
{
    double horizontal = (double)options->width / width;
    double vertical = (double)options->height / height;
    double scale = VIPS_MAX(horizontal, vertical);
    bool is_bounded = options->width > 0 && options->height > 0 && options->fit != FIT_COVER;
    double pixels = scale * width * scale * height;

    if (!options->upscale || is_bounded || scale <= 1 || pixels <= (double)options->max_pixels) {
        return true;
    }
    return fail_limit(failed, pixels < 1e18 ? (long long)pixels : INT64_MAX, options->max_pixels,
                      "upscaling would make the image %.0f x %.0f pixels, and max_pixels is %lld", scale * width,
                      scale * height, (long long)options->max_pixels);
}

/* Resize an image to the box, from the bytes of the file if possible: a JPEG is then shrunk on load. */
static VipsImage *
resize_frame(input *in, VipsImage *frame, failure *failed)
{
    const shape_options *options = &in->options;
    VipsImage **sized = &in->images[IMAGE_RESIZED];
    bool has_both = options->width > 0 && options->height > 0;
    bool is_swapped = options->autorotate && vips_image_get_orientation_swap(frame);
    int image_width = is_swapped ? in->frame_height : vips_image_get_width(frame);
    int image_height = is_swapped ? vips_image_get_width(frame) : in->frame_height;
    int width = options->width > 0 ? options->width : MAX_SIDE;
    int height = options->height > 0 ? options->height : MAX_SIDE;
    VipsSize size = options->upscale ? VIPS_SIZE_BOTH : VIPS_SIZE_DOWN;
    VipsInteresting crop = VIPS_INTERESTING_NONE;

    if (!check_upscale(options, image_width, image_height, failed)) {
        return NULL;
    }
    if (has_both && options->fit == FIT_COVER) {
        crop = VIPS_INTERESTING_CENTRE;
        if (!options->upscale && (image_width < width || image_height < height)) {
            /* libvips 8.10 would crop to more pixels than the image has. */
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
        if (vips_image_hasalpha(frame)) {
            frame = in->is_rotated ? rotate_frame(in, frame) : frame;
            return frame == NULL ? NULL : stretch_frame(in, frame, width, height);
        }
    }
    /* Resizing discards a profile that is not for RGB, so it must be applied here. */
    bool has_other_profile =
        vips_image_get_typeof(frame, VIPS_META_ICC_NAME) != 0 && vips_icc_present() && !is_rgb_profile(frame);
    const char *profile = has_other_profile ? "export_profile" : NULL;
    in->is_srgb = has_other_profile;
    double scale = find_scale(options, image_width, image_height);
    bool shrinks_on_load = in->decoded == NULL && is_jpeg(in->data, in->size) && !has_other_profile;
    int shrink = shrinks_on_load ? find_load_shrink(in, image_width, image_height, scale) : 1;
    if (shrink > 1 && must_fit_inside(options)) {
        /* Compute the size from the whole image, including the edge pixels that shrinking drops. */
        width = VIPS_MAX(1, (int)rint(image_width / scale));
        height = VIPS_MAX(1, (int)rint(image_height / scale));
        size = VIPS_SIZE_FORCE;
    }
    if (shrink > 1) {
        const char *reduced = shrink == 2   ? FAIL_IF_TRUNCATED(",shrink=2")
                              : shrink == 4 ? FAIL_IF_TRUNCATED(",shrink=4")
                                            : FAIL_IF_TRUNCATED(",shrink=8");

        frame = in->images[IMAGE_REDUCED] =
            vips_image_new_from_buffer(in->data, in->size, reduced, "access", VIPS_ACCESS_SEQUENTIAL, NULL);
        if (frame == NULL) {
            return NULL;
        }
    }
    if (in->decoded == NULL && !shrinks_on_load) {
        /* The parameter is not const, but libvips only reads the data. */
        (void)vips_thumbnail_buffer((void *)in->data, in->size, sized, width, "height", height, "size", size, "crop",
                                    crop, "no_rotate", !options->autorotate, "option_string", FAIL_IF_TRUNCATED(""),
                                    profile, "srgb", NULL);
    }
    else {
        (void)vips_thumbnail_image(frame, sized, width, "height", height, "size", size, "crop", crop, "no_rotate",
                                   !options->autorotate, profile, "srgb", NULL);
    }
    return *sized;
}

/* Convert an image to 8-bit RGB or RGBA: in its own color space if the profile is kept, otherwise in sRGB. */
static VipsImage *
convert_colors(input *in, VipsImage *frame)
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
        if (vips_colourspace(frame, &in->images[IMAGE_CONVERTED], VIPS_INTERPRETATION_sRGB, NULL) != 0) {
            return NULL;
        }
        frame = in->images[IMAGE_CONVERTED];
    }
    if (vips_image_get_bands(frame) < 3) {
        vips_error("webpencode", "the image has %d bands, but is not grayscale", vips_image_get_bands(frame));
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
    double color[3];

    for (int i = 0; i < 3; i++) {
        color[i] = in->options.background[i];
    }
    VipsArrayDouble *background = vips_array_double_new(color, 3);
    (void)vips_flatten(frame, &in->images[IMAGE_FLATTENED], "background", background, NULL);
    vips_area_unref(VIPS_AREA(background));
    return in->images[IMAGE_FLATTENED];
}

/* Center an image in the box and pad it with the background color or transparently. */
static VipsImage *
pad_frame(input *in, VipsImage *frame)
{
    double color[4] = {0, 0, 0, 0};

    if (vips_image_get_bands(frame) == 3 && !in->options.has_background) {
        if (vips_addalpha(frame, &in->images[IMAGE_FLATTENED], NULL) != 0) {
            return NULL;
        }
        frame = in->images[IMAGE_FLATTENED];
    }
    for (int i = 0; in->options.has_background && i < 3; i++) {
        color[i] = in->options.background[i];
    }
    VipsArrayDouble *background = vips_array_double_new(color, vips_image_get_bands(frame));
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
    VipsImage *frame = in->decoded != NULL ? in->decoded : in->images[IMAGE_LOADED];

    if (in->frames > 1) {
        release_frame(in);
        if (vips_crop(in->decoded, &in->images[IMAGE_FRAME], 0, number * in->frame_height,
                      vips_image_get_width(in->decoded), in->frame_height, NULL) != 0) {
            goto failed;
        }
        frame = in->images[IMAGE_FRAME];
    }
    in->is_rotated = options->autorotate && vips_image_get_orientation(frame) != 1;
    if (has_box) {
        frame = resize_frame(in, frame, failed);
    }
    else if (in->is_rotated) {
        frame = rotate_frame(in, frame);
    }
    if (frame != NULL) {
        frame = convert_colors(in, frame);
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

/* Compute a small frame in the calling thread: waking other threads would take longer. */
static bool
send_small(input *in, VipsImage *frame, VipsRegionWrite write, void *to, failure *failed)
{
    VipsRect all = {.width = vips_image_get_width(frame), .height = vips_image_get_height(frame)};
    VipsRegion *region = vips_region_new(frame);

    /* The array of images releases the region, which is a GObject too. */
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
    if (metadata->exif.size > 0 && in->is_rotated) {
        if (!WebPDataCopy(&metadata->exif, exif)) {
            return fail(failed, FAILURE_MEMORY, "not enough memory for the EXIF data");
        }
        exif_set_upright((uint8_t *)exif->bytes, exif->size);
        metadata->exif = *exif;
    }
    return true;
}
