/* Decodes small PNG and JPEG files with libpng and libjpeg directly: setting libvips up for them takes longer than
   decoding them. Only the simplest files are decoded here, all others by libvips. No function here uses Python objects.
 */

#ifndef WEBPENCODE_SMALL_IMAGES_H
#define WEBPENCODE_SMALL_IMAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Contiguous rows of 8-bit samples: gray, gray with alpha, RGB or RGBA. */
typedef struct {
    uint8_t *samples;
    int width, height, bands;
} small_image;

/* Decode a small file without metadata, to the same pixels as libvips. Returns false, without pixels, if libvips must
   decode the file, also if it is damaged. The caller frees the samples with WebPFree(). */
bool
small_image_decode(const void *data, size_t size, small_image *image);

#endif
