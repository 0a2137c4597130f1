#include "arrays.h"

#include <limits.h>
#include <string.h>

/* Read a shape: height, width and optionally bands. */
static int
set_shape(pixels *array, int dimensions, const Py_ssize_t *shape, const Py_ssize_t *strides)
{
    if (dimensions != 2 && dimensions != 3) {
        PyErr_Format(PyExc_ValueError, "an array must have 2 or 3 dimensions (height, width, bands), not %d",
                     dimensions);
        return -1;
    }
    Py_ssize_t bands = dimensions == 3 ? shape[2] : 1;
    if (bands < 1 || bands > 4) {
        PyErr_Format(PyExc_ValueError, "an array must have 1 to 4 bands, not %zd", bands);
        return -1;
    }
    if (shape[0] < 1 || shape[1] < 1) {
        PyErr_Format(PyExc_ValueError, "an array must have at least one pixel, not %zd rows of %zd", shape[0],
                     shape[1]);
        return -1;
    }
    if (shape[0] > INT_MAX / 8 || shape[1] > INT_MAX / 8) {
        PyErr_Format(PyExc_ValueError, "an array of %zd rows of %zd pixels is too large", shape[0], shape[1]);
        return -1;
    }
    array->height = (int)shape[0];
    array->width = (int)shape[1];
    array->bands = (int)bands;
    array->band = dimensions == 3 && strides != NULL ? strides[2] : array->size;
    array->column = strides != NULL ? strides[1] : array->size * bands;
    array->row = strides != NULL ? strides[0] : array->column * shape[1];
    return 0;
}

/* Read a sample type: byte order, kind and size, as in `__array_interface__` and in the struct module. `type_name` is
   for the error message. */
static int
set_type(pixels *array, char order, char kind, Py_ssize_t size, PyObject *type_name)
{
    static const union {
        uint16_t number;
        uint8_t bytes[2];
    } byte_order = {1};
    bool is_little = byte_order.bytes[0] == 1;

    if (kind != 'u' || (size != 1 && size != 2)) {
        PyErr_Format(PyExc_TypeError, "an array must contain unsigned 8-bit or 16-bit integers, not %R", type_name);
        return -1;
    }
    array->size = (int)size;
    array->is_swapped = size == 2 && ((order == '<' && !is_little) || ((order == '>' || order == '!') && is_little));
    return 0;
}

static int
open_buffer(PyObject *source, pixels *array)
{
    Py_buffer *buffer = &array->buffer;

    if (PyObject_GetBuffer(source, buffer, PyBUF_FULL_RO) < 0) {
        return -1;
    }
    if (buffer->ndim < 2) {
        return 0;
    }
    const char *format = buffer->format != NULL ? buffer->format : "B";
    char order = strchr("@=<>!", format[0]) != NULL && format[0] != '\0' ? *format++ : '@';
    char kind = (format[0] == 'B' || format[0] == 'H') && format[1] == '\0' ? 'u' : '?';
    PyObject *type_name = PyUnicode_FromString(buffer->format != NULL ? buffer->format : "B");
    int status = type_name == NULL ? -1 : set_type(array, order, kind, buffer->itemsize, type_name);

    Py_XDECREF(type_name);
    if (status == 0 && buffer->suboffsets != NULL) {
        PyErr_SetString(PyExc_ValueError, "an array with suboffsets (of pointers) is not supported");
        status = -1;
    }
    if (status == 0) {
        status = set_shape(array, buffer->ndim, buffer->shape, buffer->strides);
    }
    array->samples = buffer->buf;
    return status < 0 ? -1 : 1;
}

/* Read up to three integers of a tuple; `key` is for the error message. Returns the length of the tuple, or -1. */
static int
read_tuple(PyObject *tuple, const char *key, Py_ssize_t *numbers)
{
    Py_ssize_t count = PyTuple_Check(tuple) ? PyTuple_Size(tuple) : -1;

    if (count < 0) {
        PyErr_Format(PyExc_TypeError, "'%s' of __array_interface__ must be a tuple", key);
        return -1;
    }
    for (Py_ssize_t i = 0; i < count && i < 3; i++) {
        numbers[i] = PyNumber_AsSsize_t(PyTuple_GetItem(tuple, i), PyExc_ValueError);
        if (numbers[i] == -1 && PyErr_Occurred()) {
            return -1;
        }
    }
    return count > INT_MAX ? INT_MAX : (int)count;
}

/* Set the address of the samples from 'data': a tuple (address, read-only flag) or an object with a buffer, which must
   have at least `reach` bytes. */
static int
find_samples(PyObject *data, pixels *array, Py_ssize_t reach)
{
    if (PyTuple_Check(data) && PyTuple_Size(data) == 2) {
        array->samples = PyLong_AsVoidPtr(PyTuple_GetItem(data, 0));
        if (array->samples == NULL && !PyErr_Occurred()) {
            PyErr_SetString(PyExc_ValueError, "'data' of __array_interface__ is a null pointer");
        }
        return array->samples == NULL ? -1 : 0;
    }
    if (PyObject_GetBuffer(data, &array->buffer, PyBUF_SIMPLE) < 0) {
        return -1;
    }
    array->samples = array->buffer.buf;
    if (reach > array->buffer.len) {
        PyErr_Format(PyExc_ValueError, "'data' of __array_interface__ has %zd bytes, but its shape needs %zd",
                     array->buffer.len, reach);
        return -1;
    }
    return 0;
}

static int
open_interface(PyObject *source, pixels *array)
{
    Py_ssize_t shape[3], strides[3], *steps = NULL;
    Py_ssize_t offset = 0;
    int status = -1;
    PyObject *attribute = PyObject_GetAttrString(source, "__array_interface__");

    if (attribute == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_AttributeError)) {
            return -1;
        }
        PyErr_Clear();
        return 0;
    }
    if (!PyDict_Check(attribute)) {
        Py_DECREF(attribute);
        PyErr_SetString(PyExc_TypeError, "__array_interface__ must be a dict");
        return -1;
    }
    /* A copy, so that no other thread can remove values while they are read. */
    PyObject *interface = PyDict_Copy(attribute);
    array->owner = interface == NULL ? NULL : PyTuple_Pack(2, attribute, interface);
    Py_DECREF(attribute);
    Py_XDECREF(interface);
    if (array->owner == NULL) {
        return -1;
    }
    PyObject *type = PyDict_GetItemString(interface, "typestr");
    PyObject *shape_value = PyDict_GetItemString(interface, "shape");
    PyObject *data = PyDict_GetItemString(interface, "data");
    PyObject *strides_value = PyDict_GetItemString(interface, "strides");
    if (type == NULL || shape_value == NULL || data == NULL || !PyUnicode_Check(type)) {
        PyErr_SetString(PyExc_TypeError, "__array_interface__ must have 'typestr', 'shape' and 'data'");
        return -1;
    }
    Py_ssize_t length;
    const char *text = PyUnicode_AsUTF8AndSize(type, &length);
    if (text == NULL) {
        return -1;
    }
    if (set_type(array, text[0], length == 3 ? text[1] : '?', length == 3 ? text[2] - '0' : 0, type) < 0) {
        return -1;
    }
    int dimensions = read_tuple(shape_value, "shape", shape);
    if (dimensions < 0) {
        return -1;
    }
    if (strides_value != NULL && strides_value != Py_None) {
        int count = read_tuple(strides_value, "strides", strides);

        if (count < 0) {
            return -1;
        }
        if (count != dimensions) {
            PyErr_SetString(PyExc_ValueError, "'strides' of __array_interface__ must be as long as 'shape'");
            return -1;
        }
        steps = strides;
    }
    PyObject *offset_value = PyDict_GetItemString(interface, "offset");
    if (offset_value != NULL) {
        offset = PyNumber_AsSsize_t(offset_value, PyExc_ValueError);
        if (offset < 0) {
            if (!PyErr_Occurred()) {
                PyErr_SetString(PyExc_ValueError, "'offset' of __array_interface__ must not be negative");
            }
            return -1;
        }
    }
    status = set_shape(array, dimensions, shape, steps);
    if (status == 0) {
        bool is_address = PyTuple_Check(data) && PyTuple_Size(data) == 2;
        Py_ssize_t reach = offset;

        if (offset > PY_SSIZE_T_MAX / 2) {
            PyErr_SetString(PyExc_ValueError, "'offset' of __array_interface__ is too large");
            return -1;
        }
        for (int i = 0; i < dimensions; i++) {
            Py_ssize_t step = steps != NULL ? steps[i] : i == 0 ? array->row : i == 1 ? array->column : array->band;

            if (step < 0 && !is_address) {
                PyErr_SetString(PyExc_ValueError, "'strides' of __array_interface__ point outside 'data'");
                return -1;
            }
            /* Width and height are below 2^28, so only an invalid stride can overflow. */
            if (step > PY_SSIZE_T_MAX / 8 / shape[i] || step < -(PY_SSIZE_T_MAX / 8 / shape[i])) {
                PyErr_SetString(PyExc_ValueError, "'strides' of __array_interface__ are too large");
                return -1;
            }
            reach += step * (shape[i] - 1);
        }
        status = find_samples(data, array, reach + array->size);
        if (status == 0) {
            array->samples += offset;
        }
    }
    return status < 0 ? -1 : 1;
}

int
pixels_open(PyObject *source, pixels *array)
{
    *array = (pixels){0};
    int status = PyObject_CheckBuffer(source) ? open_buffer(source, array) : open_interface(source, array);

    if (status < 0) {
        pixels_close(array);
    }
    return status;
}

void
pixels_close(pixels *array)
{
    if (array->buffer.obj != NULL) {
        PyBuffer_Release(&array->buffer);
    }
    Py_CLEAR(array->owner);
}

int
pixels_bands(const pixels *array)
{
    return array->bands % 2 == 0 ? 4 : 3;
}

bool
pixels_are_plain(const pixels *array)
{
    return array->size == 1 && array->bands >= 3 && array->band == 1 && array->column == array->bands &&
           array->row >= array->column * array->width;
}

bool
pixels_are_dense(const pixels *array)
{
    return array->size == 1 && (array->bands == 1 || array->band == 1) && array->column == array->bands &&
           array->row == array->column * array->width;
}

/* Return one sample as 8 bits; 16-bit samples are scaled and rounded. */
static uint8_t
read_sample(const pixels *array, const uint8_t *sample)
{
    uint16_t wide;

    if (array->size == 1) {
        return *sample;
    }
    memcpy(&wide, sample, sizeof(wide));
    if (array->is_swapped) {
        wide = (uint16_t)(wide >> 8 | wide << 8);
    }
    return (uint8_t)((wide * 255u + 32767u) / 65535u);
}

void
pixels_copy_row(const pixels *array, int y, uint8_t *to)
{
    const uint8_t *row = array->samples + (Py_ssize_t)y * array->row;

    for (int x = 0; x < array->width; x++) {
        for (int band = 0; band < array->bands; band++) {
            *to++ = read_sample(array, row + x * array->column + band * array->band);
        }
    }
}

void
pixels_expand_row(const pixels *array, int y, uint8_t *to)
{
    const uint8_t *row = array->samples + (Py_ssize_t)y * array->row;

    if (array->bands >= 3) {
        pixels_copy_row(array, y, to);
        return;
    }
    for (int x = 0; x < array->width; x++) {
        const uint8_t *pixel = row + x * array->column;
        uint8_t gray = read_sample(array, pixel);

        *to++ = gray;
        *to++ = gray;
        *to++ = gray;
        if (array->bands == 2) {
            *to++ = read_sample(array, pixel + array->band);
        }
    }
}

void
flatten_row(uint8_t *row, int width, const uint8_t *background)
{
    const uint8_t *from = row;

    for (int x = 0; x < width; x++, from += 4) {
        int alpha = from[3];

        for (int band = 0; band < 3; band++) {
            *row++ = (uint8_t)((from[band] * alpha + background[band] * (255 - alpha)) / 255);
        }
    }
}
