/* Checks the features that the recipe of libvips declares; prints the name of each feature that is missing.
 *
 * Most features are operations. Only vips_* functions are called: the shared library exports no others.
 */
#include <stdio.h>
#include <string.h>

#include <vips/vips.h>
#include <vips/vector.h>

#define SOFTWARE "exif-ifd0-Software"

/* EXIF has no operation: write a tag into a WebP file, read the file, and look for the tag. */
static int supports_exif(void) {
    VipsArea *owner = vips_area_new_array_object(3);
    VipsImage **images = vips_area_get_data(owner, NULL, NULL, NULL, NULL);
    void *file = NULL;
    size_t length = 0;
    int found = 0;

    if (vips_black(&images[0], 16, 16, "bands", 3, NULL) == 0 && vips_copy(images[0], &images[1], NULL) == 0) {
        vips_image_set_string(images[1], SOFTWARE, "check");
        found = vips_webpsave_buffer(images[1], &file, &length, NULL) == 0 &&
               vips_webpload_buffer(file, length, &images[2], NULL) == 0 &&
               vips_image_get_typeof(images[2], SOFTWARE) != 0;
    }
    vips_area_unref(owner);
    vips_area_free_cb(file, NULL);
    return found;
}

static int supports(const char *feature) {
    if (strcmp(feature, "exif") == 0)
        return supports_exif();
    if (strcmp(feature, "icc") == 0)
        return vips_icc_present();
    if (strcmp(feature, "simd") == 0)
        return vips_vector_isenabled() && vips_vector_get_builtin_targets() != 0;
    return vips_type_find("VipsOperation", feature) != 0;
}

int main(int argc, char **argv) {
    int missing = 0;

    if (vips_init(argv[0]) != 0) {
        puts(vips_error_buffer());
        return 1;
    }
    for (int i = 1; i < argc; i++)
        if (!supports(argv[i])) {
            puts(argv[i]);
            missing = 1;
        }
    vips_shutdown();
    return missing;
}
