/* What is one for the whole process: libvips' start, its error buffer, and its dislike of fork().

   No function here touches a Python object. Only vips_* functions are called, here and elsewhere: in a wheel, glib
   stands hidden inside libvips, and a call to it would bring a second glib along. */

#ifndef WEBPENCODE_LIBVIPS_H
#define WEBPENCODE_LIBVIPS_H

#include <stdbool.h>

/* Room for libvips' words about one failure; longer ones are cut. */
enum { LIBVIPS_WORDS_SIZE = 2048 };

/* Whether libvips is of this version or a newer one. */
bool
libvips_is_at_least(int major, int minor);

/* Start libvips, on the first call in the process. Returns NULL, or the reason why it did not start. */
const char *
libvips_start(void);

/* Go into libvips. Returns false, and must not be followed by libvips_leave(), in a child made by fork() from a process
   that has been in libvips before: its threads are not in the child, and whoever waits for them waits for ever. */
bool
libvips_enter(void);

/* Leave libvips. After a failure, `words` takes LIBVIPS_WORDS_SIZE bytes of what libvips says about it, never empty;
   after a success it is NULL. */
void
libvips_leave(char *words);

#endif
