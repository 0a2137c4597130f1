/* Reads image files and arrays with libvips and returns frames that are ready to be encoded. No function here uses
   Python objects; all are called between libvips_enter() and libvips_leave(). */

#ifndef WEBPENCODE_IMAGES_H
#define WEBPENCODE_IMAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "failure.h"
#include "libraries.h"
#include "options.h"
#include "resize.h"
#include "webp.h"

/* Indices of the intermediate images between input and output; those of the current frame come last. */
enum { PROFILE_STEPS = 3 };
enum {
    IMAGE_STREAMED,
    IMAGE_LOADED,
    IMAGE_PROFILE_TEST,
    IMAGE_DECODED = IMAGE_PROFILE_TEST + PROFILE_STEPS,
    IMAGE_FIRST_OF_FRAME,
    IMAGE_FRAME_STREAMED = IMAGE_FIRST_OF_FRAME,
    IMAGE_FRAME,
    IMAGE_REDUCED_STREAMED,
    IMAGE_REDUCED,
    IMAGE_PROFILED,
    IMAGE_ROUNDED,
    IMAGE_CONVERTED,
    IMAGE_RESIZED,
    IMAGE_IN_MEMORY = IMAGE_RESIZED + RESIZE_STEPS,
    IMAGE_ROTATED,
    IMAGE_CROPPED,
    IMAGE_COLORED,
    IMAGE_BANDED,
    IMAGE_BACKGROUND,
    IMAGE_FLATTENED = IMAGE_BACKGROUND + 6,
    IMAGE_TRANSPARENT,
    IMAGE_PADDED,
    IMAGE_SENT,
    IMAGE_SLOTS,
};

/* Loader options that make a truncated image an error, instead of an image with a gray rest. An option string, because
   vips_thumbnail_buffer() ignores its argument `fail_on`: https://github.com/libvips/libvips/issues/5195 */
#define FAIL_IF_TRUNCATED(options) (libvips_is_at_least(8, 12) ? "fail_on=truncated" options : "fail=true" options)

/* An opened input with its images. */
typedef struct {
    const void *data;
    size_t size;
    WebPData copy; /* the file with its metadata rearranged, or only the parts that are needed, if there are others */
    shape_options options;
    VipsArea *owner; /* releases all images at once */
    VipsImage **images;
    VipsImage *decoded; /* pixels of an array; NULL for a file */
    int frame_height;
    int frames;
    int loop;
    int *delays; /* in milliseconds, one per frame; may be shorter than `frames` */
    int delay_count;
    bool in_memory;   /* decode the whole file first: its rows cannot be read in the order in which they are needed */
    bool has_profile; /* the file has a color profile … */
    bool has_rgb_profile;    /* … for RGB */
    bool has_usable_profile; /* … that libvips can apply */
    bool is_rotated;         /* the orientation was applied and must be reset in the EXIF data */
    bool is_srgb;            /* was converted to sRGB, so the profile must be dropped */
} input;

/* The header of an image file; sizes in pixels as stored, before rotation. */
typedef struct {
    char format[16]; /* "jpeg", "png" … */
    int width, height, frames, orientation;
    bool has_alpha, has_icc, has_usable_icc;
} description;

/* Open an image file: check its format and limits, and read its header. An input must always be closed with
   input_close(), even if opening failed. With `in_memory`, the whole file is decoded before the first row is used. */
bool
input_open(input *in, const void *data, size_t size, const shape_options *options, bool in_memory, failure *failed);

/* Whether the last call failed because the rows of a file were needed in another order than the file has them: then it
   must be opened again `in_memory`. Happens in tall images, depending on the timing of libvips' threads. */
bool
input_is_out_of_order(const failure *failed);

/* Open a file with options of its loader. The image is decoded row by row, or at once if `in_memory` is set. Uses the
   image slots `slot` and `slot` + 1; the result, or NULL, is in the second. */
VipsImage *
input_load(input *in, const void *data, size_t size, const char *options, int slot);

/* Whether libvips can apply a profile to an image: it is tried on a single black pixel of the same kind. `steps` has
   space for PROFILE_STEPS images, which the caller releases. */
bool
input_has_usable_profile(VipsImage *image, const void *profile, size_t size, VipsImage **steps);

/* Find out whether an image has a color profile, and whether it can be used. One without a required tag is treated like
 * none.
 */
void
input_check_profile(input *in, VipsImage *image);

/* Open contiguous pixels in memory: 8-bit gray, gray with alpha, RGB or RGBA. */
bool
input_open_pixels(input *in, const void *pixels, int width, int height, int bands, const shape_options *options,
                  failure *failed);

void
input_close(input *in);

/* Read the header of an image file without decoding pixels. */
bool
input_describe(const void *data, size_t size, description *header, failure *failed);

/* Return one frame as 8-bit RGB or RGBA, with all options applied; NULL after a failure. Valid until the next call.
   Frames must be requested from first to last, because only one is decoded at a time. */
VipsImage *
input_frame(input *in, int number, failure *failed);

/* Return the display time of a frame in milliseconds. */
int
input_delay(const input *in, int number);

/* Pass the rows of a frame to `write` from top to bottom. `write` returns 0, or -1 to stop. */
bool
input_send(input *in, VipsImage *frame, VipsRegionWrite write, void *to, failure *failed);

/* Collect the metadata of a frame that is to be kept, so that it describes the encoded picture. The caller frees the
   EXIF and XMP data with WebPDataClear(), also after a failure. */
bool
input_metadata(const input *in, VipsImage *frame, webp_metadata *metadata, failure *failed);

#endif
