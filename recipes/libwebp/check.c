/* Checks the features that the recipe of libwebp declares; prints the name of each feature that is missing. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <webp/decode.h>
#include <webp/demux.h>
#include <webp/encode.h>
#include <webp/mux.h>

enum { SIDE = 32, SSE4_1 = 3, AVX2 = 5, FEATURES = 16 };

/* libwebp queries this function for each SIMD variant that it was built with, and no other; for AVX2 only after SSE4.1. */
extern int (*VP8GetCPUInfo)(int feature);
static int (*cpu_info)(int feature);
static int queried[FEATURES];

static int record_query(int feature) {
    if (feature >= 0 && feature < FEATURES)
        queried[feature] = 1;
    return cpu_info != NULL && cpu_info(feature);
}

static uint8_t pixels[SIDE * SIDE * 4];

static int encode(int lossless, WebPMemoryWriter *writer) {
    WebPConfig config;
    WebPPicture picture;
    int encoded;

    WebPMemoryWriterInit(writer);
    if (!WebPConfigInit(&config) || !WebPPictureInit(&picture))
        return 0;
    config.lossless = lossless;
    config.use_sharp_yuv = !lossless;
    config.thread_level = 1;
    picture.use_argb = 1;
    picture.width = picture.height = SIDE;
    picture.writer = WebPMemoryWrite;
    picture.custom_ptr = writer;
    encoded = WebPPictureImportRGBA(&picture, pixels, SIDE * 4) && WebPEncode(&config, &picture);
    WebPPictureFree(&picture);
    return encoded && writer->size > 0;
}

static int decode(const WebPMemoryWriter *file) {
    int width = 0, height = 0, same;
    uint8_t *decoded = WebPDecodeRGBA(file->mem, file->size, &width, &height);

    same = decoded != NULL && width == SIDE && height == SIDE && memcmp(decoded, pixels, sizeof pixels) == 0;
    WebPFree(decoded);
    return same;
}

static int mux(const WebPMemoryWriter *file, WebPData *assembled) {
    const WebPData image = {file->mem, file->size}, profile = {(const uint8_t *)"profile", 7};
    WebPMux *container = WebPMuxNew();
    int done = container != NULL && WebPMuxSetImage(container, &image, 1) == WEBP_MUX_OK &&
               WebPMuxSetChunk(container, "ICCP", &profile, 1) == WEBP_MUX_OK &&
               WebPMuxAssemble(container, assembled) == WEBP_MUX_OK;

    WebPMuxDelete(container);
    return done;
}

static int demux(const WebPData *assembled) {
    WebPDemuxer *parsed = WebPDemux(assembled);
    int found = parsed != NULL && (WebPDemuxGetI(parsed, WEBP_FF_FORMAT_FLAGS) & ICCP_FLAG) != 0;

    WebPDemuxDelete(parsed);
    return found;
}

int main(int argc, char **argv) {
    WebPMemoryWriter lossy, exact;
    WebPData assembled = {NULL, 0};
    int encodes, decodes, muxes, demuxes, missing = 0;

    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = i % 4 == 3 ? 255 : (uint8_t)(i * 7 + i / 64);
    cpu_info = VP8GetCPUInfo;
    VP8GetCPUInfo = record_query;
    encodes = encode(0, &lossy) & encode(1, &exact);
    decodes = encodes && decode(&exact);
    muxes = encodes && mux(&lossy, &assembled);
    demuxes = muxes && demux(&assembled);
    for (int i = 1; i < argc; i++) {
        const char *feature = argv[i];
        int works = (strcmp(feature, "encode") == 0 && encodes) || (strcmp(feature, "decode") == 0 && decodes) ||
                   (strcmp(feature, "mux") == 0 && muxes) || (strcmp(feature, "demux") == 0 && demuxes) ||
                   (strcmp(feature, "sse4.1") == 0 && queried[SSE4_1]) ||
                   (strcmp(feature, "avx2") == 0 && (queried[AVX2] || (queried[SSE4_1] && !cpu_info(SSE4_1))));

        if (!works) {
            puts(feature);
            missing = 1;
        }
    }
    WebPDataClear(&assembled);
    WebPMemoryWriterClear(&lossy);
    WebPMemoryWriterClear(&exact);
    return missing;
}
