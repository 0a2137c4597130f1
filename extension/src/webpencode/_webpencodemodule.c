/* webpencode._webpencode: the module itself (PEP 489), its state and what it offers. */

#include "_webpencodemodule.h"
#include "encode.h"
#include "libvips.h"

/* The limited API of 3.11 names neither slot, but a newer interpreter knows the numbers. */
#ifndef Py_mod_multiple_interpreters
#define Py_mod_multiple_interpreters 3
#define Py_MOD_PER_INTERPRETER_GIL_SUPPORTED ((void *)2)
#endif
#ifndef Py_mod_gil
#define Py_mod_gil 4
#define Py_MOD_GIL_NOT_USED ((void *)1)
#endif

PyDoc_STRVAR(module_doc, "Encode images as WebP, through libvips and libwebp.");

PyDoc_STRVAR(encode_error_doc, "The bytes given are no image that can be encoded; the text is libvips' own.");

static int
module_exec(PyObject *module)
{
    module_state *state = get_module_state(module);
    const char *reason = libvips_start();

    if (reason != NULL) {
        PyErr_Format(PyExc_ImportError, "libvips did not start: %s", reason);
        return -1;
    }
    state->encode_error =
        PyErr_NewExceptionWithDoc("webpencode.WebPEncodeError", encode_error_doc, PyExc_ValueError, NULL);
    if (state->encode_error == NULL) {
        return -1;
    }
    return PyModule_AddObjectRef(module, "WebPEncodeError", state->encode_error);
}

static int
module_traverse(PyObject *module, visitproc visit, void *arg)
{
    Py_VISIT(get_module_state(module)->encode_error);
    return 0;
}

static int
module_clear(PyObject *module)
{
    Py_CLEAR(get_module_state(module)->encode_error);
    return 0;
}

static void
module_free(void *module)
{
    (void)module_clear((PyObject *)module);
}

static PyMethodDef module_methods[] = {
    {"encode", (PyCFunction)(void (*)(void))webpencode_encode, METH_VARARGS | METH_KEYWORDS, webpencode_encode_doc},
    {NULL, NULL, 0, NULL},
};

enum { SLOT_EXEC, SLOT_INTERPRETERS, SLOT_GIL, SLOT_END };

static PyModuleDef_Slot module_slots[] = {
    [SLOT_EXEC] = {Py_mod_exec, (void *)module_exec},
    [SLOT_INTERPRETERS] = {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    [SLOT_GIL] = {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    [SLOT_END] = {0, NULL},
};

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
    /* An interpreter refuses a slot that it does not know, so the table ends where its knowledge does.
       Every interpreter of the process writes the same here. */
    if (Py_Version < 0x030C0000) {
        module_slots[SLOT_INTERPRETERS] = module_slots[SLOT_END];
    }
    else if (Py_Version < 0x030D0000) {
        module_slots[SLOT_GIL] = module_slots[SLOT_END];
    }
    return PyModuleDef_Init(&module_def);
}
