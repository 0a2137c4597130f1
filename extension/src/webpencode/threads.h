/* What libvips.c wants of the system: something done once, a lock, variables of the environment, and to know whether
   this process is the child of one that was here before. Windows has no fork(), so nobody is. */

#ifndef WEBPENCODE_THREADS_H
#define WEBPENCODE_THREADS_H

#include <stdbool.h>
#include <stdlib.h>

#ifdef _WIN32

#define WIN32_LEAN_AND_MEAN
#include <windows.h>

typedef INIT_ONCE once_flag;
typedef SRWLOCK lock_type;
#define ONCE_INIT INIT_ONCE_STATIC_INIT
#define LOCK_INIT SRWLOCK_INIT

static inline bool
run_once(once_flag *flag, void (*function)(void))
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
take_lock(lock_type *lock)
{
    AcquireSRWLockExclusive(lock);
}

static inline void
give_lock(lock_type *lock)
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
is_first_process(void)
{
    return true;
}

#else

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

typedef pthread_once_t once_flag;
typedef pthread_mutex_t lock_type;
#define ONCE_INIT PTHREAD_ONCE_INIT
#define LOCK_INIT PTHREAD_MUTEX_INITIALIZER

static inline bool
run_once(once_flag *flag, void (*function)(void))
{
    return pthread_once(flag, function) == 0;
}

static inline void
take_lock(lock_type *lock)
{
    pthread_mutex_lock(lock);
}

static inline void
give_lock(lock_type *lock)
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

/* Whether this is the process that was the first to ask. */
static inline bool
is_first_process(void)
{
    static atomic_long first = 0;
    long nobody = 0;
    long us = (long)getpid();

    return atomic_compare_exchange_strong(&first, &nobody, us) || nobody == us;
}

#endif
#endif
