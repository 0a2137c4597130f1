#include "box_filters.h"

#include <stdint.h>
#include <string.h>

/* Number of rows that are read at a time: a pixel of the result may cover all rows of an image. */
enum { ROWS_AT_ONCE = 64 };

/* The sum of the weights of rows up to which sums of 8-bit samples are exact in a float, which has 24 bits. */
enum { MAX_EXACT_TOTAL = ((1 << 24) - 1) / UINT8_MAX };

/* Number of rows of the result that stay in memory, because threads need them in a slightly different order. */
enum { KEPT_ROWS = 10 };

/* The sizes of one side before and after, divided by their greatest common divisor. Weights are parts of a pixel in
   units of 1 / `to`, so that they are integers, and those of a pixel of the result add up to `total`. */
typedef struct {
    int from, to, total;
    bool is_nearest;
} ratio;

/* The pixels along one side that a pixel of the result covers: the first and the last one in part, the others whole. */
typedef struct {
    int first, last;
    double first_weight, last_weight; /* the last one is 0 if both are the same pixel */
} span;

/* Samples of the source, and the type of their sums in a column: float for EXACT_BYTES, double for others. */
typedef enum { EXACT_BYTES, BYTES, FLOATS } sample_kind;

/* Rows of the source that were read. */
typedef struct {
    VipsRegion *region;
    VipsRect area;
    int end; /* of the rows that are needed */
} window;

static ratio
find_ratio(int from, int to, bool is_nearest)
{
    int a = from;
    int b = to;

    while (b != 0) {
        int rest = a % b;

        a = b;
        b = rest;
    }
    return (ratio){.from = from / a, .to = to / a, .total = is_nearest ? 1 : from / a, .is_nearest = is_nearest};
}

static span
find_span(ratio scale, int at)
{
    if (scale.is_nearest) {
        int center = (int)((2 * (int64_t)at + 1) * scale.from / (2 * (int64_t)scale.to));

        return (span){.first = center, .last = center, .first_weight = 1};
    }
    int64_t begin = (int64_t)at * scale.from;
    int64_t end = begin + scale.from;
    span found = {.first = (int)(begin / scale.to), .last = (int)((end - 1) / scale.to)};
    int64_t next = ((int64_t)found.first + 1) * scale.to;

    found.first_weight = (double)(VIPS_MIN(end, next) - begin);
    found.last_weight = found.first == found.last ? 0 : (double)(end - (int64_t)found.last * scale.to);
    return found;
}

/* Return a row of the source, and read the next rows if it was not read before; NULL after a failure. */
static const void *
find_row(window *rows, int y)
{
    if (y >= rows->area.top + rows->area.height) {
        rows->area.top = y;
        rows->area.height = VIPS_MIN(ROWS_AT_ONCE, rows->end - y);
        if (vips_region_prepare(rows->region, &rows->area) != 0) {
            return NULL;
        }
    }
    return VIPS_REGION_ADDR(rows->region, rows->area.left, y);
}

static void
add_bytes_exactly(float *sums, const uint8_t *samples, int count, float weight)
{
    for (int i = 0; i < count; i++) {
        sums[i] += weight * samples[i];
    }
}

static void
add_bytes(double *sums, const uint8_t *samples, int count, double weight)
{
    for (int i = 0; i < count; i++) {
        sums[i] += weight * samples[i];
    }
}

static void
add_floats(double *sums, const float *samples, int count, double weight)
{
    for (int i = 0; i < count; i++) {
        sums[i] += weight * samples[i];
    }
}

static size_t
size_of_sum(sample_kind kind)
{
    return kind == EXACT_BYTES ? sizeof(float) : sizeof(double);
}

/* Add up the rows that one row of the result covers. */
static bool
add_rows(window *rows, ratio scale, int y, int count, sample_kind kind, void *sums)
{
    span covered = find_span(scale, y);

    memset(sums, 0, size_of_sum(kind) * (size_t)count);
    for (int at = covered.first; at <= covered.last; at++) {
        double weight = at == covered.first  ? covered.first_weight
                        : at == covered.last ? covered.last_weight
                                             : (double)scale.to;
        const void *row = find_row(rows, at);

        if (row == NULL) {
            return false;
        }
        switch (kind) {
        case EXACT_BYTES:
            add_bytes_exactly(sums, row, count, (float)weight);
            break;
        case BYTES:
            add_bytes(sums, row, count, weight);
            break;
        case FLOATS:
            add_floats(sums, row, count, weight);
            break;
        }
    }
    return true;
}

static inline double __attribute__((always_inline))
get_sum(const void *sums, ptrdiff_t at, sample_kind kind)
{
    return kind == EXACT_BYTES ? (double)((const float *)sums)[at] : ((const double *)sums)[at];
}

/* Inlined for each number of bands, which makes the loops twice as fast. */
static inline void __attribute__((always_inline))
average_bands(const void *sums, const span *spans, int count, double whole, double total, int bands, void *out,
              sample_kind kind)
{
    for (int x = 0; x < count; x++) {
        span covered = spans[x];

        for (int band = 0; band < bands; band++) {
            ptrdiff_t first = (ptrdiff_t)covered.first * bands + band;
            ptrdiff_t last = (ptrdiff_t)covered.last * bands + band;
            double inner = 0;

            for (ptrdiff_t at = first + bands; at < last; at += bands) {
                inner += get_sum(sums, at, kind);
            }
            double mean = (covered.first_weight * get_sum(sums, first, kind) + whole * inner +
                           covered.last_weight * get_sum(sums, last, kind)) /
                          total;
            if (kind == FLOATS) {
                ((float *)out)[x * bands + band] = (float)mean;
            }
            else {
                ((uint8_t *)out)[x * bands + band] = (uint8_t)(mean + 0.5);
            }
        }
    }
}

static void
average(const void *sums, const span *spans, int count, double whole, double total, int bands, void *out,
        sample_kind kind)
{
    if (kind == EXACT_BYTES && bands == 3) {
        average_bands(sums, spans, count, whole, total, 3, out, EXACT_BYTES);
    }
    else if (kind == EXACT_BYTES && bands == 1) {
        average_bands(sums, spans, count, whole, total, 1, out, EXACT_BYTES);
    }
    else if (kind == FLOATS && bands == 4) {
        average_bands(sums, spans, count, whole, total, 4, out, FLOATS);
    }
    else {
        average_bands(sums, spans, count, whole, total, bands, out, kind);
    }
}

/* Compute a part of the result. Called by libvips, in several threads at the same time. */
static int
generate(VipsRegion *out, void *region, void *image, void *nearest, gboolean *stop)
{
    VipsImage *source = image;
    VipsRect part = out->valid;
    int bands = source->Bands;
    ratio horizontal = find_ratio(source->Xsize, out->im->Xsize, nearest != NULL);
    ratio vertical = find_ratio(source->Ysize, out->im->Ysize, nearest != NULL);
    sample_kind kind = source->BandFmt != VIPS_FORMAT_UCHAR ? FLOATS
                       : vertical.total <= MAX_EXACT_TOTAL  ? EXACT_BYTES
                                                            : BYTES;
    int left = find_span(horizontal, part.left).first;
    int width = find_span(horizontal, part.left + part.width - 1).last + 1 - left;
    int end = find_span(vertical, part.top + part.height - 1).last + 1;
    window rows = {.region = region, .area = {.left = left, .width = width}, .end = end};
    span *spans = WebPMalloc(sizeof(span) * (size_t)part.width);
    void *sums = WebPMalloc(size_of_sum(kind) * (size_t)width * (size_t)bands);
    bool done = spans != NULL && sums != NULL;

    (void)stop;
    if (!done) {
        vips_error("webpencode", "out of memory");
    }
    for (int x = 0; done && x < part.width; x++) {
        spans[x] = find_span(horizontal, part.left + x);
        spans[x].first -= left;
        spans[x].last -= left;
    }
    for (int y = part.top; done && y < part.top + part.height; y++) {
        done = add_rows(&rows, vertical, y, width * bands, kind, sums);
        if (done) {
            average(sums, spans, part.width, horizontal.to, (double)horizontal.total * vertical.total, bands,
                    VIPS_REGION_ADDR(out, part.left, y), kind);
        }
    }
    WebPFree(spans);
    WebPFree(sums);
    return done ? 0 : -1;
}

VipsImage *
box_resize(VipsImage *image, int width, int height, bool is_nearest, VipsImage **steps)
{
    VipsImage *sources[] = {image, NULL};
    VipsImage *scaled = steps[0] = vips_image_new();

    if (scaled == NULL || vips_image_pipeline_array(scaled, VIPS_DEMAND_STYLE_FATSTRIP, sources) != 0) {
        return NULL;
    }
    scaled->Xsize = width;
    scaled->Ysize = height;
    if (vips_image_generate(scaled, vips_start_one, generate, vips_stop_one, image, is_nearest ? scaled : NULL) != 0) {
        return NULL;
    }
    (void)vips_sequential(scaled, &steps[1], "tile_height", KEPT_ROWS, NULL);
    return steps[1];
}
