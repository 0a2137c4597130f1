/* decode() and probe(): what is in an image, as pixels and as words. */

#ifndef WEBPENCODE_DECODE_H
#define WEBPENCODE_DECODE_H

#include <Python.h>

extern const char webpencode_decode_doc[];
extern const char webpencode_probe_doc[];

PyObject *
webpencode_decode(PyObject *module, PyObject *args);

PyObject *
webpencode_probe(PyObject *module, PyObject *source);

/* The type of what decode() returns: height, width and bands of bytes, for whoever reads buffers or arrays. */
extern PyType_Spec pixels_spec;

#endif
