/* encode(): converts an image file or an array to a WebP file in memory. */

#ifndef WEBPENCODE_ENCODE_H
#define WEBPENCODE_ENCODE_H

#include <Python.h>

extern const char webpencode_encode_doc[];

PyObject *
webpencode_encode(PyObject *module, PyObject *args);

#endif
