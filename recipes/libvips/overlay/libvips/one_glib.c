/* Checks that the process has one glib: the one in this library. With two, each has its own types, and an object of one is
   none for the other. vips_init() reports another one. If this library's own calls lead to the other one, glib would abort
   before that: it registers its types while the library is loaded, so this is checked then. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include <vips/vips.h>

enum {
    MOST = 8,
    NOT_LOADED = 127, /* the exit code of the loader if a program's libraries do not fit together */
};

#define HINT "link the program to the libglib-2.0.so.0 next to it only"

typedef struct {
    int count;
    const char *names[MOST];
} glib_files;

static int
find_glib(struct dl_phdr_info *info, size_t size, void *data)
{
    const char *slash = info->dlpi_name != NULL ? strrchr(info->dlpi_name, '/') : NULL;
    glib_files *files = data;

    if (slash != NULL && files->count < MOST &&
        (strncmp(slash, "/libglib-2.0.so", 15) == 0 || strncmp(slash, "/libgobject-2.0.so", 18) == 0)) {
        files->names[files->count++] = info->dlpi_name;
    }
    return 0;
}

/* Return the address of a function in a loaded file, or in what that file requires. */
static void *
find_function(const char *name, const char *function)
{
    void *handle = dlopen(name, RTLD_LAZY | RTLD_NOLOAD);
    void *address = handle != NULL ? dlsym(handle, function) : NULL;

    if (handle != NULL) {
        (void)dlclose(handle);
    }
    return address;
}

int
vips__check_glib(void)
{
    glib_files files = { 0 };
    Dl_info own;

    (void)dl_iterate_phdr(find_glib, &files);
    if (dladdr((void *)vips__check_glib, &own) == 0) {
        return 0;
    }
    void *ours = find_function(own.dli_fname, "g_free");
    for (int i = 0; i < files.count; i++) {
        void *theirs = find_function(files.names[i], "g_free");

        if (ours != NULL && theirs != NULL && theirs != ours) {
            vips_error("vips_init",
                "the process has two GLibs: %s, and the one in %s; " HINT,
                files.names[i], own.dli_fname);
            return -1;
        }
    }
    return 0;
}

/* Before the constructors of glib, which have no priority. */
__attribute__((constructor(101))) static void
refuse_foreign_types(void)
{
    Dl_info own, program, theirs;

    /* A program that is not position independent, and takes the function's address, has an entry of its own for it. */
    if (dladdr((void *)vips__check_glib, &own) == 0 || dladdr((void *)g_type_register_static, &theirs) == 0 ||
        theirs.dli_fbase == own.dli_fbase ||
        (dladdr((void *)getauxval(AT_ENTRY), &program) != 0 && theirs.dli_fbase == program.dli_fbase)) {
        return;
    }
    (void)fprintf(stderr, "libvips: the process has two GLibs: the functions of %s replace those in %s; " HINT "\n",
        theirs.dli_fname, own.dli_fname);
    _exit(NOT_LOADED);
}
