/* Platform functions for libvips.c: one-time initialization, a lock, environment variables and detection of fork(),
   which does not exist on Windows. */

#ifndef WEBPENCODE_PLATFORM_H
#define WEBPENCODE_PLATFORM_H

#include <stdbool.h>
#include <stdlib.h>

#ifdef _WIN32

#define WIN32_LEAN_AND_MEAN
#include <windows.h>

typedef INIT_ONCE once_state;
typedef SRWLOCK lock_type;
#define ONCE_INIT INIT_ONCE_STATIC_INIT
#define LOCK_INIT SRWLOCK_INIT

static inline bool
run_once(once_state *flag, void (*function)(void))
{
    BOOL pending = FALSE;

    if (!InitOnceBeginInitialize(flag, 0, &pending, NULL)) {
        return false;
    }
    if (pending) {
        function();
    }
    return !pending || InitOnceComplete(flag, 0, NULL);
}

static inline void
acquire_lock(lock_type *lock)
{
    AcquireSRWLockExclusive(lock);
}

static inline void
release_lock(lock_type *lock)
{
    ReleaseSRWLockExclusive(lock);
}

static inline bool
set_variable(const char *name, const char *value)
{
    return _putenv_s(name, value) == 0;
}

static inline void
unset_variable(const char *name)
{
    (void)_putenv_s(name, "");
}

static inline bool
is_original_process(void)
{
    return true;
}

#else

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

typedef pthread_once_t once_state;
typedef pthread_mutex_t lock_type;
#define ONCE_INIT PTHREAD_ONCE_INIT
#define LOCK_INIT PTHREAD_MUTEX_INITIALIZER

static inline bool
run_once(once_state *flag, void (*function)(void))
{
    return pthread_once(flag, function) == 0;
}

static inline void
acquire_lock(lock_type *lock)
{
    pthread_mutex_lock(lock);
}

static inline void
release_lock(lock_type *lock)
{
    pthread_mutex_unlock(lock);
}

static inline bool
set_variable(const char *name, const char *value)
{
    return setenv(name, value, 0) == 0;
}

static inline void
unset_variable(const char *name)
{
    (void)unsetenv(name);
}

/* Whether this process is the one that called this function first, rather than a fork of it. */
static inline bool
is_original_process(void)
{
    static atomic_long first_process = 0;
    long recorded = 0;
    long this_process = (long)getpid();

    return atomic_compare_exchange_strong(&first_process, &recorded, this_process) || recorded == this_process;
}

#endif
#endif
