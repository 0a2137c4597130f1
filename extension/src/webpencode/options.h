/* What a caller asks for, read from Python objects once and for all. */

#ifndef WEBPENCODE_OPTIONS_H
#define WEBPENCODE_OPTIONS_H

#include <Python.h>

#include <stdbool.h>
#include <stdint.h>

#include "webp.h"

/* As far as every libvips goes, in pixels. */
enum { LONGEST_SIDE = 10000000 };

/* As many threads as libvips starts for one image. */
enum { MOST_THREADS = 1024 };

/* How an image gets into the box of `width` and `height`. */
typedef enum { FIT_INSIDE, FIT_COVER, FIT_CONTAIN, FIT_FILL } fit_mode;

/* What of the metadata goes on. */
enum { KEEP_ICC = 1, KEEP_EXIF = 2, KEEP_XMP = 4 };

/* What becomes of the pixels between reading and encoding. */
typedef struct {
    int width;  /* of the box, in pixels; 0: no limit */
    int height; /* of the box, in pixels; 0: no limit */
    fit_mode fit;
    bool upscale;
    bool autorotate;
    bool has_background;
    uint8_t background[3];
    int64_t max_pixels;
    bool animated;
    int threads; /* 0: as libvips and libwebp choose */
    int keep;
} shape_options;

/* How they are encoded. */
typedef struct {
    WebPConfig config;
    int loop; /* -1: as the input says */
} codec_options;

/* Read the options, which are a tuple in the order of `SHAPE` and `CODEC` in __init__.py. Returns -1 with an exception
   that names the option and what it may be. */
int
read_shape_options(PyObject *values, shape_options *options);

int
read_codec_options(PyObject *values, codec_options *options);

#endif
