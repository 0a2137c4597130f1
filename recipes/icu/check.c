/* Reads the data of several languages; prints each of its arguments that does
 * not work. */
#include <stdio.h>
#include <string.h>
#include <unicode/ubrk.h>
#include <unicode/ucol.h>
#include <unicode/udat.h>
#include <unicode/uregex.h>
#include <unicode/ustring.h>

static int has_breaks(void) {
  static const UChar text[] = {0x0e2a, 0x0e27, 0x0e31, 0x0e2a, 0x0e14, 0x0e35,
                               0x0e04, 0x0e23, 0x0e31, 0x0e1a, 0};
  UErrorCode status = U_ZERO_ERROR;
  UBreakIterator *words = ubrk_open(UBRK_WORD, "th", text, -1, &status);
  int first = U_SUCCESS(status) ? ubrk_next(words) : 0;

  ubrk_close(words);
  return first == 6;
}

static int compare(const char *language) {
  static const UChar o_umlaut[] = {0xf6, 0}, z[] = {'z', 0};
  UErrorCode status = U_ZERO_ERROR;
  UCollator *collator = ucol_open(language, &status);
  int order =
      U_SUCCESS(status) ? ucol_strcoll(collator, o_umlaut, -1, z, -1) : 0;

  ucol_close(collator);
  return order;
}

static int has_dates(void) {
  static const UChar zone[] = {'U', 'T', 'C', 0};
  UErrorCode status = U_ZERO_ERROR;
  UDateFormat *format =
      udat_open(UDAT_NONE, UDAT_LONG, "fr_FR", zone, -1, NULL, 0, &status);
  UChar result[64];
  char text[64] = "";

  udat_format(format, 0, result, 64, NULL, &status);
  if (U_SUCCESS(status))
    u_strToUTF8(text, sizeof text, NULL, result, -1, &status);
  udat_close(format);
  return strcmp(text, "1 janvier 1970") == 0;
}

static int has_regex(void) {
  static const UChar text[] = {0x416, 0x443, 0x43a, 0};
  UErrorCode status = U_ZERO_ERROR;
  URegularExpression *regex =
      uregex_openC("\\p{Lu}\\p{script=Cyrillic}{2}", 0, NULL, &status);
  int matches;

  uregex_setText(regex, text, -1, &status);
  matches = uregex_matches(regex, 0, &status);
  uregex_close(regex);
  return U_SUCCESS(status) && matches;
}

static int supports(const char *name) {
  if (strcmp(name, "breaks") == 0)
    return has_breaks();
  if (strcmp(name, "collation") == 0)
    return compare("de") == UCOL_LESS && compare("sv") == UCOL_GREATER;
  if (strcmp(name, "dates") == 0)
    return has_dates();
  return strcmp(name, "regex") == 0 && has_regex();
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
