/* Encode raw pixels with libwebp in the same way as its commands `cwebp` (one picture) and `gif2webp` (several frames).
   Usage: reference_encoder PIXELS WIDTH HEIGHT BANDS OUTPUT [OPTION=NUMBER]…
   With frames=NUMBER, the output is an animation with 100 ms per frame. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <webp/encode.h>
#include <webp/mux.h>

enum { FRAME_MS = 100 };

static int find_option(int count, char **args, const char *name, int fallback) {
  const size_t length = strlen(name);

  for (int i = 0; i < count; i++) {
    if (strncmp(args[i], name, length) == 0 && args[i][length] == '=') return atoi(args[i] + length + 1);
  }
  return fallback;
}

static int read_config(WebPConfig *config, int count, char **args) {
  /* A preset sets other options, so it is applied first. */
  const int preset = find_option(count, args, "preset", WEBP_PRESET_DEFAULT);

  if (!WebPConfigPreset(config, (WebPPreset)preset, (float)find_option(count, args, "quality", 75))) return 0;
  config->lossless = find_option(count, args, "lossless", 0);
  config->near_lossless = find_option(count, args, "near_lossless", config->near_lossless);
  config->method = find_option(count, args, "effort", config->method);
  config->alpha_quality = find_option(count, args, "alpha_quality", config->alpha_quality);
  config->target_size = find_option(count, args, "target_size", 0);
  config->use_sharp_yuv = find_option(count, args, "sharp_yuv", 0);
  if (config->near_lossless < 100) config->lossless = 1;
  if (config->target_size > 0) config->pass = 6;
  return WebPValidateConfig(config);
}

static int read_picture(WebPPicture *picture, const uint8_t *pixels, int width, int height, int bands, int argb) {
  if (!WebPPictureInit(picture)) return 0;
  picture->width = width;
  picture->height = height;
  picture->use_argb = argb;
  return (bands == 4 ? WebPPictureImportRGBA : WebPPictureImportRGB)(picture, pixels, width * bands);
}

static int write_file(const char *path, const uint8_t *bytes, size_t size) {
  FILE *file = fopen(path, "wb");

  return file != NULL && fwrite(bytes, 1, size, file) == size && fclose(file) == 0;
}

static int encode_still(const WebPConfig *config, const uint8_t *pixels, int width, int height, int bands,
                        const char *path) {
  const int argb = config->lossless || config->use_sharp_yuv || config->preprocessing > 0;
  WebPPicture picture;
  WebPMemoryWriter writer;

  WebPMemoryWriterInit(&writer);
  if (!read_picture(&picture, pixels, width, height, bands, argb)) return 0;
  picture.writer = WebPMemoryWrite;
  picture.custom_ptr = &writer;
  if (!WebPEncode(config, &picture)) {
    fprintf(stderr, "WebPEncodingError %d\n", picture.error_code);
    return 0;
  }
  return write_file(path, writer.mem, writer.size);
}

static int encode_animation(const WebPConfig *config, const uint8_t *pixels, int width, int height, int bands,
                            int frames, int loop, const char *path) {
  WebPAnimEncoderOptions options;
  WebPData data = {NULL, 0};

  if (!WebPAnimEncoderOptionsInit(&options)) return 0;
  options.anim_params.loop_count = loop;
  WebPAnimEncoder *encoder = WebPAnimEncoderNew(width, height, &options);
  for (int i = 0; i < frames; i++) {
    WebPPicture picture;

    if (!read_picture(&picture, pixels + (size_t)i * width * height * bands, width, height, bands, 1) ||
        !WebPAnimEncoderAdd(encoder, &picture, i * FRAME_MS, config)) {
      return 0;
    }
    WebPPictureFree(&picture);
  }
  return WebPAnimEncoderAdd(encoder, NULL, frames * FRAME_MS, NULL) && WebPAnimEncoderAssemble(encoder, &data) &&
         write_file(path, data.bytes, data.size);
}

int main(int count, char **args) {
  const int width = atoi(args[2]), height = atoi(args[3]), bands = atoi(args[4]);
  const int frames = find_option(count - 6, args + 6, "frames", 1), loop = find_option(count - 6, args + 6, "loop", 0);
  const size_t size = (size_t)width * height * bands * frames;
  uint8_t *pixels = malloc(size);
  FILE *file = fopen(args[1], "rb");
  WebPConfig config;

  if (file == NULL || pixels == NULL || fread(pixels, 1, size, file) != size) return 1;
  if (!read_config(&config, count - 6, args + 6)) return 2;
  if (frames > 1) return encode_animation(&config, pixels, width, height, bands, frames, loop, args[5]) ? 0 : 3;
  return encode_still(&config, pixels, width, height, bands, args[5]) ? 0 : 4;
}
