#include "failure.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "_webpencodemodule.h"

bool
fail(failure *failed, failure_kind kind, const char *message)
{
    if (failed->kind == NO_FAILURE) {
        failed->kind = kind;
        (void)snprintf(failed->message, sizeof(failed->message), "%s", message);
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
        (void)vsnprintf(failed->message, sizeof(failed->message), format, arguments);
        va_end(arguments);
    }
    return false;
}

/* Raise an exception with the failure's message, which may contain arbitrary bytes of a file. */
static void
raise_with_message(PyObject *type, const failure *failed)
{
    PyObject *text = PyUnicode_DecodeUTF8(failed->message, (Py_ssize_t)strlen(failed->message), "replace");

    if (text == NULL) {
        return;
    }
    PyObject *error = PyObject_CallFunctionObjArgs(type, text, NULL);
    Py_DECREF(text);
    if (error == NULL) {
        return;
    }
    bool is_complete = true;
    if (failed->kind == FAILURE_LIMIT) {
        PyObject *number = PyLong_FromLongLong(failed->number);
        PyObject *limit = PyLong_FromLongLong(failed->limit);

        is_complete = number != NULL && limit != NULL && PyObject_SetAttrString(error, "number", number) == 0 &&
                      PyObject_SetAttrString(error, "limit", limit) == 0;
        Py_XDECREF(number);
        Py_XDECREF(limit);
    }
    if (is_complete) {
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
        raise_with_message(state->unsupported_error, failed);
        break;
    case FAILURE_LIMIT:
        raise_with_message(state->limit_error, failed);
        break;
    case FAILURE_ENCODER:
        raise_with_message(state->encoder_error, failed);
        break;
    case FAILURE_MEMORY:
        PyErr_SetString(PyExc_MemoryError, failed->message);
        break;
    case FAILURE_FORK:
        PyErr_SetString(
            PyExc_RuntimeError,
            "libvips cannot be used after fork(): this process was forked from one that had used it already; "
            "use the 'spawn' or 'forkserver' start method of multiprocessing");
        break;
    default:
        /* libvips has no codes for these errors, only messages: its own and those of libjpeg and glib. */
        if (strstr(failed->message, "ut of memory") != NULL || strstr(failed->message, "failed to allocate") != NULL ||
            strstr(failed->message, "nsufficient memory") != NULL) {
            PyErr_SetString(PyExc_MemoryError, failed->message);
        }
        else if (strstr(failed->message, "rror creating thread") != NULL) {
            PyErr_SetString(PyExc_RuntimeError, failed->message);
        }
        else {
            raise_with_message(state->unreadable_error, failed);
        }
    }
    return NULL;
}
