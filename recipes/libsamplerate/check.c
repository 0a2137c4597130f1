/* Doubles the rate of a sine wave; prints each converter in its arguments whose
 * result differs from that wave by too much. */
#include <math.h>
#include <samplerate.h>
#include <stdio.h>
#include <string.h>

enum { FRAMES = 2000, EDGE = 400 };

static double largest_error(int converter) {
  static float wave[FRAMES], result[2 * FRAMES];
  SRC_DATA data = {.data_in = wave,
                   .data_out = result,
                   .input_frames = FRAMES,
                   .output_frames = 2 * FRAMES,
                   .src_ratio = 2};
  double largest = 0;

  for (int i = 0; i < FRAMES; i++)
    wave[i] = (float)sin(i * 0.05);
  if (src_simple(&data, converter, 1) != 0 ||
      data.output_frames_gen < 2 * FRAMES - EDGE)
    return 9;
  for (int i = EDGE; i < 2 * FRAMES - EDGE; i++)
    largest = fmax(largest, fabs(result[i] - sin(i * 0.025)));
  return largest;
}

static int supports(const char *name) {
  if (strcmp(name, "sinc") == 0)
    return largest_error(SRC_SINC_FASTEST) <= 0.01;
  if (strcmp(name, "linear") == 0)
    return largest_error(SRC_LINEAR) <= 0.1;
  return strcmp(name, "zero-order-hold") == 0 &&
         largest_error(SRC_ZERO_ORDER_HOLD) <= 0.1;
}

int main(int argc, char **argv) {
  int failed = 0;

  for (int i = 1; i < argc; i++)
    if (!supports(argv[i])) {
      printf("%s\n", argv[i]);
      failed = 1;
    }
  return failed;
}
