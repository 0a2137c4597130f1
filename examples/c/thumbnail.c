/* Write a thumbnail of a picture. Usage: thumbnail PICTURE THUMBNAIL WIDTH */
#include <stdio.h>
#include <stdlib.h>

#include <vips/vips.h>

int
main(int argc, char **argv)
{
    VipsImage *image = NULL;
    int width = argc == 4 ? atoi(argv[3]) : 0;

    if (width < 1) {
        fprintf(stderr, "usage: thumbnail PICTURE THUMBNAIL WIDTH\n");
        return 2;
    }
    if (vips_init(argv[0]) != 0 || vips_thumbnail(argv[1], &image, width, "size", VIPS_SIZE_DOWN, NULL) != 0 ||
        vips_image_write_to_file(image, argv[2], NULL) != 0) {
        fprintf(stderr, "thumbnail: %s", vips_error_buffer());
        return 1;
    }
    printf("%d x %d with libvips %s\n", vips_image_get_width(image), vips_image_get_height(image),
           vips_version_string());
    g_object_unref(image);
    vips_shutdown();
    return 0;
}
