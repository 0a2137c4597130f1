/* Encodes a picture into memory and decodes it; prints the names of what does
 * not give the right pixels. */
#include <openjpeg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE = 64, LIMIT = 1 << 16 };

typedef struct {
  unsigned char bytes[LIMIT];
  size_t size, position;
} file;

static OPJ_SIZE_T read_bytes(void *buffer, OPJ_SIZE_T count, void *data) {
  file *source = data;
  size_t left = source->size - source->position;

  if (left == 0)
    return (OPJ_SIZE_T)-1;
  count = count < left ? count : left;
  memcpy(buffer, source->bytes + source->position, count);
  source->position += count;
  return count;
}

static OPJ_SIZE_T write_bytes(void *buffer, OPJ_SIZE_T count, void *data) {
  file *result = data;

  if (count > LIMIT - result->position)
    return (OPJ_SIZE_T)-1;
  memcpy(result->bytes + result->position, buffer, count);
  result->position += count;
  if (result->position > result->size)
    result->size = result->position;
  return count;
}

static OPJ_BOOL seek(OPJ_OFF_T offset, void *data) {
  file *opened = data;

  if (offset < 0 || offset > LIMIT)
    return OPJ_FALSE;
  opened->position = (size_t)offset;
  return OPJ_TRUE;
}

static OPJ_OFF_T skip(OPJ_OFF_T count, void *data) {
  file *opened = data;

  return seek((OPJ_OFF_T)opened->position + count, data) ? count : -1;
}

static opj_stream_t *open_stream(file *opened, int is_input) {
  opj_stream_t *stream = opj_stream_default_create(is_input);

  opened->position = 0;
  opj_stream_set_user_data(stream, opened, NULL);
  opj_stream_set_user_data_length(stream, opened->size);
  opj_stream_set_read_function(stream, read_bytes);
  opj_stream_set_write_function(stream, write_bytes);
  opj_stream_set_seek_function(stream, seek);
  opj_stream_set_skip_function(stream, skip);
  return stream;
}

static int expected(int channel, int x, int y) {
  return (x * 3 + y * (channel + 1)) & 255;
}

static int encode(file *result, float rate, int threads) {
  opj_cparameters_t parameters;
  opj_image_cmptparm_t channels[3];
  opj_codec_t *codec = opj_create_compress(OPJ_CODEC_JP2);
  opj_stream_t *stream = open_stream(result, OPJ_FALSE);
  opj_image_t *image;
  int is_right;

  memset(channels, 0, sizeof channels);
  for (int i = 0; i < 3; i++) {
    channels[i].dx = channels[i].dy = 1;
    channels[i].w = channels[i].h = SIDE;
    channels[i].prec = 8;
  }
  image = opj_image_create(3, channels, OPJ_CLRSPC_SRGB);
  image->x1 = image->y1 = SIDE;
  for (int i = 0; i < 3; i++)
    for (int y = 0; y < SIDE; y++)
      for (int x = 0; x < SIDE; x++)
        image->comps[i].data[y * SIDE + x] = expected(i, x, y);
  opj_set_default_encoder_parameters(&parameters);
  parameters.tcp_numlayers = 1;
  parameters.tcp_rates[0] = rate;
  parameters.cp_disto_alloc = 1;
  parameters.irreversible = rate > 0;
  parameters.tcp_mct = 1;
  is_right = opj_setup_encoder(codec, &parameters, image) &&
             (threads == 0 || opj_codec_set_threads(codec, threads)) &&
             opj_start_compress(codec, image, stream) &&
             opj_encode(codec, stream) && opj_end_compress(codec, stream);
  opj_stream_destroy(stream);
  opj_destroy_codec(codec);
  opj_image_destroy(image);
  return is_right;
}

static int decode(file *source, int threads, int tolerance) {
  opj_dparameters_t parameters;
  opj_codec_t *codec = opj_create_decompress(OPJ_CODEC_JP2);
  opj_stream_t *stream = open_stream(source, OPJ_TRUE);
  opj_image_t *image = NULL;
  int is_right;

  opj_set_default_decoder_parameters(&parameters);
  is_right = opj_setup_decoder(codec, &parameters) &&
             (threads == 0 || opj_codec_set_threads(codec, threads)) &&
             opj_read_header(stream, codec, &image) &&
             opj_decode(codec, stream, image) &&
             opj_end_decompress(codec, stream) && image->numcomps == 3;
  for (int i = 0; is_right && i < 3; i++)
    for (int pixel = 0; pixel < SIDE * SIDE; pixel++) {
      int difference =
          image->comps[i].data[pixel] - expected(i, pixel % SIDE, pixel / SIDE);
      if (abs(difference) > tolerance)
        is_right = 0;
    }
  opj_stream_destroy(stream);
  opj_destroy_codec(codec);
  if (image != NULL)
    opj_image_destroy(image);
  return is_right;
}

static int is_round_trip_right(float rate, int threads, int tolerance) {
  file *memory = calloc(1, sizeof *memory);
  int is_right =
      encode(memory, rate, threads) && decode(memory, threads, tolerance);

  free(memory);
  return is_right;
}

int main(int argc, char **argv) {
  int failed = 0;

  for (int i = 1; i < argc; i++) {
    int is_right = 0;
    if (strcmp(argv[i], "jp2") == 0)
      is_right = is_round_trip_right(0, 0, 0);
    else if (strcmp(argv[i], "lossy") == 0)
      is_right = is_round_trip_right(2, 0, 60);
    else if (strcmp(argv[i], "threads") == 0)
      is_right = opj_has_thread_support() && is_round_trip_right(0, 2, 0);
    if (!is_right) {
      printf("%s\n", argv[i]);
      failed = 1;
    }
  }
  return failed;
}
