#include "resize.h"

#include <math.h>

#include "box_filters.h"

/* Whether the whole image must fit in the box, rather than cover or fill it. */
static bool
must_fit_inside(const shape_options *options)
{
    return options->width == 0 || options->height == 0 || options->fit == FIT_INSIDE || options->fit == FIT_CONTAIN;
}

static int
scale_side(int side, double scale)
{
    return VIPS_MAX(1, (int)rint(side / scale));
}

target_size
find_target(const shape_options *options, int width, int height)
{
    double horizontal = options->width > 0 ? (double)width / options->width : 0;
    double vertical = options->height > 0 ? (double)height / options->height : 0;
    target_size target;

    if (options->fit == FIT_FILL && !must_fit_inside(options)) {
        target.width = options->upscale ? options->width : VIPS_MIN(width, options->width);
        target.height = options->upscale ? options->height : VIPS_MIN(height, options->height);
    }
    else {
        double scale = must_fit_inside(options) ? VIPS_MAX(horizontal, vertical) : VIPS_MIN(horizontal, vertical);

        if (!options->upscale && scale < 1) {
            scale = 1;
        }
        target.width = scale_side(width, scale);
        target.height = scale_side(height, scale);
    }
    target.crop_width = target.width;
    target.crop_height = target.height;
    if (options->fit == FIT_COVER && !must_fit_inside(options)) {
        target.crop_width = VIPS_MIN(target.width, options->width);
        target.crop_height = VIPS_MIN(target.height, options->height);
    }
    return target;
}

bool
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

int
find_load_shrink(const shape_options *options, int width, int height, target_size target)
{
    double scale = VIPS_MIN((double)width / target.width, (double)height / target.height);
    /* Incomplete pixels at the right and bottom edges are lost: allow up to a quarter of a result pixel, and none if
       the image must cover or fill the box, because the crop would move. */
    double max_loss = must_fit_inside(options) ? scale / 4 : 0;

    for (int shrink = options->filter == FILTER_NEAREST ? 1 : 8; shrink > 1; shrink /= 2) {
        if (scale >= shrink && width % shrink <= max_loss && height % shrink <= max_loss) {
            return shrink;
        }
    }
    return 1;
}

enum { PREMULTIPLIED, SCALED, UNPREMULTIPLIED = SCALED + BOX_STEPS, ROUNDED, WHOLE };

/* Resize an image without regard to alpha. */
static VipsImage *
scale_image(VipsImage *image, int width, int height, filter_kind filter, VipsImage **steps)
{
    static const VipsKernel kernels[] = {
        [FILTER_LANCZOS3] = VIPS_KERNEL_LANCZOS3, [FILTER_LANCZOS2] = VIPS_KERNEL_LANCZOS2,
        [FILTER_MITCHELL] = VIPS_KERNEL_MITCHELL, [FILTER_CUBIC] = VIPS_KERNEL_CUBIC,
        [FILTER_LINEAR] = VIPS_KERNEL_LINEAR,
    };

    if (filter == FILTER_AREA || filter == FILTER_NEAREST) {
        return box_resize(image, width, height, filter == FILTER_NEAREST, steps);
    }
    (void)vips_resize(image, &steps[0], (double)width / vips_image_get_width(image), "vscale",
                      (double)height / vips_image_get_height(image), "kernel", kernels[filter], NULL);
    return steps[0];
}

VipsImage *
resize_image(VipsImage *image, int width, int height, filter_kind filter, VipsImage **steps)
{
    if (width == vips_image_get_width(image) && height == vips_image_get_height(image)) {
        return image;
    }
    if (!vips_image_hasalpha(image) || filter == FILTER_NEAREST) {
        return scale_image(image, width, height, filter, &steps[SCALED]);
    }
    if (vips_premultiply(image, &steps[PREMULTIPLIED], NULL) != 0) {
        return NULL;
    }
    VipsImage *scaled = scale_image(steps[PREMULTIPLIED], width, height, filter, &steps[SCALED]);
    if (scaled != NULL && vips_unpremultiply(scaled, &steps[UNPREMULTIPLIED], NULL) == 0 &&
        /* A cast truncates. */
        vips_round(steps[UNPREMULTIPLIED], &steps[ROUNDED], VIPS_OPERATION_ROUND_RINT, NULL) == 0) {
        (void)vips_cast(steps[ROUNDED], &steps[WHOLE], VIPS_FORMAT_UCHAR, NULL);
    }
    return steps[WHOLE];
}
