#include "images.h"

#include <string.h>

#include "exif.h"
#include "icc.h"
#include "jpeg.h"
#include "progressive_jpeg.h"
#include "resize.h"
#include "xmp.h"

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

bool
input_has_usable_profile(VipsImage *image, const void *profile, size_t size, VipsImage **steps)
{
    enum { MAX_BANDS = 8, MAX_SAMPLE = 16 };
    static const uint8_t black[MAX_BANDS * MAX_SAMPLE] = {0};
    VipsBandFormat format = vips_image_get_format(image);
    int bands = vips_image_get_bands(image);
    size_t pixel = (size_t)bands * (size_t)vips_format_sizeof_unsafe(format);

    if (!icc_is_complete(profile, size)) {
        return false;
    }
    if (bands > MAX_BANDS || pixel > sizeof(black)) {
        return true;
    }
    steps[0] = vips_image_new_from_memory(black, pixel, 1, 1, bands, format);
    if (steps[0] == NULL ||
        vips_copy(steps[0], &steps[1], "interpretation", vips_image_get_interpretation(image), NULL) != 0) {
        return true;
    }
    vips_image_set_blob_copy(steps[1], VIPS_META_ICC_NAME, profile, size);
    if (vips_icc_transform(steps[1], &steps[2], "srgb", "embedded", TRUE, NULL) != 0) {
        vips_error_clear();
        return false;
    }
    return true;
}

void
input_check_profile(input *in, VipsImage *image)
{
    const void *profile;
    size_t size;

    in->has_profile = vips_image_get_typeof(image, VIPS_META_ICC_NAME) != 0 && vips_icc_present() &&
                      vips_image_get_blob(image, VIPS_META_ICC_NAME, &profile, &size) == 0;
    if (in->has_profile) {
        in->has_rgb_profile = icc_is_rgb(profile, size);
        in->has_usable_profile = input_has_usable_profile(image, profile, size, &in->images[IMAGE_PROFILE_TEST]);
    }
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

/* Apply the profile of an image, or ignore it if it is damaged: the colors are sRGB afterward. */
static VipsImage *
apply_profile(input *in, VipsImage *frame)
{
    if (!in->has_usable_profile) {
        return frame;
    }
    (void)vips_icc_transform(frame, &in->images[IMAGE_PROFILED], "srgb", "embedded", TRUE, NULL);
    return in->images[IMAGE_PROFILED];
}

/* Round 16-bit samples to 8 bits, as for arrays. */
static VipsImage *
reduce_samples(input *in, VipsImage *frame, VipsInterpretation interpretation)
{
    if (vips_linear1(frame, &in->images[IMAGE_ROUNDED], 1.0 / 257, 0.5, "uchar", TRUE, NULL) == 0) {
        (void)vips_copy(in->images[IMAGE_ROUNDED], &in->images[IMAGE_CONVERTED], "interpretation", interpretation,
                        NULL);
    }
    return in->images[IMAGE_CONVERTED];
}

/* Convert an image to 8-bit gray or RGB, before it is resized. A profile for RGB is applied afterward, to fewer pixels,
   unless the samples have 16 bits. */
static VipsImage *
prepare_colors(input *in, VipsImage *frame)
{
    bool is_deep = vips_image_get_format(frame) == VIPS_FORMAT_USHORT;

    in->is_srgb = false;
    if (in->has_profile && (!in->has_rgb_profile || (is_deep && (in->options.keep & KEEP_ICC) == 0))) {
        frame = apply_profile(in, frame);
        in->is_srgb = true;
    }
    if (frame == NULL) {
        return NULL;
    }
    switch (vips_image_get_interpretation(frame)) {
    case VIPS_INTERPRETATION_B_W:
    case VIPS_INTERPRETATION_sRGB:
        if (vips_image_get_format(frame) == VIPS_FORMAT_UCHAR) {
            return frame;
        }
        break;
    case VIPS_INTERPRETATION_GREY16:
        if (is_deep) {
            return reduce_samples(in, frame, VIPS_INTERPRETATION_B_W);
        }
        break;
    case VIPS_INTERPRETATION_RGB16:
        if (is_deep) {
            return reduce_samples(in, frame, VIPS_INTERPRETATION_sRGB);
        }
        break;
    default:
        break;
    }
    (void)vips_colourspace(frame, &in->images[IMAGE_CONVERTED], VIPS_INTERPRETATION_sRGB, NULL);
    return in->images[IMAGE_CONVERTED];
}

/* Convert an image to RGB or RGBA: in its own color space if the profile is kept, otherwise in sRGB. */
static VipsImage *
finish_colors(input *in, VipsImage *frame)
{
    if (in->has_profile && !in->is_srgb && ((in->options.keep & KEEP_ICC) == 0 || !in->has_usable_profile)) {
        frame = apply_profile(in, frame);
        in->is_srgb = true;
    }
    if (frame != NULL && vips_image_get_interpretation(frame) != VIPS_INTERPRETATION_sRGB) {
        (void)vips_colourspace(frame, &in->images[IMAGE_COLORED], VIPS_INTERPRETATION_sRGB, NULL);
        frame = in->images[IMAGE_COLORED];
    }
    if (frame != NULL && vips_image_get_bands(frame) < 3) {
        vips_error("webpencode", "the image has %d bands, but is not grayscale", vips_image_get_bands(frame));
        return NULL;
    }
    if (frame != NULL && vips_image_get_bands(frame) > 4) {
        (void)vips_extract_band(frame, &in->images[IMAGE_BANDED], 0, "n", 4, NULL);
        frame = in->images[IMAGE_BANDED];
    }
    return frame;
}

/* Convert the background, which is sRGB, to the color space of a kept profile. */
static bool
convert_background(input *in, double *color)
{
    uint8_t pixel[3];
    VipsImage **steps = &in->images[IMAGE_BACKGROUND];
    VipsImage *profile = in->images[IMAGE_LOADED];
    const void *bytes;
    size_t size;

    memcpy(pixel, in->options.background, sizeof(pixel));
    for (int i = 0; i < 3; i++) {
        color[i] = pixel[i];
    }
    if (!in->has_usable_profile || in->is_srgb) {
        return true;
    }
    VipsImage *image = steps[0] = vips_image_new_from_memory_copy(pixel, sizeof(pixel), 1, 1, 3, VIPS_FORMAT_UCHAR);
    if (image == NULL || vips_copy(image, &steps[1], "interpretation", VIPS_INTERPRETATION_sRGB, NULL) != 0 ||
        vips_icc_import(steps[1], &steps[2], "input_profile", "srgb", NULL) != 0 ||
        vips_image_get_blob(profile, VIPS_META_ICC_NAME, &bytes, &size) != 0 ||
        vips_copy(steps[2], &steps[3], NULL) != 0) {
        return false;
    }
    vips_image_set_blob_copy(steps[3], VIPS_META_ICC_NAME, bytes, size);
    if (vips_icc_export(steps[3], &steps[4], NULL) != 0) {
        return false;
    }
    VipsRegion *region = vips_region_new(steps[4]);
    VipsRect all = {.width = 1, .height = 1};
    steps[5] = (VipsImage *)region; /* the array of images releases the region, which is a GObject too */
    if (region == NULL || vips_region_prepare(region, &all) != 0) {
        return false;
    }
    const uint8_t *converted = VIPS_REGION_ADDR_TOPLEFT(region);
    for (int i = 0; i < 3; i++) {
        color[i] = converted[i];
    }
    return true;
}

/* Open a JPEG again, shrunk on load, without the parts that are not needed. */
static VipsImage *
reload_jpeg(input *in, int shrink)
{
    const char *reduced = shrink == 2   ? FAIL_IF_TRUNCATED(",shrink=2")
                          : shrink == 4 ? FAIL_IF_TRUNCATED(",shrink=4")
                                        : FAIL_IF_TRUNCATED(",shrink=8");

    if (shrink == 8 && in->copy.size == 0 && jpeg_drop_details(in->data, in->size, &in->copy)) {
        return input_load(in, in->copy.bytes, in->copy.size, reduced, IMAGE_REDUCED_STREAMED);
    }
    return input_load(in, in->data, in->size, reduced, IMAGE_REDUCED_STREAMED);
}

/* Resize an image to the box and crop it; a JPEG is shrunk on load, if possible. */
static VipsImage *
resize_frame(input *in, VipsImage *frame, failure *failed)
{
    const shape_options *options = &in->options;
    bool is_swapped = options->autorotate && vips_image_get_orientation_swap(frame);
    int width = vips_image_get_width(frame);
    int height = in->frame_height;

    if (!check_upscale(options, is_swapped ? height : width, is_swapped ? width : height, failed)) {
        return NULL;
    }
    target_size target = is_swapped ? find_target(options, height, width) : find_target(options, width, height);
    target_size stored = target; /* before rotation */
    if (is_swapped) {
        stored.width = target.height;
        stored.height = target.width;
    }
    if (in->decoded == NULL && is_jpeg(in->data, in->size)) {
        int shrink = find_load_shrink(options, width, height, stored);

        if (shrink > 1 && (frame = reload_jpeg(in, shrink)) == NULL) {
            return NULL;
        }
    }
    frame = prepare_colors(in, frame);
    if (frame != NULL) {
        frame = resize_image(frame, stored.width, stored.height, options->filter, &in->images[IMAGE_RESIZED]);
    }
    if (frame != NULL && in->is_rotated) {
        frame = rotate_frame(in, frame);
    }
    if (frame != NULL && (target.crop_width < target.width || target.crop_height < target.height)) {
        (void)vips_crop(frame, &in->images[IMAGE_CROPPED], (target.width - target.crop_width) / 2,
                        (target.height - target.crop_height) / 2, target.crop_width, target.crop_height, NULL);
        frame = in->images[IMAGE_CROPPED];
    }
    return frame;
}

static VipsImage *
flatten_frame(input *in, VipsImage *frame)
{
    double color[3];

    if (!convert_background(in, color)) {
        return NULL;
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
        if (vips_addalpha(frame, &in->images[IMAGE_TRANSPARENT], NULL) != 0) {
            return NULL;
        }
        frame = in->images[IMAGE_TRANSPARENT];
    }
    if (in->options.has_background && !convert_background(in, color)) {
        return NULL;
    }
    VipsArrayDouble *background = vips_array_double_new(color, vips_image_get_bands(frame));
    (void)vips_gravity(frame, &in->images[IMAGE_PADDED], VIPS_COMPASS_DIRECTION_CENTRE, in->options.width,
                       in->options.height, "extend", VIPS_EXTEND_BACKGROUND, "background", background, NULL);
    vips_area_unref(VIPS_AREA(background));
    return in->images[IMAGE_PADDED];
}

/* Decode one frame of an animation. libvips stacks the frames in one image, whose rows it decodes from top to bottom:
   reading only those of this frame keeps one frame in memory, instead of all. */
static VipsImage *
read_frame(input *in, int number)
{
    VipsImage *stack = in->images[IMAGE_LOADED];

    release_frame(in);
    if (vips_crop(stack, &in->images[IMAGE_FRAME_STREAMED], 0, number * in->frame_height, vips_image_get_width(stack),
                  in->frame_height, NULL) == 0) {
        in->images[IMAGE_FRAME] = vips_image_copy_memory(in->images[IMAGE_FRAME_STREAMED]);
    }
    return in->images[IMAGE_FRAME];
}

VipsImage *
input_frame(input *in, int number, failure *failed)
{
    const shape_options *options = &in->options;
    bool has_box = options->width > 0 || options->height > 0;
    VipsImage *frame = in->decoded != NULL ? in->decoded : in->images[IMAGE_LOADED];

    if (in->frames > 1) {
        frame = read_frame(in, number);
        if (frame == NULL) {
            goto failed;
        }
    }
    in->is_rotated = options->autorotate && vips_image_get_orientation(frame) != 1;
    if (has_box) {
        frame = resize_frame(in, frame, failed);
    }
    else {
        frame = prepare_colors(in, frame);
        if (frame != NULL && in->is_rotated) {
            frame = rotate_frame(in, frame);
        }
    }
    if (frame != NULL) {
        frame = finish_colors(in, frame);
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

/* Copy the EXIF data and update them. */
static bool
copy_exif(VipsImage *frame, const picture_facts *facts, WebPData *exif)
{
    WebPData original = {NULL, 0};

    find_blob(frame, VIPS_META_EXIF_NAME, &original);
    exif_strip_prefix(&original);
    if (original.size == 0) {
        return true;
    }
    if (!WebPDataCopy(&original, exif)) {
        return false;
    }
    exif_update((uint8_t *)exif->bytes, exif->size, facts);
    return true;
}

/* Copy the XMP data, with the extension that a JPEG may have, and update them. */
static bool
copy_xmp(const input *in, VipsImage *frame, const picture_facts *facts, WebPData *xmp)
{
    WebPData original = {NULL, 0};
    WebPData extension = {NULL, 0};
    WebPData joined = {NULL, 0};

    if (is_jpeg(in->data, in->size)) {
        /* libvips does not distinguish the packet from its extension. */
        jpeg_find_xmp(in->data, in->size, &original);
    }
    else {
        find_blob(frame, VIPS_META_XMP_NAME, &original);
    }
    if (original.size == 0) {
        return true;
    }
    const uint8_t *id = is_jpeg(in->data, in->size) ? xmp_extension_id(&original) : NULL;
    bool done = (id == NULL || jpeg_find_xmp_extension(in->data, in->size, id, &extension)) &&
                (extension.size == 0 || xmp_join(&original, &extension, &joined)) &&
                xmp_update(joined.size > 0 ? &joined : &original, facts, xmp);
    WebPDataClear(&extension);
    WebPDataClear(&joined);
    return done;
}

bool
input_metadata(const input *in, VipsImage *frame, webp_metadata *metadata, failure *failed)
{
    int keep = in->options.keep;
    picture_facts facts = {
        .width = vips_image_get_width(frame),
        .height = vips_image_get_height(frame),
        .is_upright = in->is_rotated,
        .is_srgb = in->is_srgb,
    };

    if ((keep & KEEP_ICC) != 0 && !in->is_srgb) {
        find_blob(frame, VIPS_META_ICC_NAME, &metadata->icc);
    }
    if (((keep & KEEP_XMP) != 0 && !copy_xmp(in, frame, &facts, &metadata->xmp)) ||
        ((keep & KEEP_EXIF) != 0 && !copy_exif(frame, &facts, &metadata->exif))) {
        return fail(failed, FAILURE_MEMORY, "not enough memory for the metadata");
    }
    return true;
}
