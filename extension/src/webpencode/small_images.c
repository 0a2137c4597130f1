#include "small_images.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include "jpeg.h"
#include "libraries.h"
#include "png.h"

#ifdef WEBPENCODE_SMALL_IMAGES

#include <jpeglib.h>
#include <png.h>

/* Number of pixels up to which libvips takes noticeably longer. */
enum { MAX_PIXELS = 256 * 256 };

typedef struct {
    const uint8_t *bytes;
    size_t size, offset;
} reader;

static bool
allocate(small_image *image)
{
    image->samples = WebPMalloc((size_t)image->width * (size_t)image->height * (size_t)image->bands);
    return image->samples != NULL;
}

static uint8_t *
find_row(const small_image *image, int y)
{
    return image->samples + (size_t)y * (size_t)image->width * (size_t)image->bands;
}

/* Leave the decoder at the first error or warning: libvips decides which ones matter, and has the messages. */
static void
leave_png(png_structp png, png_const_charp message)
{
    (void)message;
    png_longjmp(png, 1);
}

static void
read_png_bytes(png_structp png, png_bytep to, size_t count)
{
    reader *from = png_get_io_ptr(png);

    if (count > from->size - from->offset) {
        png_longjmp(png, 1);
    }
    memcpy(to, from->bytes + from->offset, count);
    from->offset += count;
}

static void
decode_png(png_structp png, png_infop info, reader *from, small_image *image)
{
    if (setjmp(png_jmpbuf(png)) != 0) {
        WebPFree(image->samples);
        image->samples = NULL;
        return;
    }
    png_set_read_fn(png, from, read_png_bytes);
    png_read_info(png, info);
    png_set_expand(png); /* palettes, fewer than 8 bits, and transparent colors */
    png_read_update_info(png, info);
    image->width = (int)png_get_image_width(png, info);
    image->height = (int)png_get_image_height(png, info);
    image->bands = png_get_channels(png, info);
    if (allocate(image)) {
        for (int y = 0; y < image->height; y++) {
            png_read_row(png, find_row(image, y), NULL);
        }
    }
}

static bool
read_png(const void *data, size_t size, small_image *image)
{
    reader from = {.bytes = data, .size = size};
    png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, NULL, leave_png, leave_png);
    png_infop info = png == NULL ? NULL : png_create_info_struct(png);

    if (info != NULL) {
        decode_png(png, info, &from, image);
    }
    png_destroy_read_struct(&png, &info, NULL);
    return image->samples != NULL;
}

/* A decoder with the place to which it returns after an error. */
typedef struct {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    jmp_buf start;
} jpeg_decoder;

static void
leave_jpeg(j_common_ptr jpeg)
{
    longjmp(((jpeg_decoder *)jpeg->client_data)->start, 1);
}

/* As for PNG, warnings are left to libvips; messages of other levels are only traces. */
static void
check_jpeg_message(j_common_ptr jpeg, int level)
{
    if (level < 0) {
        leave_jpeg(jpeg);
    }
}

static void
decode_jpeg(jpeg_decoder *decoder, const void *data, size_t size, small_image *image)
{
    struct jpeg_decompress_struct *jpeg = &decoder->jpeg;

    if (setjmp(decoder->start) != 0) {
        WebPFree(image->samples);
        image->samples = NULL;
        return;
    }
    jpeg_create_decompress(jpeg);
    jpeg_mem_src(jpeg, data, (unsigned long)size);
    (void)jpeg_read_header(jpeg, TRUE);
    (void)jpeg_start_decompress(jpeg);
    image->width = (int)jpeg->output_width;
    image->height = (int)jpeg->output_height;
    image->bands = jpeg->output_components;
    if (allocate(image)) {
        while (jpeg->output_scanline < jpeg->output_height) {
            JSAMPROW row = find_row(image, (int)jpeg->output_scanline);

            (void)jpeg_read_scanlines(jpeg, &row, 1);
        }
    }
}

static bool
read_jpeg(const void *data, size_t size, small_image *image)
{
    jpeg_decoder decoder;

    memset(&decoder, 0, sizeof(decoder));
    decoder.jpeg.err = jpeg_std_error(&decoder.errors);
    decoder.jpeg.client_data = &decoder;
    decoder.errors.error_exit = leave_jpeg;
    decoder.errors.emit_message = check_jpeg_message;
    decode_jpeg(&decoder, data, size, image);
    jpeg_destroy_decompress(&decoder.jpeg);
    return image->samples != NULL;
}

bool
small_image_decode(const void *data, size_t size, small_image *image)
{
    memset(image, 0, sizeof(*image));
    return (png_is_simple(data, size, MAX_PIXELS) && read_png(data, size, image)) ||
           (jpeg_is_simple(data, size, MAX_PIXELS) && read_jpeg(data, size, image));
}

#else

bool
small_image_decode(const void *data, size_t size, small_image *image)
{
    (void)data;
    (void)size;
    memset(image, 0, sizeof(*image));
    return false;
}

#endif
