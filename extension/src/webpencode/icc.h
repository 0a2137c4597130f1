/* Checks of ICC profiles (ICC.1:2010) that libvips does not report: it replaces an incomplete profile by that of sRGB.
 */

#ifndef WEBPENCODE_ICC_H
#define WEBPENCODE_ICC_H

#include <stdbool.h>
#include <stddef.h>

/* Whether a profile is for RGB images (7.2.6). */
bool
icc_is_rgb(const void *profile, size_t size);

/* Whether a profile has the tags that a conversion of its colors requires: a table for any color space, curves and
   colorants for RGB, or a curve for gray (8.3 and 8.4). */
bool
icc_is_complete(const void *profile, size_t size);

#endif
