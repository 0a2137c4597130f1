/* CPython's configuration for Windows, which in older versions expects MinGW compilers to be called with MS_WIN64. */
#ifdef _WIN64
#define MS_WIN64
#endif
#include "pyconfig_windows.h"
