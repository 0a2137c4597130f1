/* Asks the built libvips for what its recipe promises; prints each word that it does not keep.
 *
 * Most words are operations. Only vips_* functions are called: nothing else leaves the shared library.
 */
#include <stdio.h>
#include <string.h>

#include <vips/vips.h>
#include <vips/vector.h>

#define SOFTWARE "exif-ifd0-Software"

/* EXIF has no operation of its own: write a tag into a WebP and look for it after reading that again. */
static int keeps_exif(void) {
    VipsArea *owner = vips_area_new_array_object(3);
    VipsImage **images = vips_area_get_data(owner, NULL, NULL, NULL, NULL);
    void *file = NULL;
    size_t length = 0;
    int kept = 0;

    if (vips_black(&images[0], 16, 16, "bands", 3, NULL) == 0 && vips_copy(images[0], &images[1], NULL) == 0) {
        vips_image_set_string(images[1], SOFTWARE, "check");
        kept = vips_webpsave_buffer(images[1], &file, &length, NULL) == 0 &&
               vips_webpload_buffer(file, length, &images[2], NULL) == 0 &&
               vips_image_get_typeof(images[2], SOFTWARE) != 0;
    }
    vips_area_unref(owner);
    vips_area_free_cb(file, NULL);
    return kept;
}

static int keeps(const char *word) {
    if (strcmp(word, "exif") == 0)
        return keeps_exif();
    if (strcmp(word, "icc") == 0)
        return vips_icc_present();
    if (strcmp(word, "simd") == 0)
        return vips_vector_isenabled() && vips_vector_get_builtin_targets() != 0;
    return vips_type_find("VipsOperation", word) != 0;
}

int main(int argc, char **argv) {
    int missing = 0;

    if (vips_init(argv[0]) != 0) {
        puts(vips_error_buffer());
        return 1;
    }
    for (int i = 1; i < argc; i++)
        if (!keeps(argv[i])) {
            puts(argv[i]);
            missing = 1;
        }
    vips_shutdown();
    return missing;
}
