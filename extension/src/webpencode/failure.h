/* Why a call failed, said without Python, and how Python is told. */

#ifndef WEBPENCODE_FAILURE_H
#define WEBPENCODE_FAILURE_H

#include <Python.h>

#include <stdbool.h>

#include "libvips.h"

typedef enum {
    NO_FAILURE,
    FAILURE_UNREADABLE,  /* the input is damaged, or ends early */
    FAILURE_UNSUPPORTED, /* nobody here can read it */
    FAILURE_LIMIT,       /* it is larger than it may be */
    FAILURE_ENCODER,     /* libwebp refused */
    FAILURE_MEMORY,
    FAILURE_FORK /* libvips does not survive one */
} failure_kind;

typedef struct {
    failure_kind kind;
    char words[LIBVIPS_WORDS_SIZE]; /* empty: they are in libvips' buffer */
    long long number, limit;        /* of FAILURE_LIMIT */
} failure;

/* Note a failure, unless there is one already. Returns false, which is what a function that failed returns. */
bool
fail(failure *failed, failure_kind kind, const char *words);

bool
fail_limit(failure *failed, long long number, long long limit, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Run a body between libvips_enter() and libvips_leave(); where it failed without words, they are libvips'. */
#define WITH_LIBVIPS(failed, body)                                                                                     \
    do {                                                                                                               \
        if (!libvips_enter()) {                                                                                        \
            (void)fail(failed, FAILURE_FORK, "");                                                                      \
        }                                                                                                              \
        else {                                                                                                         \
            body;                                                                                                      \
            bool is_silent = (failed)->kind != NO_FAILURE && (failed)->words[0] == '\0';                               \
            libvips_leave(is_silent ? (failed)->words : NULL);                                                         \
        }                                                                                                              \
    } while (0)

/* Set the Python exception that stands for a failure. Always returns NULL. */
PyObject *
raise_failure(PyObject *module, const failure *failed);

#endif
