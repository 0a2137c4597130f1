/* Detection of truncated GIF files (GIF89a, appendix B), which libnsgif does not report. */

#ifndef WEBPENCODE_GIF_H
#define WEBPENCODE_GIF_H

#include <stdbool.h>
#include <stddef.h>

/* Whether the data start like a GIF and end before its last frame is complete. */
bool
gif_ends_early(const void *data, size_t size);

#endif
