/* Linkage `system`: opens the system's libvips and libwebp with dlopen(), and reports those that are unavailable. */

#include "_webpencodemodule.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libraries.h"
#include "libvips.h"

/* The oldest libvips that has all functions and options that this module uses. */
enum { OLDEST_MAJOR = 8, OLDEST_MINOR = 10 };

enum { EVIDENCE_SIZE = 512, MAX_NAMES = 3 };

#define SYSTEM_DEFINE(name) __typeof__(system_##name) system_##name;
LIBWEBP_FUNCTIONS(SYSTEM_DEFINE)
LIBWEBPMUX_FUNCTIONS(SYSTEM_DEFINE)
LIBVIPS_FUNCTIONS(SYSTEM_DEFINE)

typedef struct {
    const char *name;
    void *pointer; /* address of the function pointer to set */
} function_entry;

#define SYSTEM_LIST(name) {#name, &system_##name},
static const function_entry libwebp_functions[] = {LIBWEBP_FUNCTIONS(SYSTEM_LIST){NULL, NULL}};
static const function_entry libwebpmux_functions[] = {LIBWEBPMUX_FUNCTIONS(SYSTEM_LIST){NULL, NULL}};
static const function_entry libvips_functions[] = {LIBVIPS_FUNCTIONS(SYSTEM_LIST){NULL, NULL}};

/* A library and its possible file names: those with an ABI that matches the headers, the newest first. */
typedef struct {
    const char *library;
    const char *names[MAX_NAMES];
    const function_entry *functions;
} system_library;

#ifdef __APPLE__
/* dyld does not search the directories of Homebrew. */
#define NAMES(library, abi, older)                                                                                     \
    {library "." abi ".dylib", "/opt/homebrew/lib/" library "." abi ".dylib",                                          \
     "/usr/local/lib/" library "." abi ".dylib"}
#else
#define NAMES(library, abi, older) {library ".so." abi, older}
#endif

/* libwebp.so.6 (libwebp 0.6) is also accepted: its functions check the compatibility of structures themselves
   (WEBP_*_ABI_VERSION). */
enum { LIBWEBP, LIBWEBPMUX, LIBVIPS, LIBRARY_COUNT };
static const system_library libraries[LIBRARY_COUNT] = {
    [LIBWEBP] = {"libwebp", NAMES("libwebp", "7", "libwebp.so.6"), libwebp_functions},
    [LIBWEBPMUX] = {"libwebpmux", NAMES("libwebpmux", "3", NULL), libwebpmux_functions},
    [LIBVIPS] = {"libvips", NAMES("libvips", "42", NULL), libvips_functions},
};

/* The reason why a library cannot be used. */
typedef struct {
    const char *library;
    char version[32]; /* the version that is too old, or empty */
    char evidence[EVIDENCE_SIZE];
} missing_library;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool is_open[LIBRARY_COUNT];
static bool is_shared = false;
static void *(*allocate)(size_t) = malloc;

bool
system_shares_libvips(void)
{
    return is_shared;
}

/* Libraries are never closed: libvips' threads and glib's types would outlive dlclose(). */
static void *
open_names(const system_library *library, int extra_flags)
{
    void *handle = NULL;

    for (int i = 0; handle == NULL && i < MAX_NAMES && library->names[i] != NULL; i++) {
        handle = dlopen(library->names[i], RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE | extra_flags);
    }
    return handle;
}

/* Record the error message of the loader; of several names of a library, the one for the first. */
static bool
record_loader_error(const system_library *library, missing_library *missing)
{
    const char *message;

    if (missing->library == NULL) {
        (void)dlopen(library->names[0], RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    }
    message = dlerror();
    missing->library = library->library;
    (void)snprintf(missing->evidence, sizeof(missing->evidence), "%s",
                   message != NULL ? message : "dlopen() reported no error");
    return false;
}

/* Check the version of libvips; record the version and the path of one that is too old. */
static bool
check_version(void *handle, missing_library *missing)
{
    Dl_info info;
    int (*version)(int) = NULL;
    void *symbol = dlsym(handle, "vips_version");

    if (symbol == NULL) {
        return true; /* reported later as a missing function */
    }
    memcpy(&version, &symbol, sizeof(version));
    int major = version(0);
    int minor = version(1);
    if (major > OLDEST_MAJOR || (major == OLDEST_MAJOR && minor >= OLDEST_MINOR)) {
        return true;
    }
    missing->library = "libvips";
    (void)snprintf(missing->version, sizeof(missing->version), "%d.%d.%d", major, minor, version(2));
    (void)snprintf(missing->evidence, sizeof(missing->evidence), "%s",
                   dladdr(symbol, &info) != 0 && info.dli_fname != NULL ? info.dli_fname : "libvips");
    return false;
}

static bool
open_library(int number, missing_library *missing)
{
    const system_library *library = &libraries[number];

    if (is_open[number]) {
        return true;
    }
    if (number == LIBVIPS) {
        is_shared = open_names(library, RTLD_NOLOAD) != NULL;
        (void)dlerror();
    }
    void *handle = open_names(library, 0);
    if (handle == NULL) {
        return record_loader_error(library, missing);
    }
    if (number == LIBVIPS && !check_version(handle, missing)) {
        return false;
    }
    for (const function_entry *function = library->functions; function->name != NULL; function++) {
        void *symbol = dlsym(handle, function->name);

        if (symbol == NULL) {
            missing->library = library->library;
            return record_loader_error(library, missing);
        }
        memcpy(function->pointer, &symbol, sizeof(symbol));
    }
    if (number == LIBWEBP) {
        /* libwebp 1.0 does not have it; WebPFree() has always been free(). */
        void *symbol = dlsym(handle, "WebPMalloc");

        if (symbol != NULL) {
            memcpy(&allocate, &symbol, sizeof(symbol));
        }
    }
    is_open[number] = true;
    return true;
}

/* Raise MissingLibraryError; _missing_library.py composes the message. Always returns false. */
static bool
raise_missing(PyObject *module, const missing_library *missing)
{
    PyObject *messages = PyImport_ImportModule("webpencode._missing_library");
    PyObject *evidence = PyUnicode_DecodeFSDefault(missing->evidence);
    PyObject *message =
        messages == NULL || evidence == NULL
            ? NULL
            : PyObject_CallMethod(messages, "make_message", "ssO", missing->library, missing->version, evidence);

    if (message != NULL) {
        PyErr_SetObject(get_module_state(module)->missing_error, message);
    }
    Py_XDECREF(message);
    Py_XDECREF(evidence);
    Py_XDECREF(messages);
    return false;
}

bool
libraries_open(PyObject *module, library_need need)
{
    missing_library missing = {.library = NULL};
    const char *reason = NULL;

    pthread_mutex_lock(&lock);
    /* libvips first: installing it also installs the others. */
    bool done = (need == NEEDS_LIBWEBP || open_library(LIBVIPS, &missing)) && open_library(LIBWEBP, &missing) &&
                (need == NEEDS_LIBWEBP || open_library(LIBWEBPMUX, &missing));
    if (done && need == NEEDS_LIBVIPS) {
        reason = libvips_start();
    }
    pthread_mutex_unlock(&lock);
    if (!done) {
        return raise_missing(module, &missing);
    }
    if (reason != NULL) {
        PyErr_Format(PyExc_RuntimeError, "libvips did not start: %s", reason);
    }
    return reason == NULL;
}

/* Functions that are called by inline functions in libwebp's headers. */

void *
WebPMalloc(size_t size)
{
    return allocate(size);
}

void
WebPFree(void *memory)
{
    system_WebPFree(memory);
}

int
WebPConfigInitInternal(WebPConfig *config, WebPPreset preset, float quality, int version)
{
    return system_WebPConfigInitInternal(config, preset, quality, version);
}

int
WebPPictureInitInternal(WebPPicture *picture, int version)
{
    return system_WebPPictureInitInternal(picture, version);
}

WebPMux *
WebPMuxCreateInternal(const WebPData *file, int copies, int version)
{
    return system_WebPMuxCreateInternal(file, copies, version);
}

int
WebPAnimEncoderOptionsInitInternal(WebPAnimEncoderOptions *options, int version)
{
    return system_WebPAnimEncoderOptionsInitInternal(options, version);
}

WebPAnimEncoder *
WebPAnimEncoderNewInternal(int width, int height, const WebPAnimEncoderOptions *options, int version)
{
    return system_WebPAnimEncoderNewInternal(width, height, options, version);
}
