#include "libvips.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libraries.h"

#include "platform.h"

static once_state started = ONCE_INIT;
static bool is_running = false;

/* libvips has one error buffer for all threads. The lock makes reading and clearing it atomic; `calls` counts the calls
   in progress, which may write to it. */
static lock_type lock = LOCK_INIT;
static int calls = 0;
static char last_message[LIBVIPS_MESSAGE_SIZE] = "";

/* Read libvips' error buffer as one line, and clear it. */
static void
take_error_message(char *message)
{
    /* In 8.10, vips_error_buffer_copy() deadlocks because it acquires the same lock twice. Reading the buffer directly
       only risks getting another call's message. */
    bool is_copied = libvips_is_at_least(8, 14);
    char *copy = is_copied ? vips_error_buffer_copy() : NULL;
    const char *text = is_copied ? copy : vips_error_buffer();
    size_t length = strlen(text);

    while (length > 0 && text[length - 1] == '\n') {
        length--;
    }
    size_t used = 0;
    for (const char *from = text; from < text + length && used + 3 < LIBVIPS_MESSAGE_SIZE; from++) {
        if (*from == '\n') {
            message[used++] = ';';
            message[used++] = ' ';
        }
        else {
            message[used++] = *from;
        }
    }
    message[used] = '\0';
    if (is_copied) {
        vips_area_free_cb(copy, NULL);
    }
    else {
        vips_error_clear();
    }
}

static void
start(void)
{
    /* libvips writes warnings to glib's log, which is standard error; VIPS_WARNING disables them, and only vips_init()
       reads it. vips_init() itself sets VIPSHOME, which child processes must not inherit. */
    bool warning_unset = getenv("VIPS_WARNING") == NULL && set_variable("VIPS_WARNING", "off");
    bool vipshome_unset = getenv("VIPSHOME") == NULL;

    is_running = vips_init("libvips") == 0;
    if (warning_unset) {
        unset_variable("VIPS_WARNING");
    }
    if (vipshome_unset) {
        unset_variable("VIPSHOME");
    }
    if (!is_running) {
        take_error_message(last_message);
        return;
    }
#ifdef WEBPENCODE_SYSTEM
    /* Other code in the process may use the same libvips; the first user has configured it. Untrusted loaders are
       rejected only for our own input, in images.c. */
    bool is_first_user = !system_shares_libvips();
#else
    bool is_first_user = true;
    /* Block the loaders that libvips marks as untrusted. */
    vips_block_untrusted_set(TRUE);
#endif
    if (is_first_user) {
        /* A cached operation would keep pixels, and a pointer into a buffer that Python has released. */
        vips_cache_set_max(0);
    }
    /* The importing thread may end: release what libvips allocated for it. */
    vips_thread_shutdown();
}

bool
libvips_is_at_least(int major, int minor)
{
    int actual_major = vips_version(0);

    return actual_major > major || (actual_major == major && vips_version(1) >= minor);
}

const char *
libvips_start(void)
{
    if (!run_once(&started, start)) {
        return "one-time initialization failed";
    }
    return is_running ? NULL : last_message;
}

bool
libvips_enter(void)
{
    /* Checked before locking: in a forked child, a thread that no longer exists may hold the lock. */
    if (!is_original_process()) {
        return false;
    }
    acquire_lock(&lock);
    if (calls++ == 0) {
        /* No other call is in progress, so the buffer holds only old messages. */
        vips_error_clear();
        last_message[0] = '\0';
    }
    release_lock(&lock);
    return true;
}

void
libvips_leave(char *message)
{
    acquire_lock(&lock);
    calls--;
    if (message != NULL) {
        /* Calls that fail at the same time write to the same buffer: the first one gets the messages of both, the
           second one finds the buffer empty and repeats them. */
        take_error_message(message);
        if (message[0] == '\0') {
            memcpy(message, last_message, LIBVIPS_MESSAGE_SIZE);
        }
        else {
            memcpy(last_message, message, LIBVIPS_MESSAGE_SIZE);
        }
        if (message[0] == '\0') {
            /* For example truncated interlaced PNGs. */
            strcpy(message, "the image is damaged or truncated (libvips reports no details)");
        }
    }
    release_lock(&lock);
}
