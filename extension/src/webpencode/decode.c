#include "decode.h"

#include <string.h>

#include "_webpencodemodule.h"
#include "failure.h"
#include "images.h"
#include "options.h"

/* Decoded pixels: contiguous rows of RGB or RGBA from top to bottom. */
typedef struct {
    uint8_t *samples;
    Py_ssize_t shape[3]; /* height, width, bands */
    Py_ssize_t strides[3];
} pixels_data;

#ifdef Py_TARGET_ABI3T

/* A negative size is that of the data after PyObject, whose size differs between CPythons (PEP 697, PEP 803). */
#define PIXELS_SIZE (-(int)sizeof(pixels_data))

static pixels_data *
get_pixels(PyObject *self)
{
    return PyObject_GetTypeData(self, Py_TYPE(self));
}

#else

typedef struct {
    PyObject_HEAD pixels_data data;
} pixels_object;

#define PIXELS_SIZE ((int)sizeof(pixels_object))

static pixels_data *
get_pixels(PyObject *self)
{
    return &((pixels_object *)self)->data;
}

#endif

static void
pixels_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);

    WebPFree(get_pixels(self)->samples);
    release(self);
    Py_DECREF(type);
}

static int
pixels_getbuffer(PyObject *self, Py_buffer *view, int flags)
{
    pixels_data *pixels = get_pixels(self);

    if ((flags & PyBUF_F_CONTIGUOUS) == PyBUF_F_CONTIGUOUS) {
        view->obj = NULL;
        PyErr_SetString(PyExc_BufferError, "the pixels are only available in row-major (C) order");
        return -1;
    }
    if (PyBuffer_FillInfo(view, self, pixels->samples, pixels->shape[0] * pixels->strides[0], 1, flags) < 0) {
        return -1;
    }
    if ((flags & PyBUF_ND) == PyBUF_ND) {
        view->ndim = 3;
        view->shape = pixels->shape;
    }
    if ((flags & PyBUF_STRIDES) == PyBUF_STRIDES) {
        view->strides = pixels->strides;
    }
    return 0;
}

static PyObject *
pixels_shape(PyObject *self, void *closure)
{
    pixels_data *pixels = get_pixels(self);

    (void)closure;
    return Py_BuildValue("(nnn)", pixels->shape[0], pixels->shape[1], pixels->shape[2]);
}

static PyObject *
pixels_interface(PyObject *self, void *closure)
{
    pixels_data *pixels = get_pixels(self);

    (void)closure;
    return Py_BuildValue("{s:i,s:s,s:(nnn),s:(NO)}", "version", 3, "typestr", "|u1", "shape", pixels->shape[0],
                         pixels->shape[1], pixels->shape[2], "data", PyLong_FromVoidPtr(pixels->samples), Py_True);
}

static PyObject *
pixels_repr(PyObject *self)
{
    pixels_data *pixels = get_pixels(self);

    return PyUnicode_FromFormat("<webpencode.Pixels %zd x %zd, %zd bands>", pixels->shape[1], pixels->shape[0],
                                pixels->shape[2]);
}

PyDoc_STRVAR(pixels_doc,
             "Decoded pixels: contiguous RGB or RGBA bytes with the shape (height, width, bands), accessible "
             "through the buffer protocol and __array_interface__.");

static PyGetSetDef pixels_getset[] = {
    {"shape", pixels_shape, NULL, "Tuple (height, width, bands).", NULL},
    {"__array_interface__", pixels_interface, NULL, "NumPy's array interface, version 3.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot pixels_slots[] = {
    {Py_tp_doc, (void *)pixels_doc}, {Py_tp_dealloc, pixels_dealloc},     {Py_tp_repr, pixels_repr},
    {Py_tp_getset, pixels_getset},   {Py_bf_getbuffer, pixels_getbuffer}, {0, NULL},
};

PyType_Spec pixels_spec = {
    .name = "webpencode.Pixels",
    .basicsize = PIXELS_SIZE,
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = pixels_slots,
};

/* Destination of decoded rows. */
typedef struct {
    uint8_t *samples;
    int width, height, bands;
} canvas;

static int
copy_rows(VipsRegion *region, VipsRect *area, void *to)
{
    canvas *whole = to;
    size_t row_size = (size_t)whole->width * (size_t)whole->bands;

    for (int y = area->top; y < area->top + area->height; y++) {
        memcpy(whole->samples + (size_t)y * row_size, VIPS_REGION_ADDR(region, area->left, y), row_size);
    }
    return 0;
}

static bool
open_and_decode(const void *data, size_t size, const shape_options *options, bool in_memory, canvas *whole,
                failure *failed)
{
    input in;
    VipsImage *image = NULL;
    bool done =
        input_open(&in, data, size, options, in_memory, failed) && (image = input_frame(&in, 0, failed)) != NULL;

    if (done) {
        whole->width = vips_image_get_width(image);
        whole->height = vips_image_get_height(image);
        whole->bands = vips_image_get_bands(image);
        uint64_t total_size = (uint64_t)whole->width * (uint64_t)whole->height * (uint64_t)whole->bands;
        whole->samples = total_size > PY_SSIZE_T_MAX ? NULL : WebPMalloc((size_t)total_size);
        done = whole->samples != NULL || fail(failed, FAILURE_MEMORY, "not enough memory for the pixels");
    }
    done = done && input_send(&in, image, copy_rows, whole, failed);
    input_close(&in);
    return done;
}

static bool
decode_file(const void *data, size_t size, const shape_options *options, canvas *whole, failure *failed)
{
    if (open_and_decode(data, size, options, false, whole, failed)) {
        return true;
    }
    if (!input_is_out_of_order(failed)) {
        return false;
    }
    WebPFree(whole->samples);
    whole->samples = NULL;
    *failed = (failure){.kind = NO_FAILURE};
    return open_and_decode(data, size, options, true, whole, failed);
}

/* Open the buffer of an image file. Returns -1 with an exception set. */
static int
open_bytes(PyObject *module, PyObject *source, Py_buffer *buffer)
{
    static const failure empty = {.kind = FAILURE_UNREADABLE, .message = "the input is empty"};

    if (PyObject_GetBuffer(source, buffer, PyBUF_SIMPLE) < 0) {
        return -1;
    }
    if (buffer->len == 0) {
        PyBuffer_Release(buffer);
        (void)raise_failure(module, &empty);
        return -1;
    }
    return 0;
}

const char webpencode_decode_doc[] = PyDoc_STR("decode($module, source, shape, /)\n"
                                               "--\n"
                                               "\n"
                                               "Return the pixels of an image; shape is a tuple of options.");

PyObject *
webpencode_decode(PyObject *module, PyObject *args)
{
    PyObject *source, *values;
    shape_options options;
    failure failed = {.kind = NO_FAILURE};
    Py_buffer buffer;
    canvas whole = {.samples = NULL};

    if (!PyArg_ParseTuple(args, "OO:decode", &source, &values) || read_shape_options(values, &options) < 0 ||
        !libraries_open(module, NEEDS_LIBVIPS) || open_bytes(module, source, &buffer) < 0) {
        return NULL;
    }
    options.animated = false;
    Py_BEGIN_ALLOW_THREADS
    WITH_LIBVIPS(&failed, (void)decode_file(buffer.buf, (size_t)buffer.len, &options, &whole, &failed));
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&buffer);
    if (failed.kind != NO_FAILURE) {
        WebPFree(whole.samples);
        return raise_failure(module, &failed);
    }
    PyTypeObject *type = (PyTypeObject *)get_module_state(module)->pixels_type;
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    PyObject *result = allocate(type, 0);
    if (result == NULL) {
        WebPFree(whole.samples);
        return NULL;
    }
    pixels_data *pixels = get_pixels(result);
    pixels->samples = whole.samples;
    pixels->shape[0] = whole.height;
    pixels->shape[1] = whole.width;
    pixels->shape[2] = whole.bands;
    pixels->strides[0] = (Py_ssize_t)whole.width * whole.bands;
    pixels->strides[1] = whole.bands;
    pixels->strides[2] = 1;
    return result;
}

const char webpencode_probe_doc[] =
    PyDoc_STR("probe($module, source, /)\n"
              "--\n"
              "\n"
              "Return format, width, height, pages, has_alpha, icc, orientation and usable_icc of an image.");

PyObject *
webpencode_probe(PyObject *module, PyObject *source)
{
    failure failed = {.kind = NO_FAILURE};
    description header = {.width = 0};
    Py_buffer buffer;

    if (!libraries_open(module, NEEDS_LIBVIPS) || open_bytes(module, source, &buffer) < 0) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    WITH_LIBVIPS(&failed, (void)input_describe(buffer.buf, (size_t)buffer.len, &header, &failed));
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&buffer);
    if (failed.kind != NO_FAILURE) {
        return raise_failure(module, &failed);
    }
    return Py_BuildValue("(siiiNNiN)", header.format, header.width, header.height, header.frames,
                         PyBool_FromLong(header.has_alpha), PyBool_FromLong(header.has_icc), header.orientation,
                         PyBool_FromLong(header.has_usable_icc));
}
