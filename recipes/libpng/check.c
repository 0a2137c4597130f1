/* Checks the features that the recipe of libpng declares; prints the name of each feature that is missing. */
#include <png.h>
#include <stdio.h>
#include <string.h>

static const unsigned char pixels[12] = {255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 8, 7};

/* Writes a picture of two by two pixels, and reads it again. */
static int can_read_and_write(void) {
    unsigned char file[1024], copy[12] = {0};
    png_alloc_size_t size = sizeof(file);
    png_image image = {0};

    image.version = PNG_IMAGE_VERSION;
    image.width = image.height = 2;
    image.format = PNG_FORMAT_RGB;
    if (!png_image_write_to_memory(&image, file, &size, 0, pixels, 0, NULL))
        return 0;
    memset(&image, 0, sizeof(image));
    image.version = PNG_IMAGE_VERSION;
    if (!png_image_begin_read_from_memory(&image, file, size))
        return 0;
    image.format = PNG_FORMAT_RGB;
    return png_image_finish_read(&image, NULL, copy, 0, NULL) && memcmp(pixels, copy, sizeof(pixels)) == 0;
}

int main(int count, char **features) {
    int missing = 0;

    for (int i = 1; i < count; i++) {
        if (!(strcmp(features[i], "png") == 0 && can_read_and_write())) {
            puts(features[i]);
            missing = 1;
        }
    }
    return missing;
}
