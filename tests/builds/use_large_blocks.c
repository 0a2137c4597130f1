/* Allocates, resizes and frees blocks of random sizes with the allocator of large blocks, in several threads that exchange
   them. The program is the process's allocator: it passes calls on to glibc, and fails at random when `may_fail` is set.

   Prints nothing and returns 0 if every block is aligned and unique, and keeps its content. */

#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK(condition) ((condition) ? (void)0 : fail(#condition, __LINE__))

enum { THREADS = 4, ROUNDS = 1500, PLACES = 300, SMALLEST = 32, LARGE = 128 << 10, EDGE = 64 };

void *library_malloc(size_t);
void *library_calloc(size_t, size_t);
void *library_realloc(void *, size_t);
int library_memalign(void **, size_t, size_t);
void library_free(void *);
void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);

/* A block begins with its size, and is filled with one value at both ends. */
typedef struct {
    size_t size;
    unsigned char value, filled[];
} content;

static _Atomic(content *) places[PLACES];
static _Thread_local uint64_t state;
static atomic_int may_fail;

static void
fail(const char *condition, int line)
{
    fprintf(stderr, "%d: %s\n", line, condition);
    _exit(1);
}

static unsigned
choose(unsigned limit)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(state >> 33) % limit;
}

static int
fails(void)
{
    return may_fail && choose(10) < 3;
}

void *
malloc(size_t size)
{
    return fails() ? NULL : __libc_malloc(size);
}

void *
calloc(size_t count, size_t size)
{
    return fails() ? NULL : __libc_calloc(count, size);
}

void *
realloc(void *block, size_t size)
{
    return fails() ? NULL : __libc_realloc(block, size);
}

int
posix_memalign(void **block, size_t alignment, size_t size)
{
    return fails() || (*block = __libc_memalign(alignment, size)) == NULL ? ENOMEM : 0;
}

static size_t
choose_size(void)
{
    switch (choose(5)) {
    case 0:
        return SMALLEST + choose(500);
    case 1:
        return SMALLEST + choose(9000);
    case 2:
        return LARGE - 100 + choose(200);
    case 3:
        return LARGE + choose(4 * LARGE);
    default:
        return SMALLEST + choose(3 << 20);
    }
}

static size_t
edge(const content *block)
{
    size_t filled = block->size - sizeof(content);

    return filled < EDGE ? filled : EDGE;
}

static void
fill(content *block, size_t size)
{
    block->size = size;
    block->value = (unsigned char)choose(256);
    memset(block->filled, block->value, edge(block));
    memset((char *)block + size - edge(block), block->value, edge(block));
}

/* Check the first bytes of a block, which was larger than `size` before it was resized, and the last ones. */
static void
check(const content *block, size_t size)
{
    for (size_t i = 0; i < edge(block) && sizeof(content) + i < size; i++) {
        CHECK(block->filled[i] == block->value);
        CHECK(size < block->size || ((const unsigned char *)block)[block->size - 1 - i] == block->value);
    }
}

static content *
allocate(size_t size)
{
    size_t alignment = (size_t)16 << choose(9);
    void *block = NULL;

    switch (choose(4)) {
    case 0:
        block = library_calloc(1, size);
        for (size_t i = 0; block != NULL && i < size; i++) {
            CHECK(((char *)block)[i] == 0);
        }
        break;
    case 1:
        if (library_memalign(&block, alignment, size) != 0) {
            return NULL;
        }
        CHECK((uintptr_t)block % alignment == 0);
        break;
    case 2:
        /* A block of the process, which the library frees. */
        block = malloc(size);
        break;
    default:
        block = library_malloc(size);
    }
    CHECK((uintptr_t)block % 16 == 0 && (block != NULL || may_fail));
    return block;
}

static content *
resize(content *block)
{
    size_t size = choose_size();
    content *resized = library_realloc(block, size);

    if (resized == NULL) {
        CHECK(may_fail && size > block->size);
        return block;
    }
    check(resized, size);
    fill(resized, size);
    return resized;
}

static void *
work(void *seed)
{
    state = (uintptr_t)seed;
    for (int i = 0; i < ROUNDS; i++) {
        content *block = atomic_exchange(&places[choose(PLACES)], NULL);

        if (block != NULL) {
            check(block, SIZE_MAX);
            block = choose(2) ? resize(block) : (library_free(block), NULL);
        }
        else {
            size_t size = choose_size();

            if ((block = allocate(size)) != NULL) {
                fill(block, size);
            }
        }
        library_free(atomic_exchange(&places[choose(PLACES)], block));
    }
    return NULL;
}

static void
work_in_threads(void)
{
    pthread_t threads[THREADS];

    for (uintptr_t i = 0; i < THREADS; i++) {
        CHECK(pthread_create(&threads[i], NULL, work, (void *)(i + 1)) == 0);
    }
    /* A child has slots that threads of its parent were changing, and blocks with a content of different times. */
    pid_t child = fork();
    int status;
    if (child == 0) {
        for (int i = 0; i < PLACES; i++) {
            atomic_store(&places[i], NULL);
        }
        _exit(work((void *)99) != NULL);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    for (int i = 0; i < THREADS; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
    }
}

static void
check_limits(void)
{
    volatile size_t huge = SIZE_MAX / 2 + 2;

    library_free(NULL);
    library_free(library_realloc(NULL, SMALLEST));
    CHECK(library_malloc(huge) == NULL && errno == ENOMEM);
    errno = 0;
    CHECK(library_calloc(huge, 2) == NULL && errno == ENOMEM);
}

static long
count_resident(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");

    CHECK(file != NULL && fscanf(file, "%*d %ld", &pages) == 1 && fclose(file) == 0);
    return pages * 4096;
}

/* Whether the system may use huge pages for the mapping of a block: the flag `hg` in smaps, in every mode of the system. */
static int
may_be_huge(const char *block)
{
    FILE *file = fopen("/proc/self/smaps", "r");
    char line[4096];
    uintptr_t start, end;
    int is_inside = 0;
    int result = 0;

    CHECK(file != NULL);
    while (fgets(line, sizeof(line), file) != NULL) {
        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " ", &start, &end) == 2) {
            is_inside = start <= (uintptr_t)block && (uintptr_t)block < end;
        }
        else if (is_inside && strncmp(line, "VmFlags:", 8) == 0) {
            result = strstr(line, " hg") != NULL;
        }
    }
    CHECK(fclose(file) == 0);
    return result;
}

static void
check_huge_pages(void)
{
    char *small = library_malloc(3 << 20);
    char *large = library_malloc(5 << 20);

    CHECK(small != NULL && large != NULL);
    CHECK(!may_be_huge(small));
    CHECK(may_be_huge(large) || access("/sys/kernel/mm/transparent_hugepage", F_OK) != 0);
    library_free(small);
    library_free(large);
}

/* Mappings are joined by the kernel; when there are too many, none can be split. */
static void
free_with_many_mappings(void)
{
    enum { COUNT = 20, SIZE = 8 << 20, PAGES = 1 << 20, PAGE = 4096 };
    char *blocks[COUNT];
    char *pages = mmap(NULL, (size_t)PAGES * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    for (int i = 0; i < COUNT; i++) {
        CHECK((blocks[i] = library_malloc(SIZE)) != NULL);
        memset(blocks[i], 1, SIZE);
    }
    long before = count_resident();
    for (int i = 0; i < PAGES && mprotect(pages + (size_t)i * PAGE, PAGE, PROT_READ) == 0; i += 2) {
    }
    for (int i = 1; i < COUNT; i += 2) {
        library_free(blocks[i]);
    }
    CHECK(before - count_resident() >= COUNT / 2 * (SIZE / 4 * 3));
}

int
main(void)
{
    check_limits();
    check_huge_pages();
    work_in_threads();
    may_fail = 1;
    work_in_threads();
    may_fail = 0;
    free_with_many_mappings();
    return 0;
}
