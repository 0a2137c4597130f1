/* What nearly every file of libgobject begins with, parsed once. */
#include "config.h"
#include <string.h>
#include <glib.h>
#include <glib-object.h>
