/* The functions of the header, which marks them for export in a DLL. */
#include "iconv.h"

#include "glib/win_iconv.c"
