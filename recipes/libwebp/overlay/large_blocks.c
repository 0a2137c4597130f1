/* Allocates large blocks of this library with mmap() instead of malloc(), and returns them to the system.

   glibc has one heap for each thread, up to eight per processor. When a large block that malloc() has mapped is freed, it
   takes blocks of this size from these heaps from then on, and keeps as much free memory in each of them: a process with
   many threads that encode grows for thousands of calls. The limits are settings of the whole process, which a library
   must not change. As in other programs with an allocator of their own, this file defines malloc() and free(), but hidden:
   only for this library and the libraries in it. Blocks of others, for example of strdup(), are passed on to the process's
   allocator, as are smaller ones.

   With WITH_RESERVE, small blocks come from a reserve when the process's allocator fails. glib ends the process if it
   cannot allocate a small block, mostly because pixels have used up the memory: then the next large block fails, which
   libvips reports as an error, and the blocks of the reserve are freed.

   There are no locks: a process may be forked at any time. The code for libvips and libwebp is the same. */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
    LARGE = 128 << 10,
    SLOTS = 512,          /* large blocks at a time; further ones come from the process's allocator */
    MAX_CACHED = 4 << 20, /* bytes of blocks that are kept: the system clears a new block, which takes time */
    HUGE_BLOCK = 4 << 20, /* of a block in huge pages, as for arrays of NumPy: the system clears 512 pages at once */
    ALIGNMENT = 64,       /* and distance of a large block from the start of its mapping */
    PAGE = 4096,
};

typedef enum { EMPTY, BUSY, LIVE, CACHED } slot_state;

/* A mapping. Only the thread that has set the state to BUSY may change it. */
typedef struct {
    _Atomic(int) state;
    _Atomic(char *) base;
    size_t size;
} slot;

static slot slots[SLOTS];
static atomic_size_t cached_size;
static atomic_uint next_victim;

/* Functions of the process's allocator. */
static void *(*process_malloc)(size_t);
static void *(*process_calloc)(size_t, size_t);
static void *(*process_realloc)(void *, size_t);
static int (*process_memalign)(void **, size_t, size_t);
static void (*process_free)(void *);
static size_t (*process_size)(void *);

__attribute__((constructor(101))) static void
find_functions(void)
{
    /* As POSIX recommends: ISO C does not convert a pointer to a function. */
    *(void **)&process_malloc = dlsym(RTLD_DEFAULT, "malloc");
    *(void **)&process_calloc = dlsym(RTLD_DEFAULT, "calloc");
    *(void **)&process_realloc = dlsym(RTLD_DEFAULT, "realloc");
    *(void **)&process_memalign = dlsym(RTLD_DEFAULT, "posix_memalign");
    *(void **)&process_free = dlsym(RTLD_DEFAULT, "free");
    *(void **)&process_size = dlsym(RTLD_DEFAULT, "malloc_usable_size");
}

/* Change the state of a slot, if it is still the expected one. */
static int
change(slot *at, int from, int to)
{
    return atomic_compare_exchange_strong(&at->state, &from, to);
}

static void
unmap(slot *at)
{
    char *base = atomic_load(&at->base);

    /* First: another allocator may use the address as soon as it is unmapped, and find_large() must not find it here. */
    atomic_store(&at->base, NULL);
    if (munmap(base, at->size) != 0) {
        /* The mapping was joined with others, and the process has too many to split it: return the memory at least. */
        (void)madvise(base, at->size, MADV_DONTNEED);
    }
    atomic_store(&at->state, EMPTY);
}

/* Take a cached block that is at most twice as large as necessary. */
static slot *
take_cached(size_t size)
{
    if (atomic_load(&cached_size) == 0) {
        return NULL;
    }
    for (slot *at = slots; at < slots + SLOTS; at++) {
        if (atomic_load(&at->state) != CACHED || !change(at, CACHED, BUSY)) {
            continue;
        }
        if (at->size >= size && at->size / 2 <= size) {
            (void)atomic_fetch_sub(&cached_size, at->size);
            return at;
        }
        atomic_store(&at->state, CACHED);
    }
    return NULL;
}

static slot *
map_new(size_t size)
{
    for (slot *at = slots; at < slots + SLOTS; at++) {
        if (atomic_load(&at->state) != EMPTY || !change(at, EMPTY, BUSY)) {
            continue;
        }
        char *base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (base == MAP_FAILED) {
            atomic_store(&at->state, EMPTY);
            return NULL;
        }
        if (size >= HUGE_BLOCK) {
            (void)madvise(base, size, MADV_HUGEPAGE);
        }
        at->size = size;
        atomic_store(&at->base, base);
        return at;
    }
    return NULL;
}

/* Unmap cached blocks until those that remain and a block of `size` bytes do not exceed the limit. */
static void
evict(size_t size)
{
    for (int tries = 0; tries < SLOTS && atomic_load(&cached_size) + size > MAX_CACHED; tries++) {
        slot *at = slots + atomic_fetch_add(&next_victim, 1) % SLOTS;

        if (atomic_load(&at->state) == CACHED && change(at, CACHED, BUSY)) {
            (void)atomic_fetch_sub(&cached_size, at->size);
            unmap(at);
        }
    }
}

/* Return a block of `size` bytes, filled with zeros if `must_clear` is set; NULL if it is small, or after a failure. */
static void *
allocate_large(size_t size, int must_clear)
{
    if (size < LARGE || size > SIZE_MAX / 2) {
        return NULL;
    }
    size_t whole = (size + ALIGNMENT + PAGE - 1) / PAGE * PAGE;
    slot *at = take_cached(whole);
    int is_new = at == NULL;
    if (is_new && (at = map_new(whole)) == NULL) {
        evict(MAX_CACHED);
        at = map_new(whole);
    }
    if (at == NULL) {
        return NULL;
    }
    char *block = atomic_load(&at->base) + ALIGNMENT;
    atomic_store(&at->state, LIVE);
    return must_clear && !is_new ? memset(block, 0, size) : block;
}

/* Return the slot of a large block; NULL for another block. */
static slot *
find_large(const void *block)
{
    if ((uintptr_t)block % PAGE != ALIGNMENT) {
        return NULL;
    }
    for (slot *at = slots; at < slots + SLOTS; at++) {
        if (atomic_load(&at->base) == (const char *)block - ALIGNMENT && atomic_load(&at->state) == LIVE) {
            return at;
        }
    }
    return NULL;
}

static void
free_large(slot *at)
{
    size_t size = at->size;

    atomic_store(&at->state, BUSY);
    evict(size);
    if (atomic_load(&cached_size) + size > MAX_CACHED) {
        unmap(at);
        return;
    }
    (void)atomic_fetch_add(&cached_size, size);
    atomic_store(&at->state, CACHED);
}

#ifdef WITH_RESERVE
enum { UNIT = 64, UNITS = 16384, MAX_RESERVED = 64 << 10, HEADER = 16 };

static _Alignas(UNIT) char reserve[UNITS * UNIT];
static _Atomic(char) is_used[UNITS];

/* Claim units from `first` on; return the number of units until one that is used. */
static size_t
claim(size_t first, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char unused = 0;

        if (!atomic_compare_exchange_strong(&is_used[first + i], &unused, 1)) {
            while (i-- > 0) {
                atomic_store(&is_used[first + i], 0);
            }
            return 0;
        }
    }
    return count;
}

static void *
allocate_reserved(size_t size)
{
    size_t count = (size + HEADER + UNIT - 1) / UNIT;

    for (size_t first = 0; size <= MAX_RESERVED && first + count <= UNITS; first++) {
        if (atomic_load(&is_used[first]) == 0 && claim(first, count) == count) {
            *(size_t *)(reserve + first * UNIT) = count;
            return reserve + first * UNIT + HEADER;
        }
    }
    errno = ENOMEM;
    return NULL;
}

/* Return the number of bytes of a block in the reserve; 0 for another block. */
static size_t
reserved_size(const void *block)
{
    const char *at = block;

    return at >= reserve && at < reserve + sizeof(reserve) ? *(const size_t *)(at - HEADER) * UNIT - HEADER : 0;
}

static void
free_reserved(void *block)
{
    size_t first = (size_t)((char *)block - reserve) / UNIT;

    for (size_t last = first + (reserved_size(block) + HEADER) / UNIT; last-- > first;) {
        atomic_store(&is_used[last], 0);
    }
}
#else
#define allocate_reserved(size) NULL
#define reserved_size(block) 0
#define free_reserved(block) (void)(block)
#endif

/* Allocate a block after the process's allocator has failed. */
static void *
allocate_last(size_t size)
{
    evict(MAX_CACHED);
    void *block = process_malloc(size);
    return block != NULL ? block : allocate_reserved(size);
}

void *
malloc(size_t size)
{
    void *block = allocate_large(size, 0);

    if (block == NULL && (block = process_malloc(size)) == NULL) {
        block = allocate_last(size);
    }
    return block;
}

void *
calloc(size_t count, size_t size)
{
    size_t whole;
    void *block;

    if (__builtin_mul_overflow(count, size, &whole)) {
        errno = ENOMEM;
        return NULL;
    }
    if ((block = allocate_large(whole, 1)) == NULL && (block = process_calloc(count, size)) == NULL &&
        (block = allocate_last(whole)) != NULL) {
        memset(block, 0, whole);
    }
    return block;
}

void
free(void *block)
{
    slot *large = find_large(block);

    if (large != NULL) {
        free_large(large);
    }
    else if (reserved_size(block) > 0) {
        free_reserved(block);
    }
    else {
        process_free(block);
    }
}

void *
realloc(void *block, size_t size)
{
    slot *large = block == NULL ? NULL : find_large(block);
    size_t old_size = large != NULL ? large->size - ALIGNMENT : reserved_size(block);
    void *copy;

    if (block == NULL) {
        return malloc(size);
    }
    if (old_size == 0 && size < LARGE) {
        copy = process_realloc(block, size);
        if (copy != NULL || size == 0) {
            return copy;
        }
    }
    else if (size <= old_size && size > old_size / 2) {
        return block;
    }
    if (old_size == 0) {
        old_size = process_size(block);
    }
    copy = malloc(size);
    if (copy == NULL) {
        return size <= old_size ? block : NULL;
    }
    memcpy(copy, block, old_size < size ? old_size : size);
    free(block);
    return copy;
}

int
posix_memalign(void **block, size_t alignment, size_t size)
{
    if (alignment <= ALIGNMENT && (*block = allocate_large(size, 0)) != NULL) {
        return 0;
    }
    return process_memalign(block, alignment, size);
}

#ifdef WITH_RESERVE
/* glib prints to memory with the functions below, which glibc's own versions do not allocate with the malloc() above. */
static int
print_to_memory(char **text, const char *format, va_list arguments)
{
    va_list copy;

    va_copy(copy, arguments);
    int length = vsnprintf(NULL, 0, format, copy);
    va_end(copy);
    *text = length < 0 ? NULL : malloc((size_t)length + 1);
    if (*text == NULL) {
        return -1;
    }
    return vsnprintf(*text, (size_t)length + 1, format, arguments);
}

int
vasprintf(char **text, const char *format, va_list arguments)
{
    return print_to_memory(text, format, arguments);
}

/* The variant for code that is compiled with _FORTIFY_SOURCE. */
int
__vasprintf_chk(char **text, int flag, const char *format, va_list arguments)
{
    (void)flag;
    return print_to_memory(text, format, arguments);
}
#endif
