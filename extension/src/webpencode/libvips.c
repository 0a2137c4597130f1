#include "libvips.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libraries.h"

#include "threads.h"

static once_flag started = ONCE_INIT;
static bool is_running = false;

/* libvips has one error buffer for all threads. The lock makes taking a failure's words out of it one act, and counts
   the calls that may be writing to it. */
static lock_type lock = LOCK_INIT;
static int calls = 0;
static char last_words[LIBVIPS_WORDS_SIZE] = "";

/* Take what stands in libvips' error buffer, on one line, and empty it. */
static void
take_words(char *words)
{
    /* In 8.10 the copy locks a lock twice and waits for ever. To read the buffer itself risks but another call's words.
     */
    bool is_copied = libvips_is_at_least(8, 14);
    char *copy = is_copied ? vips_error_buffer_copy() : NULL;
    const char *text = is_copied ? copy : vips_error_buffer();
    size_t length = strlen(text);

    while (length > 0 && text[length - 1] == '\n') {
        length--;
    }
    size_t used = 0;
    for (const char *from = text; from < text + length && used + 3 < LIBVIPS_WORDS_SIZE; from++) {
        if (*from == '\n') {
            words[used++] = ';';
            words[used++] = ' ';
        }
        else {
            words[used++] = *from;
        }
    }
    words[used] = '\0';
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
    /* libvips sends warnings to glib's log, which is standard error. Its switch for that is a variable that vips_init()
       alone reads. In turn vips_init() leaves a variable behind, which is nothing to our children. */
    bool silence = getenv("VIPS_WARNING") == NULL && set_variable("VIPS_WARNING", "off");
    bool homeless = getenv("VIPSHOME") == NULL;

    is_running = vips_init("libvips") == 0;
    if (silence) {
        unset_variable("VIPS_WARNING");
    }
    if (homeless) {
        unset_variable("VIPSHOME");
    }
    if (!is_running) {
        take_words(last_words);
        return;
    }
#ifdef WEBPENCODE_SYSTEM
    /* Others in the process may use the same libvips, and whoever came first has set it up. Loaders that are not safe
       are kept from our own files alone, in images.c. */
    bool is_ours = !system_shares_libvips();
#else
    bool is_ours = true;
    /* Loaders that libvips does not hold safe against hostile files. */
    vips_block_untrusted_set(TRUE);
#endif
    if (is_ours) {
        /* A kept operation would keep pixels, and a pointer into a buffer that Python has taken back. */
        vips_cache_set_max(0);
    }
    /* The thread that happened to import us need not live on. */
    vips_thread_shutdown();
}

bool
libvips_is_at_least(int major, int minor)
{
    int has_major = vips_version(0);

    return has_major > major || (has_major == major && vips_version(1) >= minor);
}

const char *
libvips_start(void)
{
    if (!run_once(&started, start)) {
        return "the system cannot run a function once";
    }
    return is_running ? NULL : last_words;
}

bool
libvips_enter(void)
{
    /* Comes before the lock: in a forked child the lock may be held by a thread that is not there. */
    if (!is_first_process()) {
        return false;
    }
    take_lock(&lock);
    if (calls++ == 0) {
        /* Nobody can be failing now, so whatever stands there is old. */
        vips_error_clear();
        last_words[0] = '\0';
    }
    give_lock(&lock);
    return true;
}

void
libvips_leave(char *words)
{
    take_lock(&lock);
    calls--;
    if (words != NULL) {
        /* Two calls that fail at the same moment write into the same buffer: whoever is first takes the words of both,
           and the other finds none left and repeats them. */
        take_words(words);
        if (words[0] == '\0') {
            memcpy(words, last_words, LIBVIPS_WORDS_SIZE);
        }
        else {
            memcpy(last_words, words, LIBVIPS_WORDS_SIZE);
        }
        if (words[0] == '\0') {
            /* As of interlaced PNGs that end early. */
            strcpy(words, "the image is damaged or ends early, and libvips says no more");
        }
    }
    give_lock(&lock);
}
