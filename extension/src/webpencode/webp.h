/* libwebp: rows of pixels in, one WebP file in memory out. No function here touches a Python object or libvips. */

#ifndef WEBPENCODE_WEBP_H
#define WEBPENCODE_WEBP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "libraries.h"

/* As far as the format goes, in pixels. */
enum { WEBP_LONGEST_SIDE = 16383 };

/* Room for what is said about a failure. */
enum { WEBP_WORDS_SIZE = 256 };

/* One picture on its way into the codec: rows come in from top to bottom, and are converted as they come. */
typedef struct {
    WebPPicture picture;
    int bands;        /* 3: RGB, 4: RGBA, one byte each */
    int rows;         /* that are in the picture already */
    bool transparent; /* some pixel so far is */
    bool failed;      /* for want of memory: nothing else can go wrong */
    uint8_t *strip;   /* rows that wait for more: the codec takes pairs of rows */
    int waiting;      /* rows in the strip */
} webp_frame;

/* What goes around the pictures; a part with no bytes is left out. */
typedef struct {
    WebPData icc, exif, xmp;
} webp_metadata;

/* Make a frame for pixels of `bands` bytes; with `argb` they are kept as they are, for lossless coding, animations and
   sharp YUV. Every frame is cleared after use, also one whose start failed. Returns false when memory is short. */
bool
webp_frame_start(webp_frame *frame, int width, int height, int bands, bool argb);

/* Add `count` rows, `stride` bytes apart. Returns false when memory is short. */
bool
webp_frame_add(webp_frame *frame, const uint8_t *rows, size_t stride, int count);

void
webp_frame_clear(webp_frame *frame);

/* Say what libwebp's number for a failure means; `no_memory` becomes true where it is that. */
const char *
webp_explain(WebPEncodingError code, bool *no_memory);

/* Encode a frame to which every row was added. Returns NULL and the file, to be freed with WebPDataClear(), or what
   went wrong: a text of libwebp's kind, never to be freed; `no_memory` says whether it was memory. */
const char *
webp_encode_frame(webp_frame *frame, const WebPConfig *config, WebPData *file, bool *no_memory);

/* Put metadata around a finished file, which is replaced. Returns as webp_encode_frame() does. */
const char *
webp_add_metadata(WebPData *file, const webp_metadata *metadata, bool *no_memory);

#endif
