/* The little of GIF (version 89a, appendix B) that libnsgif does not say: whether the file ends before its last frame.
 */

#ifndef WEBPENCODE_GIF_H
#define WEBPENCODE_GIF_H

#include <stdbool.h>
#include <stddef.h>

/* Whether bytes begin as a GIF does and then end before its trailer. */
bool
gif_ends_early(const void *data, size_t size);

#endif
