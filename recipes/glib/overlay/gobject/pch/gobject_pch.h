/* The headers that nearly every file of libgobject includes first, parsed once. */
#include "config.h"
#include <string.h>
#include <glib.h>
#include <glib-object.h>
