/* Arrays of pixels, through the buffer protocol (PEP 3118) or `__array_interface__` (version 3, as NumPy describes it).
 */

#ifndef WEBPENCODE_ARRAYS_H
#define WEBPENCODE_ARRAYS_H

#include <Python.h>

#include <stdbool.h>
#include <stdint.h>

/* An array of H×W or H×W×B samples with any memory layout; strides in bytes. */
typedef struct {
    Py_buffer buffer; /* held while the pixels are read, unless its obj is NULL */
    PyObject *owner;  /* kept alive instead if the samples are given by address */
    const uint8_t *samples;
    int width, height;
    int bands;       /* 1 to 4: gray, gray with alpha, RGB, RGBA */
    int size;        /* of a sample: 1 or 2 bytes */
    bool is_swapped; /* two-byte samples are not in native byte order */
    Py_ssize_t row, column, band;
} pixels;

/* Access the samples of an array. Returns 1 for an array, 0 if `source` holds the bytes of a file instead, or -1 with
   TypeError or ValueError if the array cannot be an image. */
int
pixels_open(PyObject *source, pixels *array);

void
pixels_close(pixels *array);

/* Whether the samples already are rows of RGB or RGBA bytes, `row` bytes apart. */
bool
pixels_are_plain(const pixels *array);

/* Whether the samples are contiguous bytes in row-major order. */
bool
pixels_are_dense(const pixels *array);

/* Return the bytes per pixel that are passed to libwebp: 3 (RGB) or 4 (RGBA). */
int
pixels_bands(const pixels *array);

/* Copy one row as bytes with the array's own bands. Does not need the GIL. */
void
pixels_copy_row(const pixels *array, int y, uint8_t *to);

/* Blend a row of RGBA with a background color, in place, to RGB; same result as vips_flatten(). */
void
flatten_row(uint8_t *row, int width, const uint8_t *background);

/* Copy one row as RGB or RGBA. Does not need the GIL. */
void
pixels_expand_row(const pixels *array, int y, uint8_t *to);

#endif
