/* Transforms waves; prints each of its arguments that does not work. */
#include <fftw3.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIZE = 480, WAVES = 7 };

static const double turn = 6.283185307179586476925;

static void draw(fftw_complex *values) {
  for (int i = 0; i < SIZE; i++) {
    values[i][0] = cos(turn * WAVES * i / SIZE);
    values[i][1] = sin(turn * WAVES * i / SIZE);
  }
}

/* All of the wave must be in one place. */
static int is_right(fftw_complex *values, int count, double expected) {
  int right = 1;

  for (int i = 0; i < count; i++)
    right &= fabs(values[i][0] - (i == WAVES ? expected : 0)) < 1e-9 &&
             fabs(values[i][1]) < 1e-9;
  return right;
}

static int has_dft(void) {
  fftw_complex *values = fftw_malloc(sizeof *values * SIZE);
  fftw_plan plan =
      fftw_plan_dft_1d(SIZE, values, values, FFTW_FORWARD, FFTW_MEASURE);
  int right;

  draw(values);
  fftw_execute(plan);
  right = is_right(values, SIZE, SIZE);
  fftw_destroy_plan(plan);
  fftw_free(values);
  return right;
}

static int has_real(void) {
  fftw_complex *output = fftw_malloc(sizeof *output * (SIZE / 2 + 1));
  double *input = fftw_malloc(sizeof *input * SIZE);
  fftw_plan plan = fftw_plan_dft_r2c_1d(SIZE, input, output, FFTW_ESTIMATE);
  int right;

  for (int i = 0; i < SIZE; i++)
    input[i] = cos(turn * WAVES * i / SIZE);
  fftw_execute(plan);
  right = is_right(output, SIZE / 2 + 1, SIZE / 2.0);
  fftw_destroy_plan(plan);
  fftw_free(output);
  fftw_free(input);
  return right;
}

static int has_threads(void) {
  int works = fftw_init_threads() != 0;

  fftw_plan_with_nthreads(2);
  works = works && fftw_planner_nthreads() == 2 && has_dft();
  fftw_plan_with_nthreads(1);
  return works;
}

static int has_wisdom(void) {
  int is_measured = has_dft();
  char *text = fftw_export_wisdom_to_string();
  int works = is_measured && text != NULL &&
              strstr(text, "fftw_codelet") != NULL;

  fftw_forget_wisdom();
  works = works && fftw_import_wisdom_from_string(text);
  free(text);
  return works;
}

static int supports(const char *name) {
  if (strcmp(name, "dft") == 0)
    return has_dft();
  if (strcmp(name, "real") == 0)
    return has_real();
  if (strcmp(name, "threads") == 0)
    return has_threads();
  return strcmp(name, "wisdom") == 0 && has_wisdom();
}

int main(int argc, char **argv) {
  int missing = 0;

  for (int i = 1; i < argc; i++)
    if (!supports(argv[i])) {
      puts(argv[i]);
      missing = 1;
    }
  return missing;
}
