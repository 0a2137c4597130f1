#include "encode.h"

#include <stdlib.h>
#include <string.h>

#include "_webpencodemodule.h"
#include "arrays.h"
#include "failure.h"
#include "images.h"
#include "libvips.h"
#include "options.h"
#include "small_images.h"
#include "webp.h"

/* Number of pixels up to which a second thread costs more time than it saves. */
enum { SMALL_PICTURE = 256 * 256 };

static bool
fail_encoder(failure *failed, const char *message, bool no_memory)
{
    return fail(failed, no_memory ? FAILURE_MEMORY : FAILURE_ENCODER, message);
}

/* Record why an animation failed. Its encoder provides only a text that ends with a number: a WebPEncodingError, or a
   negative WebPMuxError. */
static bool
fail_animation(failure *failed, WebPAnimEncoder *encoder)
{
    const char *message = WebPAnimEncoderGetError(encoder);
    const char *end = strrchr(message, ':');
    long number = end != NULL ? strtol(end + 1, NULL, 10) : 0;
    bool no_memory = number == WEBP_MUX_MEMORY_ERROR;

    if (number > 0) {
        message = webp_error_message((WebPEncodingError)number, &no_memory);
    }
    return fail_encoder(failed, no_memory ? "not enough memory for the animation" : message, no_memory);
}

/* Reject an image with a side that WebP does not support. */
static bool
check_sides(int width, int height, failure *failed)
{
    int longest = width > height ? width : height;

    return longest <= WEBP_MAX_SIDE ||
           fail_limit(failed, longest, WEBP_MAX_SIDE,
                      "the image is %d x %d pixels, and WebP allows at most %d per side", width, height, WEBP_MAX_SIDE);
}

/* Return the caller's options for libwebp, with the number of threads. */
static WebPConfig
tune_config(const codec_options *codec, const shape_options *shape, long long pixels)
{
    WebPConfig config = codec->config;

    config.thread_level = shape->threads != 1 && pixels > SMALL_PICTURE;
    return config;
}

/* Whether libwebp must convert the colors itself: for lossless encoding, sharp YUV, or the dithering of the photo
 * preset. */
static bool
needs_argb(const WebPConfig *config)
{
    return config->lossless || config->use_sharp_yuv || config->preprocessing > 0;
}

/* Callback for libvips: receives the rows of a frame in order, from a background thread. */
static int
add_rows(VipsRegion *region, VipsRect *area, void *to)
{
    webp_frame *frame = to;

    frame->out_of_memory = !webp_frame_add(frame, VIPS_REGION_ADDR(region, area->left, area->top),
                                           VIPS_REGION_LSKIP(region), area->height);
    return frame->out_of_memory ? -1 : 0;
}

/* Read the pixels of one frame of an input into a WebP frame. */
static bool
read_frame(input *in, VipsImage *image, bool argb, webp_frame *frame, failure *failed)
{
    int width = vips_image_get_width(image);
    int height = vips_image_get_height(image);

    if (!check_sides(width, height, failed)) {
        return false;
    }
    if (!webp_frame_start(frame, width, height, vips_image_get_bands(image), argb)) {
        return fail(failed, FAILURE_MEMORY, "not enough memory for the image");
    }
    failure read_failure = {.kind = NO_FAILURE};
    if (input_send(in, image, add_rows, frame, &read_failure) && frame->rows == height) {
        return true;
    }
    return frame->out_of_memory ? fail(failed, FAILURE_MEMORY, "not enough memory for the image")
                                : fail(failed, FAILURE_UNREADABLE, read_failure.message);
}

static bool
encode_still(input *in, const codec_options *codec, WebPData *file, failure *failed)
{
    webp_frame frame = {.bands = 0};
    webp_metadata metadata = {.icc = {NULL, 0}, .exif = {NULL, 0}, .xmp = {NULL, 0}};
    bool no_memory = false;
    bool done = false;
    VipsImage *image = input_frame(in, 0, failed);

    if (image == NULL) {
        return false;
    }
    WebPConfig config =
        tune_config(codec, &in->options, (long long)vips_image_get_width(image) * vips_image_get_height(image));
    if (!WebPPictureInit(&frame.picture) || !read_frame(in, image, needs_argb(&config), &frame, failed)) {
        goto done;
    }
    const char *message = webp_encode_frame(&frame, &config, file, &no_memory);
    if (message == NULL && input_metadata(in, image, &metadata, failed)) {
        message = webp_add_metadata(file, &metadata, &no_memory);
    }
    done = failed->kind == NO_FAILURE && (message == NULL || fail_encoder(failed, message, no_memory));

done:
    WebPDataClear(&metadata.exif);
    WebPDataClear(&metadata.xmp);
    webp_frame_clear(&frame);
    return done;
}

/* Add every frame of an animation to an encoder, which is created when the size of the first frame is known. */
static bool
add_frames(input *in, const codec_options *codec, WebPAnimEncoder **encoder, webp_metadata *metadata,
           bool *is_transparent, failure *failed)
{
    WebPAnimEncoderOptions settings;
    WebPConfig config = tune_config(codec, &in->options, 0);
    unsigned time = 0; /* in milliseconds; may wrap around, because libwebp uses only differences */
    int loop = codec->loop >= 0 ? codec->loop : in->loop >= 0 ? in->loop : 0;

    if (!WebPAnimEncoderOptionsInit(&settings)) {
        return fail(failed, FAILURE_ENCODER,
                    "this version of libwebp is incompatible with the one that this module was built for");
    }
    settings.anim_params.loop_count = loop;
    if (config.target_size > 0) {
        config.target_size = config.target_size / in->frames + 1;
    }
    for (int number = 0; number < in->frames; number++) {
        webp_frame frame = {.bands = 0};
        VipsImage *image = input_frame(in, number, failed);
        /* The encoder compares ARGB frames: a conversion to YUV and back would lose time and color. */
        bool done = image != NULL && WebPPictureInit(&frame.picture) && read_frame(in, image, true, &frame, failed);

        *is_transparent = *is_transparent || (done && WebPPictureHasTransparency(&frame.picture));
        if (done && *encoder == NULL) {
            *encoder = WebPAnimEncoderNew(frame.picture.width, frame.picture.height, &settings);
            if (*encoder == NULL) {
                done = fail(failed, FAILURE_MEMORY, "not enough memory for the animation");
            }
        }
        if (done && number == in->frames - 1) {
            done = input_metadata(in, image, metadata, failed);
            /* Read from the last frame: libvips frees the metadata together with its frame. */
        }
        if (done && !WebPAnimEncoderAdd(*encoder, &frame.picture, (int)time, &config)) {
            done = fail_animation(failed, *encoder);
        }
        time += (unsigned)input_delay(in, number);
        webp_frame_clear(&frame);
        if (!done) {
            return false;
        }
    }
    return WebPAnimEncoderAdd(*encoder, NULL, (int)time, NULL) || fail_animation(failed, *encoder);
}

static bool
encode_animation(input *in, const codec_options *codec, WebPData *file, failure *failed)
{
    WebPAnimEncoder *encoder = NULL;
    webp_metadata metadata = {.icc = {NULL, 0}, .exif = {NULL, 0}, .xmp = {NULL, 0}};
    bool no_memory = false;
    const char *message = NULL;
    bool is_transparent = false;
    bool done = add_frames(in, codec, &encoder, &metadata, &is_transparent, failed);

    if (done && !WebPAnimEncoderAssemble(encoder, file)) {
        done = fail_animation(failed, encoder);
    }
    if (done) {
        message = webp_add_metadata(file, &metadata, &no_memory);
        done = message == NULL || fail_encoder(failed, message, no_memory);
    }
    if (done && is_transparent) {
        webp_mark_transparent(file);
    }
    WebPAnimEncoderDelete(encoder);
    WebPDataClear(&metadata.exif);
    WebPDataClear(&metadata.xmp);
    return done;
}

static bool
encode_input(input *in, const codec_options *codec, WebPData *file, failure *failed)
{
    return in->frames > 1 ? encode_animation(in, codec, file, failed) : encode_still(in, codec, file, failed);
}

static bool
open_and_encode(const void *data, size_t size, const shape_options *shape, const codec_options *codec, bool in_memory,
                WebPData *file, failure *failed)
{
    input in;
    bool done = input_open(&in, data, size, shape, in_memory, failed) && encode_input(&in, codec, file, failed);

    input_close(&in);
    return done;
}

/* Encode an image file. */
static bool
encode_file(const void *data, size_t size, const shape_options *shape, const codec_options *codec, WebPData *file,
            failure *failed)
{
    if (open_and_encode(data, size, shape, codec, false, file, failed)) {
        return true;
    }
    if (!input_is_out_of_order(failed)) {
        return false;
    }
    *failed = (failure){.kind = NO_FAILURE};
    return open_and_encode(data, size, shape, codec, true, file, failed);
}

/* Whether libvips must resize the pixels before they are encoded. */
static bool
needs_resize(const shape_options *shape)
{
    return shape->width > 0 || shape->height > 0;
}

static bool
check_pixels(const pixels *array, const shape_options *shape, failure *failed)
{
    long long count = (long long)array->width * array->height;

    return count <= shape->max_pixels ||
           fail_limit(failed, count, shape->max_pixels, "the array has %lld pixels (%d x %d), and max_pixels is %lld",
                      count, array->width, array->height, (long long)shape->max_pixels);
}

/* Encode an array with libwebp only, without libvips. */
static bool
encode_pixels(const pixels *array, const shape_options *shape, const codec_options *codec, WebPData *file,
              failure *failed)
{
    WebPConfig config = tune_config(codec, shape, (long long)array->width * array->height);
    bool is_flattened = shape->has_background && pixels_bands(array) == 4;
    int bands = is_flattened ? 3 : pixels_bands(array);
    webp_frame frame = {.bands = 0};
    uint8_t *row = NULL;
    bool no_memory = false;
    bool done = check_pixels(array, shape, failed) && check_sides(array->width, array->height, failed) &&
                WebPPictureInit(&frame.picture);

    if (done && !webp_frame_start(&frame, array->width, array->height, bands, needs_argb(&config))) {
        done = fail(failed, FAILURE_MEMORY, "not enough memory for the image");
    }
    if (done && pixels_are_plain(array) && !is_flattened) {
        done = webp_frame_add(&frame, array->samples, (size_t)array->row, array->height);
    }
    else if (done) {
        size_t row_size = (size_t)array->width * (size_t)bands;

        row = WebPMalloc((size_t)array->width * 4);
        done = row != NULL;
        for (int y = 0; done && y < array->height; y++) {
            pixels_expand_row(array, y, row);
            if (is_flattened) {
                flatten_row(row, array->width, shape->background);
            }
            done = webp_frame_add(&frame, row, row_size, 1);
        }
    }
    if (!done) {
        (void)fail(failed, FAILURE_MEMORY, "not enough memory for the image");
    }
    else {
        const char *message = webp_encode_frame(&frame, &config, file, &no_memory);

        done = message == NULL || fail_encoder(failed, message, no_memory);
    }
    WebPFree(row);
    webp_frame_clear(&frame);
    return done;
}

/* Encode an array after resizing it with libvips. */
static bool
encode_resized_pixels(const pixels *array, const shape_options *shape, const codec_options *codec, WebPData *file,
                      failure *failed)
{
    size_t row_size = (size_t)array->width * (size_t)array->bands;
    uint64_t whole_size = (uint64_t)row_size * (uint64_t)array->height;
    uint8_t *copy = NULL;
    const uint8_t *samples = array->samples;
    input in = {.owner = NULL};

    if (!check_pixels(array, shape, failed)) {
        return false;
    }
    if (!pixels_are_dense(array)) {
        samples = copy = whole_size > PY_SSIZE_T_MAX ? NULL : WebPMalloc((size_t)whole_size);
        if (copy == NULL) {
            return fail(failed, FAILURE_MEMORY, "not enough memory for the pixels");
        }
        for (int y = 0; y < array->height; y++) {
            pixels_copy_row(array, y, copy + (size_t)y * row_size);
        }
    }
    bool done = input_open_pixels(&in, samples, array->width, array->height, array->bands, shape, failed) &&
                encode_input(&in, codec, file, failed);

    input_close(&in);
    WebPFree(copy);
    return done;
}

/* Encode a small image file without libvips. Returns false if libvips must encode the file. */
static bool
encode_small_file(const void *data, size_t size, const shape_options *shape, const codec_options *codec, WebPData *file,
                  failure *failed)
{
    small_image image;

    if (needs_resize(shape) || !small_image_decode(data, size, &image)) {
        return false;
    }
    pixels array = {.samples = image.samples,
                    .width = image.width,
                    .height = image.height,
                    .bands = image.bands,
                    .size = 1,
                    .row = (Py_ssize_t)image.width * image.bands,
                    .column = image.bands,
                    .band = 1};
    bool is_allowed = (long long)image.width * image.height <= shape->max_pixels;

    if (is_allowed) {
        (void)encode_pixels(&array, shape, codec, file, failed);
    }
    WebPFree(image.samples);
    return is_allowed;
}

/* Encode the bytes of an image file. Returns -1 with an exception set; other failures are recorded in `failed`. */
static int
encode_source(PyObject *module, PyObject *source, const shape_options *shape, const codec_options *codec,
              WebPData *file, failure *failed)
{
    Py_buffer buffer;
    bool done = true;

    /* Held while it is read, so that no other thread can resize or free it. */
    if (PyObject_GetBuffer(source, &buffer, PyBUF_SIMPLE) < 0) {
        return -1;
    }
    if (buffer.len == 0) {
        (void)fail(failed, FAILURE_UNREADABLE, "the input is empty");
    }
    else {
        Py_BEGIN_ALLOW_THREADS
        done = encode_small_file(buffer.buf, (size_t)buffer.len, shape, codec, file, failed);
        Py_END_ALLOW_THREADS
    }
    if (!done) {
        if (!libraries_open(module, NEEDS_LIBVIPS)) {
            PyBuffer_Release(&buffer);
            return -1;
        }
        Py_BEGIN_ALLOW_THREADS
        WITH_LIBVIPS(failed, (void)encode_file(buffer.buf, (size_t)buffer.len, shape, codec, file, failed));
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&buffer);
    return 0;
}

static int
encode_array(PyObject *module, const pixels *array, const shape_options *shape, const codec_options *codec,
             WebPData *file, failure *failed)
{
    if (needs_resize(shape) && !libraries_open(module, NEEDS_LIBVIPS)) {
        return -1;
    }
    Py_BEGIN_ALLOW_THREADS
    if (!needs_resize(shape)) {
        (void)encode_pixels(array, shape, codec, file, failed);
    }
    else {
        WITH_LIBVIPS(failed, (void)encode_resized_pixels(array, shape, codec, file, failed));
    }
    Py_END_ALLOW_THREADS
    return 0;
}

const char webpencode_encode_doc[] =
    PyDoc_STR("encode($module, source, shape, codec, /)\n"
              "--\n"
              "\n"
              "Return an image file or an array encoded as WebP; shape and codec are tuples of options.");

PyObject *
webpencode_encode(PyObject *module, PyObject *args)
{
    PyObject *source, *shape_values, *codec_values, *result = NULL;
    shape_options shape;
    codec_options codec;
    failure failed = {.kind = NO_FAILURE};
    pixels array = {.size = 0};
    WebPData file = {NULL, 0};
    int opened;

    if (!PyArg_ParseTuple(args, "OOO:encode", &source, &shape_values, &codec_values) ||
        read_shape_options(shape_values, &shape) < 0 || !libraries_open(module, NEEDS_LIBWEBP) ||
        read_codec_options(codec_values, &codec) < 0 || (opened = pixels_open(source, &array)) < 0) {
        return NULL;
    }
    int status = opened ? encode_array(module, &array, &shape, &codec, &file, &failed)
                        : encode_source(module, source, &shape, &codec, &file, &failed);
    if (status == 0) {
        result = failed.kind != NO_FAILURE ? raise_failure(module, &failed)
                                           : PyBytes_FromStringAndSize((const char *)file.bytes, (Py_ssize_t)file.size);
    }
    WebPDataClear(&file);
    pixels_close(&array);
    return result;
}
