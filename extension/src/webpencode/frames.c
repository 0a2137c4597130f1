#include "images.h"

#include <math.h>
#include <string.h>

#include "exif.h"
#include "jpeg.h"

/* Pixels of a frame for which one thread is enough. */
enum { SMALL_FRAME = 160 * 160 };

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

/* Whether an image's profile is one for RGB (ICC.1:2010, 7.2.6). */
static bool
is_rgb_profile(VipsImage *frame)
{
    const void *profile;
    size_t size;

    return vips_image_get_blob(frame, VIPS_META_ICC_NAME, &profile, &size) == 0 && size >= 20 &&
           memcmp((const char *)profile + 16, "RGB ", 4) == 0;
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

/* Whether the whole image goes into the box, rather than that it fills it. */
static bool
goes_inside(const shape_options *options)
{
    return options->width == 0 || options->height == 0 || options->fit == FIT_INSIDE || options->fit == FIT_CONTAIN;
}

/* Return how many pixels of an image make one in the box, across or down. */
static double
find_scale(const shape_options *options, int width, int height)
{
    double across = options->width > 0 ? (double)width / options->width : 0;
    double down = options->height > 0 ? (double)height / options->height : 0;

    return goes_inside(options) ? VIPS_MAX(across, down) : VIPS_MIN(across, down);
}

/* Return by how much a JPEG can be shrunk while it is read, which costs next to nothing: 1, 2, 4 or 8. libvips would
   leave twice the size to be resized; its own way to do that is as good from less. It leaves out what does not fill a
   pixel at the right and at the bottom: never more than a quarter of one that remains, and nothing where the box is
   filled, whose cut would move. */
static int
jpeg_shrink(const input *in, int width, int height, double scale)
{
    double spare = goes_inside(&in->options) ? scale / 4 : 0;

    for (int shrink = 8; shrink > 1; shrink /= 2) {
        if (scale >= shrink && width % shrink <= spare && height % shrink <= spare) {
            return shrink;
        }
    }
    return 1;
}

/* Refuse an image that upscale would make larger than it may be. A side that the box leaves open, or that 'cover' cuts
   off afterwards, grows as the image's shape says: of a line, a thumbnail of 800 pixels would take gigabytes. */
static bool
check_upscale(const shape_options *options, int width, int height, failure *failed)
{
    double across = (double)options->width / width;
    double down = (double)options->height / height;
    double scale = VIPS_MAX(across, down);
    bool is_bounded = options->width > 0 && options->height > 0 && options->fit != FIT_COVER;
    double pixels = scale * width * scale * height;

    if (!options->upscale || is_bounded || scale <= 1 || pixels <= (double)options->max_pixels) {
        return true;
    }
    return fail_limit(failed, pixels < 1e18 ? (long long)pixels : INT64_MAX, options->max_pixels,
                      "upscale would make the image %.0f x %.0f pixels, and max_pixels is %lld", scale * width,
                      scale * height, (long long)options->max_pixels);
}

/* Make an image fit into the box, from the file's own bytes where it can: a JPEG is then read at less than its size. */
static VipsImage *
resize_frame(input *in, VipsImage *frame, failure *failed)
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

    if (!check_upscale(options, image_width, image_height, failed)) {
        return NULL;
    }
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
        if (vips_image_hasalpha(frame)) {
            frame = in->is_turned ? turn_frame(in, frame) : frame;
            return frame == NULL ? NULL : stretch_frame(in, frame, width, height);
        }
    }
    /* A profile that is not for RGB is lost on the way, so that it must be obeyed at once. */
    bool is_other =
        vips_image_get_typeof(frame, VIPS_META_ICC_NAME) != 0 && vips_icc_present() && !is_rgb_profile(frame);
    const char *profile = is_other ? "export_profile" : NULL;
    in->is_srgb = is_other;
    double scale = find_scale(options, image_width, image_height);
    bool is_ours = in->roll == NULL && is_jpeg(in->data, in->size) && !is_other;
    int shrink = is_ours ? jpeg_shrink(in, image_width, image_height, scale) : 1;
    if (shrink > 1 && goes_inside(options)) {
        /* The sides are those of the whole image, also where some of it is left out now. */
        width = VIPS_MAX(1, (int)rint(image_width / scale));
        height = VIPS_MAX(1, (int)rint(image_height / scale));
        size = VIPS_SIZE_FORCE;
    }
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
    if (in->roll == NULL && !is_ours) {
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
        frame = resize_frame(in, frame, failed);
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
