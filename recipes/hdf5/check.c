/* Writes files in memory and reads them; prints each feature in its arguments
 * that HDF5 does not provide. */
#include <hdf5.h>
#include <hdf5_hl.h>
#include <stdio.h>
#include <string.h>

enum { ROWS = 64, COLUMNS = 32 };

static int numbers[ROWS][COLUMNS], copy[ROWS][COLUMNS];

static hid_t create_file(void) {
  hid_t access = H5Pcreate(H5P_FILE_ACCESS), file;

  H5Pset_fapl_core(access, 1 << 16, 0);
  file = H5Fcreate("check.h5", H5F_ACC_TRUNC, H5P_DEFAULT, access);
  H5Pclose(access);
  return file;
}

/* The bytes of a file in memory are a file of their own. */
static int memory(void) {
  hid_t file = create_file(), other;
  char image[1 << 16];
  hsize_t size = ROWS * COLUMNS;
  ssize_t length;
  int is_right;

  memset(copy, 0, sizeof copy);
  is_right = H5LTmake_dataset_int(file, "numbers", 1, &size, numbers[0]) >= 0;
  H5Fflush(file, H5F_SCOPE_GLOBAL);
  length = H5Fget_file_image(file, image, sizeof image);
  H5Fclose(file);
  if (!is_right || length <= 0)
    return 0;
  other = H5LTopen_file_image(image, (size_t)length,
                              H5LT_FILE_IMAGE_DONT_COPY |
                                  H5LT_FILE_IMAGE_DONT_RELEASE);
  is_right = other >= 0 &&
             H5LTread_dataset_int(other, "numbers", copy[0]) >= 0 &&
             memcmp(copy, numbers, sizeof copy) == 0;
  H5Fclose(other);
  return is_right;
}

/* A compressed dataset is smaller, and has the same numbers. */
static int deflate(void) {
  hsize_t shape[] = {ROWS, COLUMNS};
  hid_t file = create_file(), space = H5Screate_simple(2, shape, NULL),
        creation = H5Pcreate(H5P_DATASET_CREATE), dataset;
  int is_right;

  memset(copy, 0, sizeof copy);
  H5Pset_chunk(creation, 2, shape);
  H5Pset_shuffle(creation);
  H5Pset_deflate(creation, 6);
  dataset = H5Dcreate2(file, "numbers", H5T_STD_I32BE, space, H5P_DEFAULT,
                       creation, H5P_DEFAULT);
  is_right = H5Dwrite(dataset, H5T_NATIVE_INT, H5S_ALL, H5S_ALL, H5P_DEFAULT,
                      numbers) >= 0 &&
             H5Fflush(file, H5F_SCOPE_GLOBAL) >= 0 &&
             H5Dread(dataset, H5T_NATIVE_INT, H5S_ALL, H5S_ALL, H5P_DEFAULT,
                     copy) >= 0 &&
             memcmp(copy, numbers, sizeof copy) == 0 &&
             H5Dget_storage_size(dataset) < sizeof numbers / 2;
  H5Dclose(dataset);
  H5Pclose(creation);
  H5Sclose(space);
  H5Fclose(file);
  return is_right;
}

/* Members are converted by their names. */
static int compound(void) {
  struct pair {
    double value;
    int number;
  } pair = {2.5, 7}, result = {0, 0};
  hid_t file = create_file(), space = H5Screate(H5S_SCALAR),
        native = H5Tcreate(H5T_COMPOUND, sizeof pair),
        stored = H5Tcreate(H5T_COMPOUND, 12), dataset;
  int is_right;

  H5Tinsert(native, "value", HOFFSET(struct pair, value), H5T_NATIVE_DOUBLE);
  H5Tinsert(native, "number", HOFFSET(struct pair, number), H5T_NATIVE_INT);
  H5Tinsert(stored, "number", 0, H5T_STD_I32BE);
  H5Tinsert(stored, "value", 4, H5T_IEEE_F64BE);
  dataset = H5Dcreate2(file, "pair", stored, space, H5P_DEFAULT, H5P_DEFAULT,
                       H5P_DEFAULT);
  is_right =
      H5Dwrite(dataset, native, H5S_ALL, H5S_ALL, H5P_DEFAULT, &pair) >= 0 &&
      H5Dread(dataset, native, H5S_ALL, H5S_ALL, H5P_DEFAULT, &result) >= 0 &&
      result.value == 2.5 && result.number == 7;
  H5Dclose(dataset);
  H5Tclose(stored);
  H5Tclose(native);
  H5Sclose(space);
  H5Fclose(file);
  return is_right;
}

static int high_level(void) {
  hid_t file = create_file();
  hsize_t size = 4;
  int rank = 0, is_right;
  char text[16] = "";

  is_right = H5LTmake_dataset_int(file, "numbers", 1, &size, numbers[0]) >= 0 &&
             H5LTset_attribute_string(file, "numbers", "unit", "metre") >= 0 &&
             H5LTget_attribute_string(file, "numbers", "unit", text) >= 0 &&
             strcmp(text, "metre") == 0 &&
             H5LTget_dataset_ndims(file, "numbers", &rank) >= 0 && rank == 1;
  H5Fclose(file);
  return is_right;
}

static int supports(const char *name) {
  static const struct {
    const char *name;
    int (*is_right)(void);
  } checks[] = {{"compound", compound},
                {"deflate", deflate},
                {"high-level", high_level},
                {"memory", memory}};

  for (size_t i = 0; i < sizeof checks / sizeof *checks; i++)
    if (strcmp(name, checks[i].name) == 0)
      return checks[i].is_right();
  return 0;
}

int main(int argc, char **argv) {
  int failed = 0;

  for (int i = 0; i < ROWS * COLUMNS; i++)
    numbers[i / COLUMNS][i % COLUMNS] = i * 3;
  for (int i = 1; i < argc; i++)
    if (!supports(argv[i])) {
      printf("%s\n", argv[i]);
      failed = 1;
    }
  return failed;
}
