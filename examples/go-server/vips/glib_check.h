/* GLib registers types in one table for each copy of it: with two, programs crash far from the cause. */
#ifndef GLIB_CHECK_H
#define GLIB_CHECK_H

#include <stddef.h>

/* Write the path of another GLib than that of libvips in this process to `path`, or "" if there is only one. */
void
find_other_glib(char *path, size_t size);

#endif
