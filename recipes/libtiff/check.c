/* Prints each codec in its arguments with which libtiff does not write and read
 * back a strip in memory. */
#include <stdio.h>
#include <string.h>
#include <tiffio.h>

#define SIDE 16

struct file {
  unsigned char bytes[65536];
  toff_t size, position;
};

static tmsize_t read_file(thandle_t handle, void *bytes, tmsize_t size) {
  struct file *file = (struct file *)handle;
  tmsize_t left =
      file->position < file->size ? (tmsize_t)(file->size - file->position) : 0;
  if (size > left)
    size = left;
  memcpy(bytes, file->bytes + file->position, (size_t)size);
  file->position += (toff_t)size;
  return size;
}

static tmsize_t write_file(thandle_t handle, void *bytes, tmsize_t size) {
  struct file *file = (struct file *)handle;
  if (file->position + (toff_t)size > sizeof file->bytes)
    return -1;
  memcpy(file->bytes + file->position, bytes, (size_t)size);
  file->position += (toff_t)size;
  if (file->position > file->size)
    file->size = file->position;
  return size;
}

static toff_t seek_file(thandle_t handle, toff_t offset, int whence) {
  struct file *file = (struct file *)handle;
  return file->position = offset + (whence == SEEK_SET   ? 0
                                    : whence == SEEK_CUR ? file->position
                                                         : file->size);
}

static int close_file(thandle_t handle) {
  (void)handle;
  return 0;
}

static toff_t file_size(thandle_t handle) {
  return ((struct file *)handle)->size;
}

static int has_codec(uint16_t compression) {
  static struct file file;
  unsigned char pixels[SIDE * SIDE * 3], unpacked[sizeof pixels];
  int is_right = 0;
  TIFF *tiff;

  memset(&file, 0, sizeof file);
  memset(pixels, 200, sizeof pixels); /* a uniform area is the same after a
                                         lossy codec, but for rounding */
  if (!TIFFIsCODECConfigured(compression))
    return 0;
  tiff = TIFFClientOpen("check", "w", &file, read_file, write_file, seek_file,
                        close_file, file_size, NULL, NULL);
  if (tiff == NULL)
    return 0;
  TIFFSetField(tiff, TIFFTAG_IMAGEWIDTH, SIDE);
  TIFFSetField(tiff, TIFFTAG_IMAGELENGTH, SIDE);
  TIFFSetField(tiff, TIFFTAG_ROWSPERSTRIP, SIDE);
  TIFFSetField(tiff, TIFFTAG_SAMPLESPERPIXEL, 3);
  TIFFSetField(tiff, TIFFTAG_BITSPERSAMPLE, 8);
  TIFFSetField(tiff, TIFFTAG_PLANARCONFIG, PLANARCONFIG_CONTIG);
  TIFFSetField(tiff, TIFFTAG_PHOTOMETRIC, PHOTOMETRIC_RGB);
  TIFFSetField(tiff, TIFFTAG_COMPRESSION, compression);
  is_right =
      TIFFWriteEncodedStrip(tiff, 0, pixels, sizeof pixels) == sizeof pixels;
  TIFFClose(tiff);
  if (!is_right || file.size >= sizeof pixels)
    return 0;
  file.position = 0;
  tiff = TIFFClientOpen("check", "r", &file, read_file, write_file, seek_file,
                        close_file, file_size, NULL, NULL);
  if (tiff == NULL)
    return 0;
  is_right = TIFFReadEncodedStrip(tiff, 0, unpacked, sizeof unpacked) ==
             sizeof unpacked;
  for (size_t i = 0; i < sizeof unpacked; i++)
    is_right &= unpacked[i] >= 199 && unpacked[i] <= 201;
  TIFFClose(tiff);
  return is_right;
}

int main(int argc, char **argv) {
  static const struct {
    const char *name;
    uint16_t compression;
  } codecs[] = {
      {"deflate", COMPRESSION_ADOBE_DEFLATE},
      {"jpeg", COMPRESSION_JPEG},
      {"lzma", COMPRESSION_LZMA},
      {"lzw", COMPRESSION_LZW},
      {"packbits", COMPRESSION_PACKBITS},
      {"webp", COMPRESSION_WEBP},
      {"zstd", COMPRESSION_ZSTD},
  };
  int missing = 0;
  for (int i = 1; i < argc; i++) {
    int is_known = 0;
    for (size_t j = 0; j < sizeof codecs / sizeof codecs[0]; j++)
      is_known |= strcmp(argv[i], codecs[j].name) == 0 &&
                  has_codec(codecs[j].compression);
    if (!is_known) {
      printf("%s\n", argv[i]);
      missing = 1;
    }
  }
  return missing;
}
