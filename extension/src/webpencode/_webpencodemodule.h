/* Module state and functions shared by the source files. */

#ifndef WEBPENCODE_MODULE_H
#define WEBPENCODE_MODULE_H

#include <Python.h>

#include <stdbool.h>

typedef struct {
    PyObject *encode_error;      /* webpencode.WebPEncodeError, base class of the next four */
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

/* The libraries that a call needs: all calls need libwebp; reading files and resizing also need libvips. */
typedef enum { NEEDS_LIBWEBP, NEEDS_LIBVIPS } library_need;

#ifdef WEBPENCODE_SYSTEM
/* Open the required system libraries that are not open yet. Returns false with MissingLibraryError, whose message names
   the library that is missing or too old, the error of dlopen() and the command that installs the library. */
bool
libraries_open(PyObject *module, library_need need);
#else
static inline bool
libraries_open(PyObject *module, library_need need)
{
    /* The libraries are linked to the module, which initialized libvips on import. */
    (void)module;
    (void)need;
    return true;
}
#endif

#endif
