/* Encodes a picture; prints each of its arguments that does not work. The
 * result is a key frame with a sequence header (section 5.5 of the AV1 bitstream
 * specification). */
#include <aom/aom_encoder.h>
#include <aom/aomcx.h>
#include <stdio.h>
#include <string.h>

enum { SIZE = 64, TEMPORAL_DELIMITER = 0x12, SEQUENCE_HEADER = 0x0a };

static int is_sequence(const aom_codec_cx_pkt_t *packet) {
  const unsigned char *bytes = packet->data.frame.buf;
  return packet->kind == AOM_CODEC_CX_FRAME_PKT &&
         (packet->data.frame.flags & AOM_FRAME_IS_KEY) != 0 &&
         packet->data.frame.sz > 16 && bytes[0] == TEMPORAL_DELIMITER &&
         bytes[1] == 0 && bytes[2] == SEQUENCE_HEADER;
}

static int encode(void) {
  aom_codec_iface_t *encoder = aom_codec_av1_cx();
  aom_codec_enc_cfg_t settings;
  aom_codec_ctx_t context;
  aom_codec_iter_t position = NULL;
  const aom_codec_cx_pkt_t *packet;
  aom_image_t *image = aom_img_alloc(NULL, AOM_IMG_FMT_I420, SIZE, SIZE, 1);
  int is_right = 0;

  if (image == NULL ||
      aom_codec_enc_config_default(encoder, &settings, AOM_USAGE_ALL_INTRA))
    return 0;
  settings.g_w = settings.g_h = SIZE;
  settings.g_threads = 2;
  for (int plane = 0; plane < 3; plane++)
    for (int y = 0; y < (plane == 0 ? SIZE : SIZE / 2); y++)
      memset(image->planes[plane] + y * image->stride[plane], 97 + y % 3,
             plane == 0 ? SIZE : SIZE / 2);
  if (aom_codec_enc_init(&context, encoder, &settings, 0) != AOM_CODEC_OK)
    return 0;
  if (aom_codec_encode(&context, image, 0, 1, 0) == AOM_CODEC_OK)
    while ((packet = aom_codec_get_cx_data(&context, &position)) != NULL)
      is_right |= is_sequence(packet);
  aom_codec_destroy(&context);
  aom_img_free(image);
  return is_right;
}

int main(int argc, char **argv) {
  int missing = 0;

  for (int i = 1; i < argc; i++)
    if (strcmp(argv[i], "encode") != 0 || !encode()) {
      puts(argv[i]);
      missing = 1;
    }
  return missing;
}
