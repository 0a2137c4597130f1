#define _GNU_SOURCE
#include "glib_check.h"

#if defined(__linux__) && !defined(VIPS_IS_STATIC)

#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <string.h>

struct search {
    void *own; /* a function of the GLib that libvips uses */
    char *path;
    size_t size;
};

static void *
find_function(const char *library)
{
    void *handle = dlopen(library, RTLD_LAZY | RTLD_NOLOAD);
    void *function = handle != NULL ? dlsym(handle, "g_object_unref") : NULL;

    if (handle != NULL)
        dlclose(handle);
    return function;
}

/* A library that only forwards to libvips has the same function. */
static int
visit(struct dl_phdr_info *info, size_t size, void *data)
{
    struct search *search = data;
    const char *name = strrchr(info->dlpi_name, '/');
    void *function;

    (void)size;
    if (name == NULL || strncmp(name, "/libgobject-2.0.so", strlen("/libgobject-2.0.so")) != 0)
        return 0;
    function = find_function(info->dlpi_name);
    if (function == NULL || function == search->own)
        return 0;
    snprintf(search->path, search->size, "%s", info->dlpi_name);
    return 1;
}

void
find_other_glib(char *path, size_t size)
{
    struct search search = {find_function("libvips.so.42"), path, size};

    *path = '\0';
    if (search.own != NULL)
        dl_iterate_phdr(visit, &search);
}

#else

void
find_other_glib(char *path, size_t size)
{
    (void)size;
    *path = '\0';
}

#endif
