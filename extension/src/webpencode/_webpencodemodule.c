/* webpencode._webpencode: module definition (PEP 489, PEP 793), module state, exceptions and module-level functions. */

#include "_webpencodemodule.h"

#include <stdio.h>
#include <string.h>

#include "decode.h"
#include "encode.h"
#include "libraries.h"
#include "libvips.h"

/* The limited API of 3.11 defines neither slot, but newer interpreters accept their numbers. */
#ifndef Py_mod_multiple_interpreters
#define Py_mod_multiple_interpreters 3
#define Py_MOD_PER_INTERPRETER_GIL_SUPPORTED ((void *)2)
#endif
#ifndef Py_mod_gil
#define Py_mod_gil 4
#define Py_MOD_GIL_NOT_USED ((void *)1)
#endif

PyDoc_STRVAR(module_doc, "Encode images as WebP, through libvips and libwebp.");

/* Create an exception type and add it to the module. Returns a new reference, or NULL with an exception set. */
static PyObject *
add_error(PyObject *module, const char *name, const char *doc, PyObject *base)
{
    PyObject *error = PyErr_NewExceptionWithDoc(name, doc, base, NULL);

    if (error != NULL && PyModule_AddObjectRef(module, strchr(name, '.') + 1, error) < 0) {
        Py_CLEAR(error);
    }
    return error;
}

static int
module_exec(PyObject *module)
{
    module_state *state = get_module_state(module);
#ifndef WEBPENCODE_SYSTEM
    const char *reason = libvips_start();

    if (reason != NULL) {
        PyErr_Format(PyExc_ImportError, "libvips did not start: %s", reason);
        return -1;
    }
#endif
    if ((state->encode_error =
             add_error(module, "webpencode.WebPEncodeError",
                       "Base class of all errors about an input that cannot be encoded.", PyExc_ValueError)) == NULL ||
        (state->unreadable_error = add_error(module, "webpencode.UnreadableImageError",
                                             "The image is damaged or truncated; the message comes from libvips.",
                                             state->encode_error)) == NULL ||
        (state->unsupported_error = add_error(module, "webpencode.UnsupportedFormatError",
                                              "The image format is not supported; the message comes from libvips.",
                                              state->encode_error)) == NULL ||
        (state->limit_error = add_error(module, "webpencode.LimitExceededError",
                                        "The image exceeds a limit: `number` is its value and `limit` the maximum.",
                                        state->encode_error)) == NULL ||
        (state->encoder_error = add_error(module, "webpencode.EncoderError",
                                          "libwebp could not encode the image; the message gives the reason.",
                                          state->encode_error)) == NULL ||
        (state->missing_error =
             add_error(module, "webpencode.MissingLibraryError",
                       "A system library is missing or too old; the message includes the command that installs it. "
                       "Never raised by wheels with bundled libraries.",
                       PyExc_RuntimeError)) == NULL) {
        return -1;
    }
    state->pixels_type = PyType_FromModuleAndSpec(module, &pixels_spec, NULL);
    return state->pixels_type == NULL ? -1 : PyModule_AddType(module, (PyTypeObject *)state->pixels_type);
}

static int
module_traverse(PyObject *module, visitproc visit, void *arg)
{
#ifdef Py_TARGET_ABI3T
    module_state *state = PyModule_GetState_DuringGC(module);
#else
    module_state *state = get_module_state(module);
#endif

    Py_VISIT(state->encode_error);
    Py_VISIT(state->unreadable_error);
    Py_VISIT(state->unsupported_error);
    Py_VISIT(state->limit_error);
    Py_VISIT(state->encoder_error);
    Py_VISIT(state->missing_error);
    Py_VISIT(state->pixels_type);
    return 0;
}

static int
module_clear(PyObject *module)
{
    module_state *state = get_module_state(module);

    Py_CLEAR(state->encode_error);
    Py_CLEAR(state->unreadable_error);
    Py_CLEAR(state->unsupported_error);
    Py_CLEAR(state->limit_error);
    Py_CLEAR(state->encoder_error);
    Py_CLEAR(state->missing_error);
    Py_CLEAR(state->pixels_type);
    return 0;
}

/* The formats that libvips may read, by the names of their loaders. Only loaders that libvips does not mark as
   untrusted; images.c has the same list. */
static const char *const formats[] = {"gif", "heif", "jpeg", "png", "tiff", "webp"};

PyDoc_STRVAR(formats_doc,
             "formats($module, /)\n--\n\nReturn the names of the supported input formats in alphabetical order.");

static PyObject *
webpencode_formats(PyObject *module, PyObject *ignored)
{
    PyObject *names;

    (void)ignored;
    if (!libraries_open(module, NEEDS_LIBVIPS)) {
        return NULL;
    }
    names = PyList_New(0);
    for (size_t i = 0; names != NULL && i < sizeof(formats) / sizeof(formats[0]); i++) {
        char loader[32];

        (void)snprintf(loader, sizeof(loader), "%sload_buffer", formats[i]);
        if (vips_type_find("VipsOperation", loader) == 0) {
            continue;
        }
        PyObject *name = PyUnicode_FromString(formats[i]);
        if (name == NULL || PyList_Append(names, name) < 0) {
            Py_CLEAR(names);
        }
        Py_XDECREF(name);
    }
    PyObject *result = names == NULL ? NULL : PyList_AsTuple(names);
    Py_XDECREF(names);
    return result;
}

PyDoc_STRVAR(versions_doc, "versions($module, /)\n--\n\nReturn the versions of libvips and libwebp.");

static PyObject *
webpencode_versions(PyObject *module, PyObject *ignored)
{
    (void)ignored;
    if (!libraries_open(module, NEEDS_LIBVIPS)) {
        return NULL;
    }
    int webp = WebPGetEncoderVersion();
    return Py_BuildValue("{s:N,s:N}", "libvips",
                         PyUnicode_FromFormat("%d.%d.%d", vips_version(0), vips_version(1), vips_version(2)), "libwebp",
                         PyUnicode_FromFormat("%d.%d.%d", webp >> 16, webp >> 8 & 0xFF, webp & 0xFF));
}

static void
module_free(void *module)
{
    (void)module_clear((PyObject *)module);
}

static PyMethodDef module_methods[] = {
    {"encode", webpencode_encode, METH_VARARGS, webpencode_encode_doc},
    {"decode", webpencode_decode, METH_VARARGS, webpencode_decode_doc},
    {"probe", webpencode_probe, METH_O, webpencode_probe_doc},
    {"formats", webpencode_formats, METH_NOARGS, formats_doc},
    {"versions", webpencode_versions, METH_NOARGS, versions_doc},
    {NULL, NULL, 0, NULL},
};

enum { SLOT_EXEC, SLOT_INTERPRETERS, SLOT_GIL, SLOT_END };

static PyModuleDef_Slot module_slots[] = {
    [SLOT_EXEC] = {Py_mod_exec, (void *)module_exec},
    [SLOT_INTERPRETERS] = {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    [SLOT_GIL] = {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    [SLOT_END] = {0, NULL},
};

#ifdef Py_TARGET_ABI3T

/* For all CPythons from 3.15 on, with and without the GIL (PEP 803): a definition has no PyObject, whose size differs.
 */
PyABIInfo_VAR(module_abi);

static PySlot module_definition[] = {
    PySlot_STATIC_DATA(Py_mod_abi, &module_abi),         PySlot_STATIC_DATA(Py_mod_name, "webpencode._webpencode"),
    PySlot_STATIC_DATA(Py_mod_doc, (void *)module_doc),  PySlot_SIZE(Py_mod_state_size, sizeof(module_state)),
    PySlot_STATIC_DATA(Py_mod_methods, module_methods),  PySlot_STATIC_DATA(Py_mod_slots, module_slots),
    PySlot_FUNC(Py_mod_state_traverse, module_traverse), PySlot_FUNC(Py_mod_state_clear, module_clear),
    PySlot_FUNC(Py_mod_state_free, module_free),         PySlot_END,
};

PyMODEXPORT_FUNC
PyModExport__webpencode(void)
{
    return module_definition;
}

#else

static struct PyModuleDef module_def = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "webpencode._webpencode",
    .m_doc = module_doc,
    .m_size = sizeof(module_state),
    .m_methods = module_methods,
    .m_slots = module_slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
    .m_free = module_free,
};

PyMODINIT_FUNC
PyInit__webpencode(void)
{
    /* An interpreter rejects slots that it does not know, so the table ends before the first unknown one.
       All interpreters of the process write the same values here. */
    if (Py_Version < 0x030C0000) {
        module_slots[SLOT_INTERPRETERS] = module_slots[SLOT_END];
    }
    else if (Py_Version < 0x030D0000) {
        module_slots[SLOT_GIL] = module_slots[SLOT_END];
    }
    return PyModuleDef_Init(&module_def);
}

#endif
