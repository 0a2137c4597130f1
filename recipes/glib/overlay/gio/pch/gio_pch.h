/* Read once instead of for each of the two hundred files: half of the time that compiling them takes. */
#include "config.h"
#include <gio/gio.h>
