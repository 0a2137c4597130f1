/* The headers that the C files of libvips include first, in this order; two files define _GNU_SOURCE before them. */
#define _GNU_SOURCE
#include <config.h>
#include <glib/gi18n-lib.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vips/vips.h>
#include <vips/internal.h>
