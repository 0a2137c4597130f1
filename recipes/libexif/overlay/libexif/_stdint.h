/* exif-utils.h wants the exact-width integer types under this name. */
#include <stdint.h>
