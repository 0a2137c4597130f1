/* Limits of sides and frames, which are checked before libvips reads a file. */

#ifndef WEBPENCODE_LIMITS_H
#define WEBPENCODE_LIMITS_H

#include <stdbool.h>
#include <stddef.h>

#include "failure.h"

/* Reject a JPEG, PNG or WebP with a side that the libraries do not support, for which they have other messages or none,
   and animations with too many frames. */
bool
check_limits(const void *data, size_t size, failure *failed);

#endif
