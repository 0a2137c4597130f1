/* The headers of libvips and libwebp. The libraries are either linked or, with linkage `system`, opened at run time;
   then system_linkage.h redefines the names of their functions. */

#ifndef WEBPENCODE_LIBRARIES_H
#define WEBPENCODE_LIBRARIES_H

#include <vips/vips.h>
#include <webp/encode.h>
#include <webp/mux.h>

#ifdef WEBPENCODE_SYSTEM
#include "system_linkage.h"
#endif

#endif
