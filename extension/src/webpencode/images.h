/* libvips: the bytes of a file in, pictures that are ready to be encoded out. No function here touches a Python object;
   all are called between libvips_enter() and libvips_leave(). */

#ifndef WEBPENCODE_IMAGES_H
#define WEBPENCODE_IMAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "failure.h"
#include "libraries.h"
#include "options.h"
#include "webp.h"

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
    IMAGE_SLOTS = IMAGE_STRETCHED + 4,
};

/* An image that ends early is an error, never a picture with a grey end. As an option's text, since
   vips_thumbnail_buffer() takes `fail_on` too, but does not hand it on to the loader. */
#define FAIL_EARLY(more) (libvips_is_at_least(8, 12) ? "fail_on=truncated" more : "fail=true" more)

/* An input with all that was opened for it. */
typedef struct {
    const void *data;
    size_t size;
    shape_options options;
    VipsArea *owner; /* lets go of all images at once */
    VipsImage **images;
    VipsImage *roll; /* all frames of an animation, one below the other; NULL for a still image */
    int frame_height;
    int frames;
    int loop;
    int *delays; /* in milliseconds, one for each frame that has one */
    int delay_count;
    bool is_turned; /* and must not say any more that it is to be */
    bool is_srgb;   /* was converted, and needs no profile any more */
} input;

/* What a file says about itself, in pixels as they are stored. */
typedef struct {
    char format[16]; /* "jpeg", "png" … */
    int width, height, frames, orientation;
    bool has_alpha, has_icc;
} description;

/* Read the header of a file of a known format that is not larger than it may be. Every input is closed after use, also
   one that could not be opened. */
bool
input_open(input *in, const void *data, size_t size, const shape_options *options, failure *failed);

/* Open pixels in memory: 8-bit grey, grey with alpha, RGB or RGBA, without gaps. */
bool
input_open_pixels(input *in, const void *pixels, int width, int height, int bands, const shape_options *options,
                  failure *failed);

void
input_close(input *in);

/* Say what the header of a file says, without decoding a pixel. */
bool
input_describe(const void *data, size_t size, description *found, failure *failed);

/* Return one frame as 8-bit sRGB or RGBA, shaped as the options say; NULL after a failure. It lives until the next one
   is asked for. */
VipsImage *
input_frame(input *in, int number, failure *failed);

/* Return the time for which a frame is shown, in milliseconds. */
int
input_delay(const input *in, int number);

/* Send the rows of a frame to `write` from top to bottom. It returns 0, or -1 to end. */
bool
input_send(input *in, VipsImage *frame, VipsRegionWrite write, void *to, failure *failed);

/* Find what of a frame's metadata goes on; `exif` takes a copy where it had to be changed, to be freed with
   WebPDataClear(). */
bool
input_metadata(const input *in, VipsImage *frame, webp_metadata *metadata, WebPData *exif, failure *failed);

#endif
