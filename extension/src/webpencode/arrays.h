/* Arrays of pixels, through the buffer protocol (PEP 3118) or `__array_interface__` (version 3, as NumPy describes it).
 */

#ifndef WEBPENCODE_ARRAYS_H
#define WEBPENCODE_ARRAYS_H

#include <Python.h>

#include <stdbool.h>
#include <stdint.h>

/* An array of H×W or H×W×B samples, in whatever order they lie; strides in bytes. */
typedef struct {
    Py_buffer buffer; /* held as long as the pixels are read, unless its obj is NULL */
    PyObject *owner;  /* kept alive instead, where the samples were given by address */
    const uint8_t *samples;
    int width, height;
    int bands;       /* 1 to 4: grey, grey with alpha, RGB, RGBA */
    int size;        /* of a sample: 1 or 2 bytes */
    bool is_swapped; /* two-byte samples in the other byte order */
    Py_ssize_t row, column, band;
} pixels;

/* Get at an array's samples. Returns 1, 0 for what is no array but the bytes of a file, or -1 with TypeError or
   ValueError for what is no picture. */
int
pixels_open(PyObject *source, pixels *array);

void
pixels_close(pixels *array);

/* Whether the samples already are rows of RGB or RGBA bytes, `row` bytes apart. */
bool
pixels_are_plain(const pixels *array);

/* Whether nothing at all lies between the samples. */
bool
pixels_are_dense(const pixels *array);

/* How many bytes a pixel has as libwebp takes it: 3 or 4. */
int
pixels_bands(const pixels *array);

/* Copy one row as bytes, with as many bands as there are. Needs no GIL. */
void
pixels_copy_row(const pixels *array, int y, uint8_t *to);

/* Put a colour under a row of RGBA, of which RGB remains: as vips_flatten() does. */
void
flatten_row(uint8_t *row, int width, const uint8_t *background);

/* Copy one row as RGB or RGBA. Needs no GIL. */
void
pixels_expand_row(const pixels *array, int y, uint8_t *to);

#endif
