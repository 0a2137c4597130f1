/* The module's state and the functions that its files share. */

#ifndef WEBPENCODE_MODULE_H
#define WEBPENCODE_MODULE_H

#include <Python.h>

typedef struct {
    PyObject *encode_error;      /* webpencode.WebPEncodeError, and what is derived from it: */
    PyObject *unreadable_error;  /* UnreadableImageError */
    PyObject *unsupported_error; /* UnsupportedFormatError */
    PyObject *limit_error;       /* LimitExceededError */
    PyObject *encoder_error;     /* EncoderError */
    PyObject *pixels_type;       /* Pixels */
} module_state;

static inline module_state *
get_module_state(PyObject *module)
{
    return (module_state *)PyModule_GetState(module);
}

#endif
