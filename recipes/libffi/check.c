/* Checks the features that the recipe of libffi declares; prints the name of each feature that is missing. */
#include <ffi.h>
#include <stdio.h>
#include <string.h>

static double scale(int count, double factor) { return count * factor; }

static int can_call(void) {
    ffi_type *types[] = {&ffi_type_sint, &ffi_type_double};
    ffi_cif cif;
    int count = 6;
    double factor = 7.0, result = 0.0;
    void *values[] = {&count, &factor};

    if (ffi_prep_cif(&cif, FFI_DEFAULT_ABI, 2, &ffi_type_double, types) != FFI_OK)
        return 0;
    ffi_call(&cif, FFI_FN(scale), &result, values);
    return result == 42.0;
}

static void add(ffi_cif *cif, void *result, void **values, void *data) {
    (void)cif;
    *(ffi_sarg *)result = *(int *)values[0] + *(int *)data;
}

static int can_close(void) {
    static int offset = 40;
    ffi_type *types[] = {&ffi_type_sint};
    ffi_cif cif;
    void *code = NULL;
    ffi_closure *closure = ffi_closure_alloc(sizeof(ffi_closure), &code);
    int is_right;

    if (closure == NULL || ffi_prep_cif(&cif, FFI_DEFAULT_ABI, 1, &ffi_type_sint, types) != FFI_OK ||
        ffi_prep_closure_loc(closure, &cif, add, &offset, code) != FFI_OK)
        return 0;
    is_right = ((int (*)(int))code)(2) == 42;
    ffi_closure_free(closure);
    return is_right;
}

int main(int count, char **features) {
    int missing = 0;

    for (int i = 1; i < count; i++) {
        int works = strcmp(features[i], "call") == 0 ? can_call() : strcmp(features[i], "closure") == 0 ? can_close() : 0;
        if (!works) {
            puts(features[i]);
            missing = 1;
        }
    }
    return missing;
}
