/* Checks the features that the recipe of lcms2 declares; prints the name of each feature that is missing. */
#include <lcms2.h>
#include <stdio.h>
#include <string.h>

/* Red of sRGB is lightness 53, a 80, b 70 in Lab with the white point D50, with chromatic adaptation 54.3, 80.8, 69.9. */
static int can_transform(void) {
    cmsHPROFILE srgb = cmsCreate_sRGBProfile(), lab = cmsCreateLab4Profile(NULL);
    cmsHTRANSFORM transform = cmsCreateTransform(srgb, TYPE_RGB_8, lab, TYPE_Lab_DBL, INTENT_RELATIVE_COLORIMETRIC, 0);
    const unsigned char red[3] = {255, 0, 0};
    double color[3] = {0, 0, 0};

    if (transform != NULL) {
        cmsDoTransform(transform, red, color, 1);
        cmsDeleteTransform(transform);
    }
    cmsCloseProfile(srgb);
    cmsCloseProfile(lab);
    return color[0] > 53 && color[0] < 55.5 && color[1] > 79 && color[1] < 83 && color[2] > 67 && color[2] < 72;
}

static int can_save(void) {
    cmsHPROFILE srgb = cmsCreate_sRGBProfile(), copy;
    unsigned char data[8192];
    cmsUInt32Number size = sizeof(data);
    int is_right;

    if (!cmsSaveProfileToMem(srgb, data, &size))
        return 0;
    copy = cmsOpenProfileFromMem(data, size);
    is_right = copy != NULL && cmsGetColorSpace(copy) == cmsSigRgbData;
    cmsCloseProfile(copy);
    cmsCloseProfile(srgb);
    return is_right;
}

static int has_feature(const char *name) {
    if (strcmp(name, "transform") == 0)
        return can_transform();
    if (strcmp(name, "profiles") == 0)
        return can_save();
    return 0;
}

int main(int count, char **features) {
    int missing = 0;

    for (int i = 1; i < count; i++) {
        if (!has_feature(features[i])) {
            puts(features[i]);
            missing = 1;
        }
    }
    return missing;
}
