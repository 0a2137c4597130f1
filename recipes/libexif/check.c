/* Checks the features that the recipe of libexif declares; prints the name of each feature that is missing. */
#include <libexif/exif-data.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Writes the orientation of a picture into a block of EXIF data, and reads it again. */
static int can_read_and_write(void) {
    ExifData *data = exif_data_new(), *copy;
    ExifEntry *entry = exif_entry_new();
    unsigned char *block = NULL;
    unsigned int size = 0;
    int is_right = 0;

    exif_data_set_byte_order(data, EXIF_BYTE_ORDER_INTEL);
    exif_content_add_entry(data->ifd[EXIF_IFD_0], entry);
    exif_entry_initialize(entry, EXIF_TAG_ORIENTATION);
    exif_set_short(entry->data, EXIF_BYTE_ORDER_INTEL, 6);
    exif_data_save_data(data, &block, &size);
    copy = exif_data_new_from_data(block, size);
    exif_entry_unref(entry);
    entry = copy == NULL ? NULL : exif_content_get_entry(copy->ifd[EXIF_IFD_0], EXIF_TAG_ORIENTATION);
    if (entry != NULL)
        is_right = exif_get_short(entry->data, exif_data_get_byte_order(copy)) == 6;
    exif_data_unref(copy);
    exif_data_unref(data);
    free(block);
    return is_right;
}

int main(int count, char **features) {
    int missing = 0;

    for (int i = 1; i < count; i++) {
        if (!(strcmp(features[i], "exif") == 0 && can_read_and_write())) {
            puts(features[i]);
            missing = 1;
        }
    }
    return missing;
}
