/* Prints each feature in its arguments that fribidi does not provide. */
#include <fribidi.h>
#include <stdio.h>
#include <string.h>

/* Hebrew between Latin letters is displayed from right to left. */
static int reorders(void) {
  FriBidiChar text[] = {'a', 0x5d0, 0x5d1, 'b'}, visual[5];
  FriBidiParType base = FRIBIDI_PAR_LTR;
  return fribidi_log2vis(text, 4, &base, visual, NULL, NULL, NULL) > 0 &&
         visual[0] == 'a' && visual[1] == 0x5d1 && visual[2] == 0x5d0 &&
         visual[3] == 'b';
}

/* Two letters `beh` (U+0628) have the forms of the beginning and of the end
 * (U+FE91, U+FE90), in visual order. */
static int joins(void) {
  FriBidiChar text[] = {0x628, 0x628}, visual[3];
  FriBidiParType base = FRIBIDI_PAR_RTL;
  return fribidi_log2vis(text, 2, &base, visual, NULL, NULL, NULL) > 0 &&
         visual[0] == 0xfe90 && visual[1] == 0xfe91;
}

int main(int argc, char **argv) {
  int missing = 0;
  for (int i = 1; i < argc; i++) {
    int is_right = strcmp(argv[i], "bidi") == 0   ? reorders()
                   : strcmp(argv[i], "join") == 0 ? joins()
                                                  : 0;
    if (!is_right) {
      printf("%s\n", argv[i]);
      missing = 1;
    }
  }
  return missing;
}
