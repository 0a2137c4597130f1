/* The reason why a call failed, recorded without the GIL and raised later as a Python exception. */

#ifndef WEBPENCODE_FAILURE_H
#define WEBPENCODE_FAILURE_H

#include <Python.h>

#include <stdbool.h>

#include "libvips.h"

typedef enum {
    NO_FAILURE,
    FAILURE_UNREADABLE,  /* the input is damaged or truncated */
    FAILURE_UNSUPPORTED, /* the format is not supported */
    FAILURE_LIMIT,       /* the input exceeds a limit */
    FAILURE_ENCODER,     /* libwebp failed */
    FAILURE_MEMORY,
    FAILURE_FORK /* libvips cannot be used after fork() */
} failure_kind;

typedef struct {
    failure_kind kind;
    char message[LIBVIPS_MESSAGE_SIZE]; /* empty: it is in libvips' error buffer */
    long long number, limit;            /* only for FAILURE_LIMIT */
} failure;

/* Record a failure, unless one is recorded already. Always returns false, for use in return statements. */
bool
fail(failure *failed, failure_kind kind, const char *message);

bool
fail_limit(failure *failed, long long number, long long limit, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Run a body between libvips_enter() and libvips_leave(). A failure without a message gets the one of libvips. */
#define WITH_LIBVIPS(failed, body)                                                                                     \
    do {                                                                                                               \
        if (!libvips_enter()) {                                                                                        \
            (void)fail(failed, FAILURE_FORK, "");                                                                      \
        }                                                                                                              \
        else {                                                                                                         \
            body;                                                                                                      \
            bool has_no_message = (failed)->kind != NO_FAILURE && (failed)->message[0] == '\0';                        \
            libvips_leave(has_no_message ? (failed)->message : NULL);                                                  \
        }                                                                                                              \
    } while (0)

/* Raise the Python exception for a failure. Always returns NULL. */
PyObject *
raise_failure(PyObject *module, const failure *failed);

#endif
