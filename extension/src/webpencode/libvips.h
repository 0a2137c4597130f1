/* Process-wide state of libvips: initialization, error buffer and protection against use after fork().

   No function here uses Python objects. All source files call only vips_* functions: in a wheel, glib is hidden inside
   libvips, and a direct call to glib would link a second copy of it. */

#ifndef WEBPENCODE_LIBVIPS_H
#define WEBPENCODE_LIBVIPS_H

#include <stdbool.h>

/* Maximum size of an error message of libvips; longer ones are truncated. */
enum { LIBVIPS_MESSAGE_SIZE = 2048 };

/* Whether libvips has this version or a newer one. */
bool
libvips_is_at_least(int major, int minor);

/* Initialize libvips, on the first call in the process. Returns NULL, or the reason of the failure. */
const char *
libvips_start(void);

/* Begin a call to libvips. Returns false in a process that was forked from one that had used libvips already: threads
   do not survive fork(), and waiting for them would hang. Then libvips_leave() must not be called. */
bool
libvips_enter(void);

/* End a call to libvips. After a failure, `message` is a buffer of LIBVIPS_MESSAGE_SIZE bytes that receives libvips'
   error message, never empty; after a success it is NULL. */
void
libvips_leave(char *message);

#endif
