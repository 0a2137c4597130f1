/* libwebp's own encoder, called as its command `cwebp` calls it: reference PIXELS WIDTH HEIGHT BANDS FILE [NAME=NUMBER]… */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <webp/encode.h>

int main(int count, char **words) {
  const int width = atoi(words[2]), height = atoi(words[3]), bands = atoi(words[4]);
  const size_t size = (size_t)width * height * bands;
  int preset = WEBP_PRESET_DEFAULT, quality = 75, *place;
  WebPConfig config;
  WebPPicture picture;
  WebPMemoryWriter writer;
  uint8_t *pixels = malloc(size);
  FILE *file = fopen(words[1], "rb");

  if (file == NULL || pixels == NULL || fread(pixels, 1, size, file) != size) return 1;
  fclose(file);
  /* A preset changes other options, so that it comes first. */
  for (int i = 6; i < count; i++) {
    sscanf(words[i], "preset=%d", &preset);
    sscanf(words[i], "quality=%d", &quality);
  }
  if (!WebPConfigPreset(&config, (WebPPreset)preset, (float)quality)) return 1;
  for (int i = 6; i < count; i++) {
    const struct { const char *name; int *place; } options[] = {
      {"lossless", &config.lossless},           {"near_lossless", &config.near_lossless},
      {"effort", &config.method},               {"alpha_quality", &config.alpha_quality},
      {"target_size", &config.target_size},     {"sharp_yuv", &config.use_sharp_yuv},
    };
    const size_t length = strcspn(words[i], "=");

    place = NULL;
    for (size_t at = 0; at < sizeof(options) / sizeof(options[0]); at++) {
      if (strlen(options[at].name) == length && strncmp(options[at].name, words[i], length) == 0) {
        place = options[at].place;
      }
    }
    if (place != NULL) *place = atoi(words[i] + length + 1);
  }
  if (config.near_lossless < 100) config.lossless = 1;
  if (config.target_size > 0) config.pass = 6;
  if (!WebPValidateConfig(&config) || !WebPPictureInit(&picture)) return 1;
  picture.width = width;
  picture.height = height;
  picture.use_argb = config.lossless || config.use_sharp_yuv || config.preprocessing > 0;
  WebPMemoryWriterInit(&writer);
  picture.writer = WebPMemoryWrite;
  picture.custom_ptr = &writer;
  if (!(bands == 4 ? WebPPictureImportRGBA : WebPPictureImportRGB)(&picture, pixels, width * bands)) return 1;
  if (!WebPEncode(&config, &picture)) {
    fprintf(stderr, "WebPEncodingError %d\n", picture.error_code);
    return 2;
  }
  file = fopen(words[5], "wb");
  if (file == NULL || fwrite(writer.mem, 1, writer.size, file) != writer.size || fclose(file) != 0) return 1;
  WebPMemoryWriterClear(&writer);
  WebPPictureFree(&picture);
  free(pixels);
  return 0;
}
