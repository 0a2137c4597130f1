#include "webp.h"

#include <string.h>

/* Number of rows that are converted at a time; even, because two rows share their chroma samples. */
enum { STRIP_ROWS = 32 };

/* Largest distance between rows in bytes: libwebp advances by two rows at once, and counts in an int. */
enum { MAX_STRIDE = INT32_MAX / 4 };

bool
webp_frame_start(webp_frame *frame, int width, int height, int bands, bool argb)
{
    WebPPicture *picture = &frame->picture;

    memset(frame, 0, sizeof(*frame));
    if (!WebPPictureInit(picture)) {
        return false;
    }
    frame->bands = bands;
    picture->width = width;
    picture->height = height;
    picture->use_argb = argb;
    picture->colorspace = bands == 4 ? WEBP_YUV420A : WEBP_YUV420;
    return true;
}

void
webp_frame_clear(webp_frame *frame)
{
    WebPPictureFree(&frame->picture);
    WebPFree(frame->strip);
    frame->strip = NULL;
}

static int
import_pixels(WebPPicture *picture, const uint8_t *rows, int stride, int bands)
{
    return bands == 4 ? WebPPictureImportRGBA(picture, rows, stride) : WebPPictureImportRGB(picture, rows, stride);
}

static void
copy_plane(uint8_t *to, int to_stride, const uint8_t *from, int from_stride, int width, int height)
{
    for (int y = 0; y < height; y++) {
        memcpy(to + (ptrdiff_t)y * to_stride, from + (ptrdiff_t)y * from_stride, (size_t)width);
    }
}

/* Convert rows with libwebp and copy the result into the picture. The bytes are the same as those of a conversion of
   all rows at once, because only the two rows of a pair share samples. */
static bool
convert_rows(webp_frame *frame, const uint8_t *rows, size_t stride, int count)
{
    WebPPicture *whole = &frame->picture;
    WebPPicture part;
    int width = whole->width;
    int top = frame->rows;

    if (!WebPPictureInit(&part)) {
        return false;
    }
    part.width = width;
    part.height = count;
    part.use_argb = whole->use_argb;
    if (!import_pixels(&part, rows, (int)stride, frame->bands)) {
        WebPPictureFree(&part);
        return false;
    }
    if (whole->use_argb) {
        for (int y = 0; y < count; y++) {
            memcpy(whole->argb + (ptrdiff_t)(top + y) * whole->argb_stride, part.argb + (ptrdiff_t)y * part.argb_stride,
                   (size_t)width * sizeof(uint32_t));
        }
    }
    else {
        int half_width = (width + 1) / 2;
        int half_count = (count + 1) / 2;
        ptrdiff_t half_top = (ptrdiff_t)(top / 2) * whole->uv_stride;

        copy_plane(whole->y + (ptrdiff_t)top * whole->y_stride, whole->y_stride, part.y, part.y_stride, width, count);
        copy_plane(whole->u + half_top, whole->uv_stride, part.u, part.uv_stride, half_width, half_count);
        copy_plane(whole->v + half_top, whole->uv_stride, part.v, part.uv_stride, half_width, half_count);
        if (whole->a != NULL) {
            uint8_t *alpha = whole->a + (ptrdiff_t)top * whole->a_stride;

            if (part.a != NULL) {
                frame->transparent = true;
                copy_plane(alpha, whole->a_stride, part.a, part.a_stride, width, count);
            }
            else {
                memset(alpha, 0xFF, (size_t)whole->a_stride * (size_t)count);
            }
        }
    }
    WebPPictureFree(&part);
    frame->rows += count;
    return true;
}

static bool
convert_strip(webp_frame *frame)
{
    int count = frame->strip_rows;

    frame->strip_rows = 0;
    return count == 0 || convert_rows(frame, frame->strip, (size_t)frame->picture.width * (size_t)frame->bands, count);
}

bool
webp_frame_add(webp_frame *frame, const uint8_t *rows, size_t stride, int count)
{
    WebPPicture *picture = &frame->picture;
    size_t row_size = (size_t)picture->width * (size_t)frame->bands;

    if (frame->rows == 0 && frame->strip_rows == 0) {
        if (count == picture->height && stride <= MAX_STRIDE) {
            frame->rows = count;
            return import_pixels(picture, rows, (int)stride, frame->bands);
        }
        frame->strip = WebPMalloc(row_size * STRIP_ROWS);
        if (frame->strip == NULL || !WebPPictureAlloc(picture)) {
            return false;
        }
    }
    for (int y = 0; y < count; y++) {
        memcpy(frame->strip + (size_t)frame->strip_rows * row_size, rows + (size_t)y * stride, row_size);
        frame->strip_rows++;
        if ((frame->strip_rows == STRIP_ROWS || frame->rows + frame->strip_rows == picture->height) &&
            !convert_strip(frame)) {
            return false;
        }
    }
    if (frame->rows == picture->height && picture->a != NULL && !frame->transparent) {
        /* libwebp drops an opaque alpha plane too when it imports all rows at once. The picture still owns the memory.
         */
        picture->colorspace = WEBP_YUV420;
        picture->a = NULL;
        picture->a_stride = 0;
    }
    return true;
}

const char *
webp_error_message(WebPEncodingError code, bool *no_memory)
{
    switch (code) {
    case VP8_ENC_ERROR_OUT_OF_MEMORY:
    case VP8_ENC_ERROR_BITSTREAM_OUT_OF_MEMORY:
    case VP8_ENC_ERROR_BAD_WRITE: /* the output is written to memory */
        *no_memory = true;
        return "not enough memory";
    case VP8_ENC_ERROR_PARTITION0_OVERFLOW:
        return "the first partition is over 512 KiB: the image has too much detail for lossy WebP at this quality";
    case VP8_ENC_ERROR_PARTITION_OVERFLOW:
        return "a partition is over 16 MiB: the image has too much detail for lossy WebP at this quality";
    case VP8_ENC_ERROR_FILE_TOO_BIG:
        return "the file would be over 4 GiB";
    case VP8_ENC_ERROR_BAD_DIMENSION:
        return "the image is larger than WebP allows";
    case VP8_ENC_ERROR_INVALID_CONFIGURATION:
        return "these options cannot be combined";
    default:
        return "libwebp failed without an error message";
    }
}

const char *
webp_encode_frame(webp_frame *frame, const WebPConfig *config, WebPData *file, bool *no_memory)
{
    WebPMemoryWriter writer;

    WebPMemoryWriterInit(&writer);
    frame->picture.writer = WebPMemoryWrite;
    frame->picture.custom_ptr = &writer;
    bool done = WebPEncode(config, &frame->picture);
    if (!done && config->thread_level > 0 && frame->picture.error_code == VP8_ENC_ERROR_OUT_OF_MEMORY) {
        /* The cause may be a thread that could not be started: retry without threads. */
        WebPConfig single_threaded = *config;

        single_threaded.thread_level = 0;
        WebPMemoryWriterClear(&writer);
        done = WebPEncode(&single_threaded, &frame->picture);
    }
    if (!done) {
        WebPMemoryWriterClear(&writer);
        return webp_error_message(frame->picture.error_code, no_memory);
    }
    *file = (WebPData){.bytes = writer.mem, .size = writer.size};
    return NULL;
}

void
webp_mark_transparent(WebPData *file)
{
    enum { FLAGS = 20, ALPHA = 0x10 }; /* RFC 9649, 2.7 */

    if (file->size > FLAGS && memcmp(file->bytes + 12, "VP8X", 4) == 0) {
        ((uint8_t *)file->bytes)[FLAGS] |= ALPHA;
    }
}

const char *
webp_add_metadata(WebPData *file, const webp_metadata *metadata, bool *no_memory)
{
    const struct {
        const char *name;
        const WebPData *data;
    } chunks[] = {{"ICCP", &metadata->icc}, {"EXIF", &metadata->exif}, {"XMP ", &metadata->xmp}};
    WebPMuxError status = WEBP_MUX_OK;
    WebPData whole;

    if (metadata->icc.size + metadata->exif.size + metadata->xmp.size == 0) {
        return NULL;
    }
    WebPDataInit(&whole);
    WebPMux *mux = WebPMuxCreate(file, 0);
    if (mux == NULL) {
        /* The file comes from libwebp itself, so it is valid. */
        *no_memory = true;
        return "not enough memory";
    }
    for (size_t i = 0; i < sizeof(chunks) / sizeof(chunks[0]) && status == WEBP_MUX_OK; i++) {
        if (chunks[i].data->size > 0) {
            status = WebPMuxSetChunk(mux, chunks[i].name, chunks[i].data, 0);
        }
    }
    if (status == WEBP_MUX_OK) {
        status = WebPMuxAssemble(mux, &whole);
    }
    WebPMuxDelete(mux);
    if (status != WEBP_MUX_OK) {
        *no_memory = status == WEBP_MUX_MEMORY_ERROR;
        return *no_memory ? "not enough memory" : "the metadata does not fit into a WebP file";
    }
    WebPDataClear(file);
    *file = whole;
    return NULL;
}
