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
#include "webp.h"

/* Indices of the intermediate images between input and output; those of the current frame come last. */
enum {
    IMAGE_LOADED,
    IMAGE_DECODED,
    IMAGE_FIRST_OF_FRAME,
    IMAGE_FRAME = IMAGE_FIRST_OF_FRAME,
    IMAGE_IN_MEMORY,
    IMAGE_ROTATED,
    IMAGE_RESIZED,
    IMAGE_PROFILED,
    IMAGE_CONVERTED,
    IMAGE_BANDED,
    IMAGE_FLATTENED,
    IMAGE_PADDED,
    IMAGE_SENT,
    IMAGE_REDUCED,
    IMAGE_STRETCHED,
    IMAGE_SLOTS = IMAGE_STRETCHED + 4,
};

/* Loader options that make a truncated image an error, instead of an image with a gray rest. An option string, because
   vips_thumbnail_buffer() ignores its argument `fail_on`: https://github.com/libvips/libvips/issues/5195 */
#define FAIL_IF_TRUNCATED(options) (libvips_is_at_least(8, 12) ? "fail_on=truncated" options : "fail=true" options)

/* An opened input with its images. */
typedef struct {
    const void *data;
    size_t size;
    shape_options options;
    VipsArea *owner; /* releases all images at once */
    VipsImage **images;
    VipsImage *decoded; /* pixels of an array, or all frames of an animation, stacked; NULL for a still image file */
    int frame_height;
    int frames;
    int loop;
    int *delays; /* in milliseconds, one per frame; may be shorter than `frames` */
    int delay_count;
    bool is_rotated; /* the orientation was applied and must be reset in the EXIF data */
    bool is_srgb;    /* was converted to sRGB, so the profile must be dropped */
} input;

/* The header of an image file; sizes in pixels as stored, before rotation. */
typedef struct {
    char format[16]; /* "jpeg", "png" … */
    int width, height, frames, orientation;
    bool has_alpha, has_icc;
} description;

/* Open an image file: check its format and limits, and read its header. An input must always be closed with
   input_close(), even if opening failed. */
bool
input_open(input *in, const void *data, size_t size, const shape_options *options, failure *failed);

/* Open contiguous pixels in memory: 8-bit gray, gray with alpha, RGB or RGBA. */
bool
input_open_pixels(input *in, const void *pixels, int width, int height, int bands, const shape_options *options,
                  failure *failed);

void
input_close(input *in);

/* Read the header of an image file without decoding pixels. */
bool
input_describe(const void *data, size_t size, description *header, failure *failed);

/* Return one frame as 8-bit RGB or RGBA, with all options applied; NULL after a failure. Valid until the next call. */
VipsImage *
input_frame(input *in, int number, failure *failed);

/* Return the display time of a frame in milliseconds. */
int
input_delay(const input *in, int number);

/* Pass the rows of a frame to `write` from top to bottom. `write` returns 0, or -1 to stop. */
bool
input_send(input *in, VipsImage *frame, VipsRegionWrite write, void *to, failure *failed);

/* Collect the metadata of a frame that is to be kept. If the EXIF data must be changed, `exif` holds the modified copy,
   which the caller frees with WebPDataClear(). */
bool
input_metadata(const input *in, VipsImage *frame, webp_metadata *metadata, WebPData *exif, failure *failed);

#endif
