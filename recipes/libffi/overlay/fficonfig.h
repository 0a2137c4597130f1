/* The results of libffi's configure, taken from the compiler's predefined macros, so one header serves every architecture
   and libc. The assembler files include it too, so it must not have declarations. */
#ifndef _WIN32
#define HAVE_ALLOCA_H 1
#endif
#define HAVE_MEMCPY 1
#define STDC_HEADERS 1

/* clang's assembler and lld support all of these. */
#define EH_FRAME_FLAGS "a"
#define HAVE_AS_CFI_PSEUDO_OP 1
#define HAVE_AS_S390_ZARCH 1
#define HAVE_AS_X86_PCREL 1
#ifndef _WIN32
#define HAVE_HIDDEN_VISIBILITY_ATTRIBUTE 1
#endif
#define HAVE_RO_EH_FRAME 1
#if defined(__x86_64__)
#define HAVE_AS_X86_64_UNWIND_SECTION_TYPE 1
#endif

#define SIZEOF_DOUBLE __SIZEOF_DOUBLE__
#define SIZEOF_LONG_DOUBLE __SIZEOF_LONG_DOUBLE__
#define SIZEOF_SIZE_T __SIZEOF_SIZE_T__

#if defined(__powerpc64__)
#define HAVE_LONG_DOUBLE_VARIANT 1
#elif __SIZEOF_LONG_DOUBLE__ > __SIZEOF_DOUBLE__
#define HAVE_LONG_DOUBLE 1
#endif

#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define WORDS_BIGENDIAN 1
#endif

/* Static trampolines are closures that need no memory that is both writable and executable; RISC-V does not have them. On
   macOS for arm64, which forbids such memory, a page of trampolines is mapped again next to its data instead. */
#if defined(__APPLE__) && defined(__aarch64__)
#define FFI_EXEC_TRAMPOLINE_TABLE 1
#elif defined(__APPLE__)
#define FFI_MMAP_EXEC_WRIT 1
#elif !defined(__riscv) && !defined(_WIN32)
#define FFI_EXEC_STATIC_TRAMP 1
#endif

/* memfd_create is in glibc since 2.27, and in musl, which has no macro of its own, since 1.1.20. */
#if defined(__linux__) && !defined(LIBFFI_ASM)
#include <limits.h>
#if !defined(__GLIBC__) || __GLIBC__ > 2 || __GLIBC_MINOR__ >= 27
#define HAVE_MEMFD_CREATE 1
#endif
#endif

#if defined(LIBFFI_ASM) && defined(__APPLE__)
#define FFI_HIDDEN(name) .private_extern name
#elif defined(LIBFFI_ASM) && defined(_WIN32)
#define FFI_HIDDEN(name)
#elif defined(LIBFFI_ASM)
#define FFI_HIDDEN(name) .hidden name
#else
#define FFI_HIDDEN __attribute__((visibility("hidden")))
#endif
