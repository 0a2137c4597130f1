/* The options of a call, parsed once from Python objects. */

#ifndef WEBPENCODE_OPTIONS_H
#define WEBPENCODE_OPTIONS_H

#include <Python.h>

#include <stdbool.h>
#include <stdint.h>

#include "webp.h"

/* The longest side that all versions of libvips support, in pixels. */
enum { MAX_SIDE = 10000000 };

/* The maximum number of threads that libvips starts for one image. */
enum { MAX_THREADS = 1024 };

/* How an image is fitted into the box of `width` and `height`. */
typedef enum { FIT_INSIDE, FIT_COVER, FIT_CONTAIN, FIT_FILL } fit_mode;

/* How the pixels of a resized image are computed. */
typedef enum {
    FILTER_LANCZOS3,
    FILTER_LANCZOS2,
    FILTER_MITCHELL,
    FILTER_CUBIC,
    FILTER_LINEAR,
    FILTER_AREA,
    FILTER_NEAREST
} filter_kind;

/* The kinds of metadata to keep, as flags. */
enum { KEEP_ICC = 1, KEEP_EXIF = 2, KEEP_XMP = 4 };

/* Options for reading and resizing. */
typedef struct {
    int width;  /* of the box, in pixels; 0: no limit */
    int height; /* of the box, in pixels; 0: no limit */
    fit_mode fit;
    filter_kind filter;
    bool upscale;
    bool autorotate;
    bool has_background;
    uint8_t background[3];
    int64_t max_pixels;
    bool animated;
    int threads; /* 0: chosen by libvips and libwebp */
    int keep;    /* KEEP_ flags */
} shape_options;

/* Options for encoding. */
typedef struct {
    WebPConfig config;
    int loop; /* -1: as in the input */
} codec_options;

/* Read the options from a tuple, in the order in which encode() in __init__.py passes them. Returns -1 with an
   exception that names the option and its allowed values. */
int
read_shape_options(PyObject *values, shape_options *options);

int
read_codec_options(PyObject *values, codec_options *options);

#endif
