/* libwebp's own encoder, called as its commands call it: `cwebp` for one picture, `gif2webp` for several.
   reference PIXELS WIDTH HEIGHT BANDS FILE [NAME=NUMBER]…, where frames=NUMBER makes an animation of 100 ms a frame. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <webp/encode.h>
#include <webp/mux.h>

enum { FRAME_MS = 100 };

static int find_option(int count, char **words, const char *name, int otherwise) {
  const size_t length = strlen(name);

  for (int i = 0; i < count; i++) {
    if (strncmp(words[i], name, length) == 0 && words[i][length] == '=') return atoi(words[i] + length + 1);
  }
  return otherwise;
}

static int read_config(WebPConfig *config, int count, char **words) {
  /* A preset changes other options, so that it comes first. */
  const int preset = find_option(count, words, "preset", WEBP_PRESET_DEFAULT);

  if (!WebPConfigPreset(config, (WebPPreset)preset, (float)find_option(count, words, "quality", 75))) return 0;
  config->lossless = find_option(count, words, "lossless", 0);
  config->near_lossless = find_option(count, words, "near_lossless", config->near_lossless);
  config->method = find_option(count, words, "effort", config->method);
  config->alpha_quality = find_option(count, words, "alpha_quality", config->alpha_quality);
  config->target_size = find_option(count, words, "target_size", 0);
  config->use_sharp_yuv = find_option(count, words, "sharp_yuv", 0);
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

int main(int count, char **words) {
  const int width = atoi(words[2]), height = atoi(words[3]), bands = atoi(words[4]);
  const int frames = find_option(count - 6, words + 6, "frames", 1), loop = find_option(count - 6, words + 6, "loop", 0);
  const size_t size = (size_t)width * height * bands * frames;
  uint8_t *pixels = malloc(size);
  FILE *file = fopen(words[1], "rb");
  WebPConfig config;

  if (file == NULL || pixels == NULL || fread(pixels, 1, size, file) != size) return 1;
  if (!read_config(&config, count - 6, words + 6)) return 2;
  if (frames > 1) return encode_animation(&config, pixels, width, height, bands, frames, loop, words[5]) ? 0 : 3;
  return encode_still(&config, pixels, width, height, bands, words[5]) ? 0 : 4;
}
