/* dlopen() for the system's libvips and libwebp, and what is said where they cannot be had. */

#include "_webpencodemodule.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libraries.h"
#include "libvips.h"

/* The oldest libvips that has every function and option that is used. */
enum { OLDEST_MAJOR = 8, OLDEST_MINOR = 10 };

enum { EVIDENCE_SIZE = 512, MOST_NAMES = 3 };

#define SYSTEM_DEFINE(name) __typeof__(system_##name) system_##name;
LIBWEBP_FUNCTIONS(SYSTEM_DEFINE)
LIBWEBPMUX_FUNCTIONS(SYSTEM_DEFINE)
LIBVIPS_FUNCTIONS(SYSTEM_DEFINE)

typedef struct {
    const char *name;
    void *place; /* of the pointer to the function */
} function;

#define SYSTEM_LIST(name) {#name, &system_##name},
static const function libwebp_functions[] = {LIBWEBP_FUNCTIONS(SYSTEM_LIST){NULL, NULL}};
static const function libwebpmux_functions[] = {LIBWEBPMUX_FUNCTIONS(SYSTEM_LIST){NULL, NULL}};
static const function libvips_functions[] = {LIBVIPS_FUNCTIONS(SYSTEM_LIST){NULL, NULL}};

/* A library, and the names under which it is looked for: of the ABIs that the headers describe, the newest first. */
typedef struct {
    const char *library;
    const char *names[MOST_NAMES];
    const function *functions;
} system_library;

#ifdef __APPLE__
/* Homebrew's folders are not among those that dyld looks in. */
#define NAMES(library, abi, older)                                                                                     \
    {library "." abi ".dylib", "/opt/homebrew/lib/" library "." abi ".dylib",                                          \
     "/usr/local/lib/" library "." abi ".dylib"}
#else
#define NAMES(library, abi, older) {library ".so." abi, older}
#endif

/* libwebp 0.6 is the same library under an older number: it says itself whether its structures fit
 * (WEBP_*_ABI_VERSION).
 */
enum { LIBWEBP, LIBWEBPMUX, LIBVIPS, LIBRARY_COUNT };
static const system_library libraries[LIBRARY_COUNT] = {
    [LIBWEBP] = {"libwebp", NAMES("libwebp", "7", "libwebp.so.6"), libwebp_functions},
    [LIBWEBPMUX] = {"libwebpmux", NAMES("libwebpmux", "3", NULL), libwebpmux_functions},
    [LIBVIPS] = {"libvips", NAMES("libvips", "42", NULL), libvips_functions},
};

/* Why a library cannot be used. */
typedef struct {
    const char *library;
    char found[32]; /* the version that is too old, or empty */
    char evidence[EVIDENCE_SIZE];
} missing;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool is_open[LIBRARY_COUNT];
static bool is_shared = false;
static void *(*allocate)(size_t) = malloc;

bool
system_shares_libvips(void)
{
    return is_shared;
}

/* Libraries stay: libvips' threads and glib's types outlive every dlclose(). */
static void *
open_names(const system_library *library, int more)
{
    void *handle = NULL;

    for (int i = 0; handle == NULL && i < MOST_NAMES && library->names[i] != NULL; i++) {
        handle = dlopen(library->names[i], RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE | more);
    }
    return handle;
}

/* Note what the loader says, which of a library under several names is about the first. */
static bool
note_failure(const system_library *library, missing *lacking)
{
    const char *words;

    if (lacking->library == NULL) {
        (void)dlopen(library->names[0], RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    }
    words = dlerror();
    lacking->library = library->library;
    (void)snprintf(lacking->evidence, sizeof(lacking->evidence), "%s", words != NULL ? words : "no word from dlopen()");
    return false;
}

/* Say which version there is, and where, if it is too old. */
static bool
check_version(void *handle, missing *lacking)
{
    Dl_info place;
    int (*version)(int) = NULL;
    void *found = dlsym(handle, "vips_version");

    if (found == NULL) {
        return true; /* told as a function that is not there */
    }
    memcpy(&version, &found, sizeof(version));
    int major = version(0);
    int minor = version(1);
    if (major > OLDEST_MAJOR || (major == OLDEST_MAJOR && minor >= OLDEST_MINOR)) {
        return true;
    }
    lacking->library = "libvips";
    (void)snprintf(lacking->found, sizeof(lacking->found), "%d.%d.%d", major, minor, version(2));
    (void)snprintf(lacking->evidence, sizeof(lacking->evidence), "%s",
                   dladdr(found, &place) != 0 && place.dli_fname != NULL ? place.dli_fname : "libvips");
    return false;
}

static bool
open_library(int number, missing *lacking)
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
        return note_failure(library, lacking);
    }
    if (number == LIBVIPS && !check_version(handle, lacking)) {
        return false;
    }
    for (const function *wanted = library->functions; wanted->name != NULL; wanted++) {
        void *found = dlsym(handle, wanted->name);

        if (found == NULL) {
            lacking->library = library->library;
            return note_failure(library, lacking);
        }
        memcpy(wanted->place, &found, sizeof(found));
    }
    if (number == LIBWEBP) {
        /* Newer than libwebp 1.0; WebPFree() has always been free(). */
        void *found = dlsym(handle, "WebPMalloc");

        if (found != NULL) {
            memcpy(&allocate, &found, sizeof(found));
        }
    }
    is_open[number] = true;
    return true;
}

/* Set the exception; its words are put together in _system.py. Always returns false. */
static bool
raise_missing(PyObject *module, const missing *lacking)
{
    PyObject *explain = PyImport_ImportModule("webpencode._system");
    PyObject *evidence = PyUnicode_DecodeFSDefault(lacking->evidence);
    PyObject *words = explain == NULL || evidence == NULL
                          ? NULL
                          : PyObject_CallMethod(explain, "explain", "ssO", lacking->library, lacking->found, evidence);

    if (words != NULL) {
        PyErr_SetObject(get_module_state(module)->missing_error, words);
    }
    Py_XDECREF(words);
    Py_XDECREF(evidence);
    Py_XDECREF(explain);
    return false;
}

bool
libraries_open(PyObject *module, library_need need)
{
    missing lacking = {.library = NULL};
    const char *reason = NULL;

    pthread_mutex_lock(&lock);
    /* libvips first: whoever installs it has the others. */
    bool done = (need == NEEDS_LIBWEBP || open_library(LIBVIPS, &lacking)) && open_library(LIBWEBP, &lacking) &&
                (need == NEEDS_LIBWEBP || open_library(LIBWEBPMUX, &lacking));
    if (done && need == NEEDS_LIBVIPS) {
        reason = libvips_start();
    }
    pthread_mutex_unlock(&lock);
    if (!done) {
        return raise_missing(module, &lacking);
    }
    if (reason != NULL) {
        PyErr_Format(PyExc_RuntimeError, "libvips did not start: %s", reason);
    }
    return reason == NULL;
}

/* What libwebp's headers call from functions of their own. */

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
