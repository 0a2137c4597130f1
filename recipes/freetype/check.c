/* Prints each feature in its arguments that FreeType does not provide. The
 * fonts have a square as the glyph of `a`. */
#include <ft2build.h>
#include FT_FREETYPE_H
#include FT_BZIP2_H
#include FT_GZIP_H
#include FT_SYSTEM_H
#include <stdio.h>
#include <string.h>

/* A font with outlines of TrueType, and a red picture of 4 x 4 pixels for `a`
 * (sbix). */
static const unsigned char truetype[] = {
    0,   1,   0,   0,   0,   10,  0,   128, 0,   3,   0,   32,  71,  83,  85,
    66,  177, 5,   180, 9,   0,   0,   1,   240, 0,   0,   0,   80,  99,  109,
    97,  112, 0,   125, 0,   185, 0,   0,   1,   56,  0,   0,   0,   60,  103,
    108, 121, 102, 4,   103, 156, 43,  0,   0,   1,   128, 0,   0,   0,   78,
    104, 101, 97,  100, 49,  97,  187, 190, 0,   0,   0,   172, 0,   0,   0,
    54,  104, 104, 101, 97,  7,   11,  2,   93,  0,   0,   0,   228, 0,   0,
    0,   36,  104, 109, 116, 120, 12,  128, 1,   44,  0,   0,   1,   40,  0,
    0,   0,   16,  108, 111, 99,  97,  0,   52,  0,   26,  0,   0,   1,   116,
    0,   0,   0,   10,  109, 97,  120, 112, 0,   6,   0,   6,   0,   0,   1,
    8,   0,   0,   0,   32,  112, 111, 115, 116, 0,   3,   0,   0,   0,   0,
    1,   208, 0,   0,   0,   32,  115, 98,  105, 120, 176, 30,  49,  180, 0,
    0,   2,   64,  0,   0,   0,   122, 0,   1,   0,   0,   0,   1,   0,   0,
    82,  50,  247, 4,   95,  15,  60,  245, 0,   3,   3,   232, 0,   0,   0,
    0,   231, 49,  187, 223, 0,   0,   0,   0,   231, 49,  187, 223, 0,   100,
    0,   0,   3,   132, 3,   32,  0,   0,   0,   3,   0,   2,   0,   0,   0,
    0,   0,   0,   0,   1,   0,   0,   3,   32,  255, 56,  0,   0,   4,   76,
    0,   100, 254, 212, 3,   132, 0,   1,   0,   0,   0,   0,   0,   0,   0,
    0,   0,   0,   0,   0,   0,   0,   0,   4,   0,   1,   0,   0,   0,   4,
    0,   4,   0,   1,   0,   0,   0,   0,   0,   2,   0,   0,   0,   0,   0,
    0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   1,   244, 0,   0,
    3,   232, 0,   100, 2,   88,  0,   100, 4,   76,  0,   100, 0,   0,   0,
    2,   0,   0,   0,   3,   0,   0,   0,   20,  0,   3,   0,   1,   0,   0,
    0,   20,  0,   4,   0,   40,  0,   0,   0,   6,   0,   4,   0,   1,   0,
    2,   0,   97,  0,   102, 255, 255, 0,   0,   0,   97,  0,   102, 255, 255,
    255, 160, 255, 156, 0,   1,   0,   0,   0,   0,   0,   0,   0,   0,   0,
    0,   0,   13,  0,   26,  0,   39,  0,   0,   0,   1,   0,   100, 0,   0,
    3,   132, 3,   32,  0,   3,   0,   0,   51,  17,  33,  17,  100, 3,   32,
    3,   32,  252, 224, 0,   0,   1,   0,   100, 0,   0,   3,   132, 3,   32,
    0,   3,   0,   0,   51,  17,  33,  17,  100, 3,   32,  3,   32,  252, 224,
    0,   0,   1,   0,   100, 0,   0,   3,   132, 3,   32,  0,   3,   0,   0,
    51,  17,  33,  17,  100, 3,   32,  3,   32,  252, 224, 0,   0,   0,   0,
    3,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,
    0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,
    0,   0,   1,   0,   0,   0,   10,  0,   30,  0,   44,  0,   1,   68,  70,
    76,  84,  0,   8,   0,   4,   0,   0,   0,   0,   255, 255, 0,   1,   0,
    0,   0,   1,   108, 105, 103, 97,  0,   8,   0,   0,   0,   1,   0,   0,
    0,   1,   0,   4,   0,   4,   0,   0,   0,   1,   0,   8,   0,   1,   0,
    18,  0,   1,   0,   8,   0,   1,   0,   4,   0,   3,   0,   2,   0,   2,
    0,   1,   0,   1,   0,   2,   0,   1,   0,   1,   0,   0,   0,   1,   0,
    0,   0,   12,  0,   4,   0,   72,  0,   0,   0,   24,  0,   0,   0,   24,
    0,   0,   0,   110, 0,   0,   0,   110, 0,   0,   0,   110, 0,   0,   0,
    0,   112, 110, 103, 32,  137, 80,  78,  71,  13,  10,  26,  10,  0,   0,
    0,   13,  73,  72,  68,  82,  0,   0,   0,   4,   0,   0,   0,   4,   8,
    6,   0,   0,   0,   169, 241, 158, 126, 0,   0,   0,   21,  73,  68,  65,
    84,  120, 156, 99,  252, 207, 192, 240, 159, 1,   9,   48,  49,  160, 1,
    194, 2,   0,   131, 209, 2,   6,   2,   144, 239, 88,  0,   0,   0,   0,
    73,  69,  78,  68,  174, 66,  96,  130, 0,   0};

/* The same outlines, compressed with Brotli. */
static const unsigned char woff2[] = {
    119, 79,  70,  50,  0,   1,   0,   0,   0,   0,   1,   4,   0,   9,   0,
    0,   0,   0,   2,   52,  0,   0,   0,   191, 0,   1,   0,   0,   0,   0,
    0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,
    0,   0,   0,   28,  80,  0,   60,  10,  84,  78,  1,   54,  2,   36,  3,
    16,  11,  10,  0,   4,   32,  7,   32,  27,  131, 1,   248, 31,  135, 177,
    51,  167, 36,  20,  222, 197, 98,  16,  226, 161, 255, 253, 218, 157, 55,
    179, 139, 105, 212, 168, 33,  18,  37,  253, 136, 85,  179, 18,  55,  84,
    58,  185, 17,  217, 211, 161, 242, 234, 107, 183, 99,  112, 56,  169, 193,
    6,   156, 32,  6,   136, 129, 252, 0,   52,  120, 12,  55,  229, 149, 170,
    192, 188, 29,  199, 226, 244, 124, 184, 48,  171, 160, 119, 129, 248, 120,
    125, 190, 53,  139, 64,  40,  133, 48,  43,  172, 47,  85,  82,  211, 132,
    208, 208, 144, 216, 148, 2,   155, 202, 62,  198, 74,  104, 110, 61,  245,
    14,  235, 254, 213, 19,  0,   40,  48,  139, 196, 34,  86,  0,   5,   8,
    33,  170, 106, 97,  102, 109, 44,  15,  123, 123, 123, 234, 129, 64,  112,
    118, 253, 185, 101, 229, 228, 111, 54,  115, 10,  63,  252, 206, 205, 31,
    200, 73,  238, 33,  53,  16,  228, 94,  151, 26,  60,  252, 159, 19,  1,
    0,   168, 248, 37,  167, 30,  218, 141, 135, 26,  60,  8,   148, 18,  160,
    1,   0,   72,  7,   0};

/* Outlines of PostScript. */
static const unsigned char cff[] = {
    79,  84,  84,  79,  0,   7,   0,   64,  0,   2,   0,   48,  67,  70,  70,
    32,  6,   11,  10,  183, 0,   0,   1,   60,  0,   0,   0,   93,  99,  109,
    97,  112, 0,   125, 0,   185, 0,   0,   0,   224, 0,   0,   0,   60,  104,
    101, 97,  100, 49,  97,  187, 190, 0,   0,   0,   124, 0,   0,   0,   54,
    104, 104, 101, 97,  7,   11,  2,   93,  0,   0,   0,   180, 0,   0,   0,
    36,  104, 109, 116, 120, 12,  128, 1,   44,  0,   0,   1,   156, 0,   0,
    0,   16,  109, 97,  120, 112, 0,   4,   80,  0,   0,   0,   0,   216, 0,
    0,   0,   6,   112, 111, 115, 116, 0,   3,   0,   0,   0,   0,   1,   28,
    0,   0,   0,   32,  0,   1,   0,   0,   0,   1,   0,   0,   13,  155, 78,
    215, 95,  15,  60,  245, 0,   3,   3,   232, 0,   0,   0,   0,   231, 49,
    187, 223, 0,   0,   0,   0,   231, 49,  187, 223, 0,   100, 0,   0,   3,
    132, 3,   32,  0,   0,   0,   3,   0,   2,   0,   0,   0,   0,   0,   0,
    0,   1,   0,   0,   3,   32,  255, 56,  0,   0,   4,   76,  0,   100, 254,
    212, 3,   132, 0,   1,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,
    0,   0,   0,   0,   0,   4,   0,   0,   80,  0,   0,   4,   0,   0,   0,
    0,   0,   2,   0,   0,   0,   3,   0,   0,   0,   20,  0,   3,   0,   1,
    0,   0,   0,   20,  0,   4,   0,   40,  0,   0,   0,   6,   0,   4,   0,
    1,   0,   2,   0,   97,  0,   102, 255, 255, 0,   0,   0,   97,  0,   102,
    255, 255, 255, 160, 255, 156, 0,   1,   0,   0,   0,   0,   0,   0,   0,
    3,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,
    0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,
    0,   1,   0,   4,   1,   0,   1,   1,   1,   2,   84,  0,   1,   1,   1,
    15,  239, 139, 250, 24,  249, 180, 5,   178, 15,  139, 232, 18,  185, 17,
    0,   1,   1,   1,   4,   102, 95,  102, 0,   0,   0,   0,   66,  0,   71,
    1,   135, 0,   4,   1,   1,   4,   16,  28,  40,  250, 124, 14,  250, 124,
    239, 22,  249, 180, 249, 180, 253, 180, 7,   14,  250, 124, 239, 22,  249,
    180, 249, 180, 253, 180, 7,   14,  250, 124, 239, 22,  249, 180, 249, 180,
    253, 180, 7,   14,  0,   0,   0,   1,   244, 0,   0,   3,   232, 0,   100,
    2,   88,  0,   100, 4,   76,  0,   100};

/* The text "abc". */
static const unsigned char packed_gzip[] = {31, 139, 8,  0,  0,  0, 0, 0,
                                            2,  3,   75, 76, 74, 6, 0, 194,
                                            65, 36,  53, 3,  0,  0, 0};
#ifdef FT_CONFIG_OPTION_USE_BZIP2
static const unsigned char packed_bzip2[] = {
    66,  90, 104, 57, 49, 65,  89, 38, 83, 89,  100, 140, 187,
    115, 0,  0,   0,  1,  0,   56, 0,  32, 0,   33,  152, 25,
    132, 97, 119, 36, 83, 133, 9,  6,  72, 203, 183, 48};
#endif

/* Returns whether `a` at 10 pixels is a square of 8 x 8 full pixels. */
static int renders(FT_Library library, const unsigned char *font,
                   FT_Long size) {
  FT_Face face;
  int is_right;

  if (FT_New_Memory_Face(library, font, size, 0, &face))
    return 0;
  is_right =
      FT_Set_Pixel_Sizes(face, 10, 10) == 0 &&
      FT_Load_Char(face, 'a', FT_LOAD_RENDER | FT_LOAD_NO_HINTING) == 0 &&
      face->glyph->bitmap.rows == 8 && face->glyph->bitmap.width == 8 &&
      face->glyph->bitmap.buffer[3 * face->glyph->bitmap.pitch + 3] == 255;
  FT_Done_Face(face);
  return is_right;
}

/* FreeType takes a font with pictures as one without outlines: they are rendered
 * from a copy in which the last table, that of the pictures, is not counted. */
static int renders_truetype(FT_Library library) {
  unsigned char outlines[sizeof truetype];

  memcpy(outlines, truetype, sizeof truetype);
  outlines[5] = 9;
  return renders(library, outlines, sizeof outlines);
}

/* Returns whether the picture of `a` is decoded: blue, green, red and alpha. */
static int loads_png(FT_Library library) {
  FT_Face face;
  int is_right;

  if (FT_New_Memory_Face(library, truetype, sizeof truetype, 0, &face))
    return 0;
  is_right = FT_Select_Size(face, 0) == 0 &&
             FT_Load_Char(face, 'a', FT_LOAD_COLOR) == 0 &&
             face->glyph->bitmap.pixel_mode == FT_PIXEL_MODE_BGRA &&
             face->glyph->bitmap.rows == 4 &&
             memcmp(face->glyph->bitmap.buffer, "\0\0\377\377", 4) == 0;
  FT_Done_Face(face);
  return is_right;
}

static void *allocate(FT_Memory memory, long size) {
  (void)memory;
  return malloc((size_t)size);
}

static void release(FT_Memory memory, void *block) {
  (void)memory;
  free(block);
}

static void *reallocate(FT_Memory memory, long current, long wanted,
                        void *block) {
  (void)memory;
  (void)current;
  return realloc(block, (size_t)wanted);
}

static struct FT_MemoryRec_ memory = {NULL, allocate, release, reallocate};

/* Returns whether a compressed stream in memory is read. */
static int unpacks(FT_Error (*open)(FT_Stream, FT_Stream),
                   const unsigned char *packed, unsigned long size) {
  FT_StreamRec source, stream;
  unsigned char text[3];
  int is_right;

  memset(&source, 0, sizeof source);
  memset(&stream, 0, sizeof stream);
  source.base = (unsigned char *)packed;
  source.size = size;
  source.memory = stream.memory = &memory;
  if (open(&stream, &source))
    return 0;
  if (stream.read != NULL)
    is_right =
        stream.read(&stream, 0, text, 3) == 3 && memcmp(text, "abc", 3) == 0;
  else /* a small stream is unpacked when it is opened */
    is_right = stream.size == 3 && memcmp(stream.base, "abc", 3) == 0;
  if (stream.close != NULL)
    stream.close(&stream);
  return is_right;
}

static int provides(FT_Library library, const char *name) {
  if (strcmp(name, "truetype") == 0)
    return renders_truetype(library);
  if (strcmp(name, "woff2") == 0)
    return renders(library, woff2, sizeof woff2);
  if (strcmp(name, "cff") == 0)
    return renders(library, cff, sizeof cff);
  if (strcmp(name, "png") == 0)
    return loads_png(library);
  if (strcmp(name, "gzip") == 0)
    return unpacks(FT_Stream_OpenGzip, packed_gzip, sizeof packed_gzip);
#ifdef FT_CONFIG_OPTION_USE_BZIP2
  return strcmp(name, "bzip2") == 0 &&
         unpacks(FT_Stream_OpenBzip2, packed_bzip2, sizeof packed_bzip2);
#else
  return 0;
#endif
}

int main(int argc, char **argv) {
  FT_Library library;
  int missing = 0;

  if (FT_Init_FreeType(&library))
    return 2;
  for (int i = 1; i < argc; i++) {
    if (!provides(library, argv[i])) {
      printf("%s\n", argv[i]);
      missing = 1;
    }
  }
  FT_Done_FreeType(library);
  return missing;
}
