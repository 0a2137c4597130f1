/* Decodes a picture of 16 x 16 pixels of one color; prints each of its
 * arguments that does not work. */
#include <dav1d/dav1d.h>
#include <stdio.h>
#include <string.h>

static const unsigned char stream[] = {
    0x12, 0x00, 0x0a, 0x09, 0x18, 0x0c, 0xff, 0xda, 0x20, 0x21, 0xa0,
    0xd0, 0x80, 0x32, 0x1a, 0x19, 0x47, 0x87, 0x86, 0x21, 0x87, 0x9e,
    0x79, 0xe6, 0x80, 0x00, 0x00, 0x75, 0x86, 0x4d, 0xda, 0xe6, 0x57,
    0x59, 0x41, 0x02, 0x73, 0x2c, 0xbd, 0x30, 0xc0};

static int is_uniform(const unsigned char *plane, ptrdiff_t stride, int side,
                      int value) {
  for (int y = 0; y < side; y++)
    for (int x = 0; x < side; x++)
      if (plane[y * stride + x] < value - 2 ||
          plane[y * stride + x] > value + 2)
        return 0;
  return 1;
}

/* The luma of RGB 200, 60, 20 is 97, by ITU-R BT.601 in the full range. */
static int decode(void) {
  Dav1dSettings settings;
  Dav1dContext *context;
  Dav1dData data;
  Dav1dPicture picture;
  int is_right;

  memset(&data, 0, sizeof data);
  memset(&picture, 0, sizeof picture);
  dav1d_default_settings(&settings);
  settings.max_frame_delay = 1;
  if (dav1d_open(&context, &settings) < 0)
    return 0;
  memcpy(dav1d_data_create(&data, sizeof stream), stream, sizeof stream);
  is_right = dav1d_send_data(context, &data) == 0 &&
             dav1d_get_picture(context, &picture) == 0 && picture.p.w == 16 &&
             picture.p.h == 16 && picture.p.bpc == 8 &&
             is_uniform(picture.data[0], picture.stride[0], 16, 97);
  dav1d_picture_unref(&picture);
  dav1d_close(&context);
  return is_right;
}

int main(int argc, char **argv) {
  int missing = 0;

  for (int i = 1; i < argc; i++)
    if (strcmp(argv[i], "decode") != 0 || !decode()) {
      puts(argv[i]);
      missing = 1;
    }
  return missing;
}
