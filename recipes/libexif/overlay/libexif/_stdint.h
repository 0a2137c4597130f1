/* exif-utils.h includes the exact-width integer types by this name. */
#include <stdint.h>
