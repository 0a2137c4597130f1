/* The results of nasm's configure with clang on Linux, where they are the same for every libc, or with MinGW. */
#ifndef NASM_CONFIG_CONFIG_H
#define NASM_CONFIG_CONFIG_H

#define PACKAGE_NAME "nasm"

/* Compiler. */
#define HAVE_FUNC_ATTRIBUTE1_ALLOC_SIZE 1
#define HAVE_FUNC_ATTRIBUTE2_ALLOC_SIZE 1
#define HAVE_FUNC_ATTRIBUTE3_FORMAT 1
#define HAVE_FUNC_ATTRIBUTE_COLD 1
#define HAVE_FUNC_ATTRIBUTE_CONST 1
#define HAVE_FUNC_ATTRIBUTE_MALLOC 1
#define HAVE_FUNC_ATTRIBUTE_NORETURN 1
#define HAVE_FUNC_ATTRIBUTE_PURE 1
#define HAVE_FUNC_ATTRIBUTE_RETURNS_NONNULL 1
#define HAVE_FUNC_ATTRIBUTE_SENTINEL 1
#define HAVE_FUNC_ATTRIBUTE_UNUSED 1
#define HAVE_STDC_INLINE 1
#define HAVE_TYPEOF 1
#define HAVE_UINTPTR_T 1
#define HAVE_VARIADIC_MACROS 1
#define HAVE__BOOL 1
#define HAVE___BUILTIN_BSWAP16 1
#define HAVE___BUILTIN_BSWAP32 1
#define HAVE___BUILTIN_BSWAP64 1
#define HAVE___BUILTIN_CHOOSE_EXPR 1
#define HAVE___BUILTIN_CLZ 1
#define HAVE___BUILTIN_CLZL 1
#define HAVE___BUILTIN_CLZLL 1
#define HAVE___BUILTIN_CONSTANT_P 1
#define HAVE___BUILTIN_EXPECT 1
#define typeof __typeof__

#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define WORDS_BIGENDIAN 1
#else
#define WORDS_LITTLEENDIAN 1
#endif

/* Headers. */
#define HAVE_FCNTL_H 1
#define HAVE_INTTYPES_H 1
#define HAVE_STDARG_H 1
#define HAVE_STDBOOL_H 1
#define HAVE_STDINT_H 1
#define HAVE_STDIO_H 1
#define HAVE_STDLIB_H 1
#define HAVE_STDNORETURN_H 1
#define HAVE_STRINGS_H 1
#define HAVE_STRING_H 1
#define HAVE_SYS_PARAM_H 1
#define HAVE_SYS_STAT_H 1
#define HAVE_SYS_TYPES_H 1
#define HAVE_UNISTD_H 1
#define STDC_HEADERS 1

/* C library: functions that are declared and defined. */
#define HAVE_DECL_STRCASECMP 1
#define HAVE_DECL_STRNCASECMP 1
#define HAVE_DECL_STRNLEN 1
#define HAVE_DECL_STRRCHRNUL 0
#define HAVE_ACCESS 1
#define HAVE_FILENO 1
#define HAVE_FSEEKO 1
#define HAVE_FSTAT 1
#define HAVE_FTRUNCATE 1
#define HAVE_ISASCII 1
#define HAVE_ISCNTRL 1
#define HAVE_MEMPCPY 1
#define HAVE_SNPRINTF 1
#define HAVE_STAT 1
#define HAVE_STRCASECMP 1
#define HAVE_STRNCASECMP 1
#define HAVE_STRNLEN 1
#define HAVE_STRUCT_STAT 1
#define HAVE_S_ISREG 1
#define HAVE_VSNPRINTF 1

/* Functions and headers of POSIX, or of Windows. */
#ifndef _WIN32
#define HAVE_ENDIAN_H 1
#define HAVE_SYS_MMAN_H 1
#define HAVE_SYS_RESOURCE_H 1
#define HAVE_DECL_STRICMP 0
#define HAVE_DECL_STRNICMP 0
#define HAVE_DECL_STRSEP 1
#define HAVE_FACCESSAT 1
#define HAVE_GETGID 1
#define HAVE_GETPAGESIZE 1
#define HAVE_GETRLIMIT 1
#define HAVE_GETUID 1
#define HAVE_HTOLE16 1
#define HAVE_HTOLE32 1
#define HAVE_HTOLE64 1
#define HAVE_MMAP 1
#define HAVE_PATHCONF 1
#define HAVE_REALPATH 1
#define HAVE_STRSEP 1
#define HAVE_SYSCONF 1
#else
#define HAVE_DECL_STRICMP 1
#define HAVE_DECL_STRNICMP 1
#define HAVE_DECL_STRSEP 0
#define HAVE_STRICMP 1
#define HAVE_STRNICMP 1
#define HAVE__FULLPATH 1
#endif

/* nasm's own names for the attributes above. */
#include "config/unconfig.h"

#endif
