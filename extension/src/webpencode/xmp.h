/* The parts of XMP (ISO 16684-1) that must change when the data are copied into a WebP file. */

#ifndef WEBPENCODE_XMP_H
#define WEBPENCODE_XMP_H

#include <stdbool.h>

#include "facts.h"
#include "libraries.h"

/* Copy an XMP packet and replace its orientation, size and color space, whether they are attributes or elements,
   with any prefix. `updated` is empty, or freed by the caller with WebPFree(). Returns false if there is
   not enough memory. */
bool
xmp_update(const WebPData *xmp, const picture_facts *facts, WebPData *updated);

/* Join the packet of a JPEG with its extension (XMP specification, part 3, 1.1.3.1): the properties of the extension
   are added, and the reference to it is removed. Parameters and results are those of xmp_update(). */
bool
xmp_join(const WebPData *xmp, const WebPData *extension, WebPData *joined);

/* Return the identifier of the extension to which a packet refers: 32 characters, or NULL if there is none. */
const uint8_t *
xmp_extension_id(const WebPData *xmp);

#endif
