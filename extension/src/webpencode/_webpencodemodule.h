/* The module's state and the functions that its files share. */

#ifndef WEBPENCODE_MODULE_H
#define WEBPENCODE_MODULE_H

#include <Python.h>

#include <stdbool.h>

typedef struct {
    PyObject *encode_error;      /* webpencode.WebPEncodeError, and what is derived from it: */
    PyObject *unreadable_error;  /* UnreadableImageError */
    PyObject *unsupported_error; /* UnsupportedFormatError */
    PyObject *limit_error;       /* LimitExceededError */
    PyObject *encoder_error;     /* EncoderError */
    PyObject *missing_error;     /* MissingLibraryError */
    PyObject *pixels_type;       /* Pixels */
} module_state;

static inline module_state *
get_module_state(PyObject *module)
{
    return (module_state *)PyModule_GetState(module);
}

/* What a call needs: all need libwebp, and what reads or shapes images needs libvips as well. */
typedef enum { NEEDS_LIBWEBP, NEEDS_LIBVIPS } library_need;

#ifdef WEBPENCODE_SYSTEM
/* Open what is not open yet of the system's libraries. Returns false with a MissingLibraryError that says which one is
   missing or too old, what dlopen() said, and what to type. */
bool
libraries_open(PyObject *module, library_need need);
#else
static inline bool
libraries_open(PyObject *module, library_need need)
{
    /* They came with the module, which has started libvips. */
    (void)module;
    (void)need;
    return true;
}
#endif

#endif
