/* The headers of libvips and libwebp. Both are linked, or (linkage `system`) opened at run time: system.h then gives
   their functions' names another meaning. */

#ifndef WEBPENCODE_LIBRARIES_H
#define WEBPENCODE_LIBRARIES_H

#include <vips/vips.h>
#include <webp/encode.h>
#include <webp/mux.h>

#ifdef WEBPENCODE_SYSTEM
#include "system.h"
#endif

#endif
