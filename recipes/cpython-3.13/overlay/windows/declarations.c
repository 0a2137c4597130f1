/* Every header that an extension may include, with the configuration for Windows instead of the one in Include. */
#ifdef _WIN64
#define MS_WIN64
#endif
#include CONFIG
#define Py_PYCONFIG_H
#include <Python.h>

#include <datetime.h>
#include <frameobject.h>
#include <marshal.h>
#include <osdefs.h>
#include <structmember.h>
