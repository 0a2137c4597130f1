/* decode() and probe(): the pixels and the header of an image file. */

#ifndef WEBPENCODE_DECODE_H
#define WEBPENCODE_DECODE_H

#include <Python.h>

extern const char webpencode_decode_doc[];
extern const char webpencode_probe_doc[];

PyObject *
webpencode_decode(PyObject *module, PyObject *args);

PyObject *
webpencode_probe(PyObject *module, PyObject *source);

/* The type of the result of decode(): 8-bit samples of shape (height, width, bands), readable as a buffer or array. */
extern PyType_Spec pixels_spec;

#endif
