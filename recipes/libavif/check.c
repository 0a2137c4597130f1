/* Writes and reads AVIF files; prints each of its arguments that does not
 * work. */
#include <avif/avif.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIZE = 64 };

static const unsigned char colors[2][4] = {{200, 60, 20, 255},
                                           {20, 60, 200, 255}};

static int add(avifEncoder *encoder, const unsigned char color[4], int flags) {
  avifImage *image = avifImageCreate(SIZE, SIZE, 8, AVIF_PIXEL_FORMAT_YUV444);
  avifRGBImage rgb;
  int is_added;

  avifRGBImageSetDefaults(&rgb, image);
  if (avifRGBImageAllocatePixels(&rgb) != AVIF_RESULT_OK)
    return 0;
  for (int y = 0; y < SIZE; y++)
    for (int x = 0; x < SIZE; x++) {
      uint8_t *pixel = rgb.pixels + y * rgb.rowBytes + 4 * x;
      memcpy(pixel, color, 4);
      pixel[3] = x < SIZE / 2 ? 255 : 0;
    }
  is_added =
      avifImageRGBToYUV(image, &rgb) == AVIF_RESULT_OK &&
      avifEncoderAddImage(encoder, image, 1, flags) == AVIF_RESULT_OK;
  avifRGBImageFreePixels(&rgb);
  avifImageDestroy(image);
  return is_added;
}

static int encode(avifRWData *file, int count) {
  avifEncoder *encoder = avifEncoderCreate();
  int is_written = 1;

  encoder->quality = 90;
  encoder->speed = 9;
  encoder->timescale = 10;
  for (int i = 0; i < count; i++)
    is_written &= add(encoder, colors[i],
                      count == 1 ? AVIF_ADD_IMAGE_FLAG_SINGLE
                                 : AVIF_ADD_IMAGE_FLAG_NONE);
  is_written =
      is_written && avifEncoderFinish(encoder, file) == AVIF_RESULT_OK;
  avifEncoderDestroy(encoder);
  return is_written && file->size > 12 &&
         memcmp(file->data + 8, count == 1 ? "avif" : "avis", 4) == 0;
}

/* Compare the decoded picture with its color, or with its mask. */
static int is_right(const avifImage *image, const unsigned char color[4],
                    int is_mask) {
  avifRGBImage rgb;
  int right = image->width == SIZE && image->height == SIZE;

  avifRGBImageSetDefaults(&rgb, image);
  if (avifRGBImageAllocatePixels(&rgb) != AVIF_RESULT_OK)
    return 0;
  right = right && avifImageYUVToRGB(image, &rgb) == AVIF_RESULT_OK;
  for (int y = 0; right && y < SIZE; y++)
    for (int x = 0; x < SIZE; x++) {
      const uint8_t *pixel = rgb.pixels + y * rgb.rowBytes + 4 * x;
      for (int i = 0; i < 3; i++)
        right &= is_mask || abs(pixel[i] - color[i]) <= 8;
      right &= !is_mask || abs(pixel[3] - (x < SIZE / 2 ? 255 : 0)) <= 8;
    }
  avifRGBImageFreePixels(&rgb);
  return right;
}

static int decode(const avifRWData *file, int count, int is_mask) {
  avifDecoder *decoder = avifDecoderCreate();
  int right =
      avifDecoderSetIOMemory(decoder, file->data, file->size) ==
          AVIF_RESULT_OK &&
      avifDecoderParse(decoder) == AVIF_RESULT_OK &&
      decoder->imageCount == count;

  for (int i = 0; right && i < count; i++)
    right = avifDecoderNextImage(decoder) == AVIF_RESULT_OK &&
            is_right(decoder->image, colors[i], is_mask);
  avifDecoderDestroy(decoder);
  return right;
}

static int write_and_read(int count, int is_mask) {
  avifRWData file = AVIF_DATA_EMPTY;
  int works = encode(&file, count) && decode(&file, count, is_mask);

  avifRWDataFree(&file);
  return works;
}

static int write_only(void) {
  avifRWData file = AVIF_DATA_EMPTY;
  int works = encode(&file, 1);

  avifRWDataFree(&file);
  return works;
}

static int supports(const char *name) {
  if (strcmp(name, "alpha") == 0)
    return write_and_read(1, 1);
  if (strcmp(name, "decode") == 0)
    return write_and_read(1, 0);
  if (strcmp(name, "encode") == 0)
    return write_only();
  return strcmp(name, "sequence") == 0 && write_and_read(2, 0);
}

int main(int argc, char **argv) {
  int missing = 0;

  for (int i = 1; i < argc; i++)
    if (!supports(argv[i])) {
      puts(argv[i]);
      missing = 1;
    }
  return missing;
}
