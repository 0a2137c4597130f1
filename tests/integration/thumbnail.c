/* Write a WebP thumbnail of a JPEG with the C interface of libvips. Usage: thumbnail JPEG WEBP WIDTH */
#include <stdio.h>
#include <stdlib.h>

#include <vips/vips.h>

int main(int argc, char **argv) {
  VipsImage *image = NULL;

  if (argc != 4 || vips_init(argv[0]) != 0 || vips_thumbnail(argv[1], &image, atoi(argv[3]), NULL) != 0 ||
      vips_webpsave(image, argv[2], NULL) != 0) {
    fprintf(stderr, "%s\n", vips_error_buffer());
    return 1;
  }
  printf("%d x %d with libvips %s\n", vips_image_get_width(image), vips_image_get_height(image), vips_version_string());
  return 0;
}
