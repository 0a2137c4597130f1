/* Encodes rows of pixels with libwebp into a WebP file in memory. No function here uses Python objects or libvips. */

#ifndef WEBPENCODE_WEBP_H
#define WEBPENCODE_WEBP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "libraries.h"

/* The longest side that the format allows, in pixels. */
enum { WEBP_MAX_SIDE = 16383 };

/* One frame that is passed to libwebp; rows are added from top to bottom and converted immediately. */
typedef struct {
    WebPPicture picture;
    int bands;          /* 3: RGB, 4: RGBA, one byte each */
    int rows;           /* number of rows in the picture */
    bool transparent;   /* whether any pixel is transparent */
    bool out_of_memory; /* the only possible error */
    uint8_t *strip;     /* rows that are not converted yet: libwebp converts pairs of rows */
    int strip_rows;     /* number of rows in the strip */
} webp_frame;

/* Metadata chunks of a file; empty ones are omitted. */
typedef struct {
    WebPData icc, exif, xmp;
} webp_metadata;

/* Initialize a frame for pixels of `bands` bytes. With `argb`, they are not converted to YUV: for lossless encoding,
   animations and sharp YUV. A frame must always be cleared with webp_frame_clear(), even after a failure. Returns false
   if there is not enough memory. */
bool
webp_frame_start(webp_frame *frame, int width, int height, int bands, bool argb);

/* Add `count` rows, `stride` bytes apart. Returns false if there is not enough memory. */
bool
webp_frame_add(webp_frame *frame, const uint8_t *rows, size_t stride, int count);

void
webp_frame_clear(webp_frame *frame);

/* Return the message for an error code of libwebp; sets `no_memory` to true if memory was the cause. */
const char *
webp_error_message(WebPEncodingError code, bool *no_memory);

/* Encode a frame to which all rows were added. Returns NULL and sets `file`, which the caller frees with
   WebPDataClear(), or returns a static error message; sets `no_memory` to true if memory was the cause. */
const char *
webp_encode_frame(webp_frame *frame, const WebPConfig *config, WebPData *file, bool *no_memory);

/* State in the header of an animation that it contains transparency. libwebp states it only if a frame itself is
   transparent, but a first frame that does not cover the canvas shows the transparent canvas too. */
void
webp_mark_transparent(WebPData *file);

/* Add metadata to an encoded file, which is replaced. Returns NULL or an error message, like webp_encode_frame(). */
const char *
webp_add_metadata(WebPData *file, const webp_metadata *metadata, bool *no_memory);

#endif
