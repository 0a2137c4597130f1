#include "failure.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "_webpencodemodule.h"

bool
fail(failure *failed, failure_kind kind, const char *words)
{
    if (failed->kind == NO_FAILURE) {
        failed->kind = kind;
        (void)snprintf(failed->words, sizeof(failed->words), "%s", words);
    }
    return false;
}

bool
fail_limit(failure *failed, long long number, long long limit, const char *format, ...)
{
    va_list arguments;

    if (failed->kind == NO_FAILURE) {
        failed->kind = FAILURE_LIMIT;
        failed->number = number;
        failed->limit = limit;
        va_start(arguments, format);
        (void)vsnprintf(failed->words, sizeof(failed->words), format, arguments);
        va_end(arguments);
    }
    return false;
}

/* Raise an exception with words that may hold anything that stood in a file. */
static void
raise_words(PyObject *type, const failure *failed)
{
    PyObject *text = PyUnicode_DecodeUTF8(failed->words, (Py_ssize_t)strlen(failed->words), "replace");

    if (text == NULL) {
        return;
    }
    PyObject *error = PyObject_CallFunctionObjArgs(type, text, NULL);
    Py_DECREF(text);
    if (error == NULL) {
        return;
    }
    bool is_whole = true;
    if (failed->kind == FAILURE_LIMIT) {
        PyObject *number = PyLong_FromLongLong(failed->number);
        PyObject *limit = PyLong_FromLongLong(failed->limit);

        is_whole = number != NULL && limit != NULL && PyObject_SetAttrString(error, "number", number) == 0 &&
                   PyObject_SetAttrString(error, "limit", limit) == 0;
        Py_XDECREF(number);
        Py_XDECREF(limit);
    }
    if (is_whole) {
        PyErr_SetObject(type, error);
    }
    Py_DECREF(error);
}

PyObject *
raise_failure(PyObject *module, const failure *failed)
{
    module_state *state = get_module_state(module);

    switch (failed->kind) {
    case FAILURE_UNSUPPORTED:
        raise_words(state->unsupported_error, failed);
        break;
    case FAILURE_LIMIT:
        raise_words(state->limit_error, failed);
        break;
    case FAILURE_ENCODER:
        raise_words(state->encoder_error, failed);
        break;
    case FAILURE_MEMORY:
        PyErr_SetString(PyExc_MemoryError, failed->words);
        break;
    case FAILURE_FORK:
        PyErr_SetString(PyExc_RuntimeError,
                        "libvips does not survive fork(): this process is the child of one that has used it before; "
                        "start it with the 'spawn' or 'forkserver' method");
        break;
    default:
        /* libvips has no numbers for these, only words: its own, and those of libjpeg and glib. */
        if (strstr(failed->words, "ut of memory") != NULL || strstr(failed->words, "failed to allocate") != NULL ||
            strstr(failed->words, "nsufficient memory") != NULL) {
            PyErr_SetString(PyExc_MemoryError, failed->words);
        }
        else if (strstr(failed->words, "rror creating thread") != NULL) {
            PyErr_SetString(PyExc_RuntimeError, failed->words);
        }
        else {
            raise_words(state->unreadable_error, failed);
        }
    }
    return NULL;
}
