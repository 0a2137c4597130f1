/* encode(): one image or array in, one WebP file in memory out. */

#ifndef WEBPENCODE_ENCODE_H
#define WEBPENCODE_ENCODE_H

#include <Python.h>

extern const char webpencode_encode_doc[];

PyObject *
webpencode_encode(PyObject *module, PyObject *args);

#endif
