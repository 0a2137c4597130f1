/* The module's state and the functions that its files share. */

#ifndef WEBPENCODE_MODULE_H
#define WEBPENCODE_MODULE_H

#include <Python.h>

typedef struct {
    PyObject *encode_error; /* webpencode.WebPEncodeError */
} module_state;

static inline module_state *
get_module_state(PyObject *module)
{
    return (module_state *)PyModule_GetState(module);
}

#endif
