/* Checks the features that the recipe of libjpeg-turbo declares; prints the name of each feature that is missing. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

enum { SIDE = 64 };

/* In the static library: whether SIMD code of this processor converts colors. A shared library does not export it. */
extern int jsimd_can_rgb_ycc(void) __attribute__((weak));

static unsigned long encode(unsigned char **file) {
    struct jpeg_compress_struct to;
    struct jpeg_error_mgr errors;
    JSAMPLE line[SIDE * 3];
    JSAMPROW row = line;
    unsigned long length = 0;

    to.err = jpeg_std_error(&errors);
    jpeg_create_compress(&to);
    jpeg_mem_dest(&to, file, &length);
    to.image_width = to.image_height = SIDE;
    to.input_components = 3;
    to.in_color_space = JCS_RGB;
    jpeg_set_defaults(&to);
    jpeg_start_compress(&to, TRUE);
    memset(line, 128, sizeof line);
    while (to.next_scanline < to.image_height)
        jpeg_write_scanlines(&to, &row, 1);
    jpeg_finish_compress(&to);
    jpeg_destroy_compress(&to);
    return length;
}

static int decode(unsigned char *file, unsigned long length) {
    struct jpeg_decompress_struct from;
    struct jpeg_error_mgr errors;
    JSAMPLE line[SIDE * 3];
    JSAMPROW row = line;
    int same = 1;

    from.err = jpeg_std_error(&errors);
    jpeg_create_decompress(&from);
    jpeg_mem_src(&from, file, length);
    jpeg_read_header(&from, TRUE);
    jpeg_start_decompress(&from);
    while (from.output_scanline < from.output_height) {
        jpeg_read_scanlines(&from, &row, 1);
        same = same && abs(line[0] - 128) < 3 && abs(line[SIDE * 3 - 1] - 128) < 3;
    }
    jpeg_finish_decompress(&from);
    jpeg_destroy_decompress(&from);
    return same;
}

static int has_simd(void) {
#ifdef WITH_SIMD
    return jsimd_can_rgb_ycc == NULL || jsimd_can_rgb_ycc();
#else
    return 0;
#endif
}

int main(int argc, char **argv) {
    unsigned char *file = NULL;
    const unsigned long length = encode(&file);
    const int decodes = length > 0 && decode(file, length);
    int missing = 0;

    for (int i = 1; i < argc; i++) {
        int works = (strcmp(argv[i], "encode") == 0 && length > 0) || (strcmp(argv[i], "decode") == 0 && decodes) ||
                   (strcmp(argv[i], "simd") == 0 && has_simd());

        if (!works) {
            puts(argv[i]);
            missing = 1;
        }
    }
    free(file);
    return missing;
}
