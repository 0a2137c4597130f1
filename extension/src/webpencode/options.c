#include "options.h"

#include <limits.h>

/* Read an integer from `lowest` to `highest`; `type_name` is the expected type for the error message. */
static int
read_number(PyObject *value, const char *name, const char *type_name, long long lowest, long long highest,
            long long *number)
{
    int overflow;

    if (!PyIndex_Check(value)) {
        PyObject *type = PyType_GetName(Py_TYPE(value));

        if (type != NULL) {
            PyErr_Format(PyExc_TypeError, "%s must be %s, not %U", name, type_name, type);
            Py_DECREF(type);
        }
        return -1;
    }
    PyObject *integer = PyNumber_Index(value);
    if (integer == NULL) {
        return -1;
    }
    long long result = PyLong_AsLongLongAndOverflow(integer, &overflow);
    Py_DECREF(integer);
    if (overflow != 0) {
        PyErr_Format(PyExc_ValueError, "%s must be from %lld to %lld", name, lowest, highest);
        return -1;
    }
    if (result < lowest || result > highest) {
        PyErr_Format(PyExc_ValueError, "%s must be from %lld to %lld, not %lld", name, lowest, highest, result);
        return -1;
    }
    *number = result;
    return 0;
}

static int
read_int(PyObject *value, const char *name, int lowest, int highest, int *number)
{
    long long result;

    if (read_number(value, name, "an integer", lowest, highest, &result) < 0) {
        return -1;
    }
    *number = (int)result;
    return 0;
}

/* Read an integer or None; None leaves `number` unchanged. */
static int
read_optional(PyObject *value, const char *name, int lowest, int highest, int *number)
{
    long long result;

    if (value == Py_None) {
        return 0;
    }
    if (read_number(value, name, "an integer or None", lowest, highest, &result) < 0) {
        return -1;
    }
    *number = (int)result;
    return 0;
}

static int
read_flag(PyObject *value, bool *flag)
{
    int truth = PyObject_IsTrue(value);

    *flag = truth > 0;
    return truth < 0 ? -1 : 0;
}

/* Read one of `count` strings in `values` as its index; `expected` lists them for the error message. */
static int
read_choice(PyObject *value, const char *name, const char *const *values, int count, const char *expected, int *choice)
{
    if (PyUnicode_Check(value)) {
        for (int i = 0; i < count; i++) {
            if (PyUnicode_CompareWithASCIIString(value, values[i]) == 0) {
                *choice = i;
                return 0;
            }
        }
        PyErr_Format(PyExc_ValueError, "%s must be %s, not %R", name, expected, value);
        return -1;
    }
    PyObject *type = PyType_GetName(Py_TYPE(value));
    if (type != NULL) {
        PyErr_Format(PyExc_TypeError, "%s must be a string, not %U", name, type);
        Py_DECREF(type);
    }
    return -1;
}

/* Read the kinds of metadata to keep, as flags; None and an empty sequence mean none. */
static int
read_keep(PyObject *value, int *keep)
{
    static const char *const kinds[] = {"icc", "exif", "xmp"};

    *keep = 0;
    if (value == Py_None) {
        return 0;
    }
    if (PyUnicode_Check(value)) {
        PyErr_SetString(PyExc_TypeError, "keep must be a sequence of strings or None, not str");
        return -1;
    }
    PyObject *items = PySequence_Tuple(value);
    if (items == NULL) {
        if (PyErr_ExceptionMatches(PyExc_TypeError)) {
            PyErr_SetString(PyExc_TypeError, "keep must be a sequence of strings or None");
        }
        return -1;
    }
    int status = 0;
    for (Py_ssize_t i = 0; status == 0 && i < PyTuple_Size(items); i++) {
        int choice = 0;

        status =
            read_choice(PyTuple_GetItem(items, i), "keep", kinds, 3, "a sequence of 'icc', 'exif' and 'xmp'", &choice);
        *keep |= 1 << choice;
    }
    Py_DECREF(items);
    return status;
}

/* Read a color as three integers; None means no background. */
static int
read_background(PyObject *value, shape_options *options)
{
    options->has_background = value != Py_None;
    if (value == Py_None) {
        return 0;
    }
    if (!PySequence_Check(value) || PySequence_Size(value) != 3) {
        PyErr_Clear();
        PyErr_SetString(PyExc_TypeError, "background must be three integers (red, green, blue) or None");
        return -1;
    }
    for (int i = 0; i < 3; i++) {
        int number;
        PyObject *item = PySequence_GetItem(value, i);

        if (item == NULL) {
            return -1;
        }
        int status = read_int(item, "background", 0, 255, &number);
        Py_DECREF(item);
        if (status < 0) {
            return -1;
        }
        options->background[i] = (uint8_t)number;
    }
    return 0;
}

int
read_shape_options(PyObject *values, shape_options *options)
{
    static const char *const fits[] = {"inside", "cover", "contain", "fill"};
    static const char *const filters[] = {"lanczos3", "lanczos2", "mitchell", "cubic", "linear", "area", "nearest"};
    PyObject *width, *height, *fit, *filter, *upscale, *keep, *autorotate, *background, *max_pixels, *animated;
    PyObject *threads;
    long long pixels;
    int mode, kind;

    *options = (shape_options){0};
    if (!PyArg_ParseTuple(values, "OOOOOOOOOOO", &width, &height, &fit, &filter, &upscale, &keep, &autorotate,
                          &background, &max_pixels, &animated, &threads)) {
        return -1;
    }
    if (read_optional(width, "width", 1, MAX_SIDE, &options->width) < 0 ||
        read_optional(height, "height", 1, MAX_SIDE, &options->height) < 0 ||
        read_choice(fit, "fit", fits, 4, "'inside', 'cover', 'contain' or 'fill'", &mode) < 0 ||
        read_choice(filter, "filter", filters, 7,
                    "'lanczos3', 'lanczos2', 'mitchell', 'cubic', 'linear', 'area' or 'nearest'", &kind) < 0 ||
        read_flag(upscale, &options->upscale) < 0 || read_keep(keep, &options->keep) < 0 ||
        read_flag(autorotate, &options->autorotate) < 0 || read_background(background, options) < 0 ||
        read_number(max_pixels, "max_pixels", "an integer", 1, INT64_MAX, &pixels) < 0 ||
        read_flag(animated, &options->animated) < 0 ||
        read_optional(threads, "threads", 1, MAX_THREADS, &options->threads) < 0) {
        return -1;
    }
    options->fit = (fit_mode)mode;
    options->filter = (filter_kind)kind;
    /* libvips counts the bytes of an image in a size_t. The largest WebP image as floating-point RGBA fits into 32
       bits; a larger image may not. */
    options->max_pixels = (unsigned long long)pixels > SIZE_MAX / 16 ? (int64_t)(SIZE_MAX / 16) : pixels;
    return 0;
}

int
read_codec_options(PyObject *values, codec_options *options)
{
    static const char *const presets[] = {"default", "picture", "photo", "drawing", "icon", "text"};
    PyObject *quality, *lossless, *near_lossless, *effort, *alpha_quality, *preset, *target_size, *sharp_yuv, *loop;
    WebPConfig *config = &options->config;
    int choice, number, near_lossless_level = -1, size = 0;
    bool is_lossless, is_sharp;

    options->loop = -1;
    if (!PyArg_ParseTuple(values, "OOOOOOOOO", &quality, &lossless, &near_lossless, &effort, &alpha_quality, &preset,
                          &target_size, &sharp_yuv, &loop)) {
        return -1;
    }
    if (read_int(quality, "quality", 0, 100, &number) < 0 ||
        read_choice(preset, "preset", presets, 6, "'default', 'picture', 'photo', 'drawing', 'icon' or 'text'",
                    &choice) < 0) {
        return -1;
    }
    if (!WebPConfigPreset(config, (WebPPreset)choice, (float)number)) {
        PyErr_SetString(PyExc_RuntimeError,
                        "this version of libwebp is incompatible with the one that this module was built for");
        return -1;
    }
    if (read_flag(lossless, &is_lossless) < 0 ||
        read_optional(near_lossless, "near_lossless", 0, 100, &near_lossless_level) < 0 ||
        read_int(effort, "effort", 0, 6, &config->method) < 0 ||
        read_int(alpha_quality, "alpha_quality", 0, 100, &config->alpha_quality) < 0 ||
        read_optional(target_size, "target_size", 1, INT_MAX, &size) < 0 || read_flag(sharp_yuv, &is_sharp) < 0 ||
        read_optional(loop, "loop", 0, 65535, &options->loop) < 0) {
        return -1;
    }
    config->lossless = is_lossless || near_lossless_level >= 0;
    if (near_lossless_level >= 0) {
        config->near_lossless = near_lossless_level;
    }
    config->use_sharp_yuv = is_sharp;
    if (size > 0) {
        config->target_size = size;
        /* As in cwebp: reaching a target size takes several passes. */
        config->pass = 6;
    }
    if (!WebPValidateConfig(config)) {
        PyErr_SetString(PyExc_ValueError, "these options cannot be combined");
        return -1;
    }
    return 0;
}
