/* The headers that take most of the time of a compilation, parsed once for all source files. Each source file includes
   what it uses itself, so that a compiler without precompiled headers has the same input. */

#include <Python.h>

#include "../webpencode/libraries.h"
