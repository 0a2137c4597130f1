/* The blocks of GIF files (GIF89a, appendix B): libnsgif does not report truncated files. */

#ifndef WEBPENCODE_GIF_H
#define WEBPENCODE_GIF_H

#include <stdbool.h>
#include <stddef.h>

/* Whether the data start like a GIF. */
bool
is_gif(const void *data, size_t size);

/* Whether the data start like a GIF and end before its last frame is complete. */
bool
gif_ends_early(const void *data, size_t size);

/* Return the number of frames of a GIF; 0 if the data are not a GIF. */
long long
gif_count_frames(const void *data, size_t size);

#endif
