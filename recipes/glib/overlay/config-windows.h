/* What glib's own build would find out about Windows 10 with MinGW's headers and Microsoft's universal C run time. Words
   are in the order of the alphabet. */
#ifndef GLIB_CONFIG_WINDOWS_H
#define GLIB_CONFIG_WINDOWS_H

#define ENABLE_NLS 1
#define EXEEXT ".exe"
#define FILE_MONITOR_BACKEND_WIN32 1
#define GETTEXT_PACKAGE "glib20"
#define GLIB_BINARY_AGE (100 * GLIB_MINOR_VERSION + GLIB_MICRO_VERSION)
#define GLIB_INTERFACE_AGE GLIB_MICRO_VERSION
#define PACKAGE_NAME "glib"
#define THREADS_WIN32 1
#define USE_SYSTEM_PRINTF 1
#define _GLIB_GCC_HAVE_SYNC_SWAP 1
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#ifndef _WIN32_WINNT
#define _WIN32_WINNT 0x0A00
#endif

#define SIZEOF_CHAR 1
#define SIZEOF_INT __SIZEOF_INT__
#define SIZEOF_LONG __SIZEOF_LONG__
#define SIZEOF_LONG_LONG __SIZEOF_LONG_LONG__
#define SIZEOF_SHORT __SIZEOF_SHORT__
#define SIZEOF_SIZE_T __SIZEOF_SIZE_T__
#define SIZEOF_SSIZE_T __SIZEOF_SIZE_T__
#define SIZEOF_VOID_P __SIZEOF_POINTER__
#define SIZEOF_WCHAR_T __SIZEOF_WCHAR_T__

#define HAVE_AFUNIX_H 1
#define HAVE_C99_SNPRINTF 1
#define HAVE_C99_VSNPRINTF 1
#define HAVE_DIRENT_H 1
#define HAVE_FTW_H 1
#define HAVE_IF_INDEXTONAME 1
#define HAVE_IF_NAMETOINDEX 1
#define HAVE_INTTYPES_H 1
#define HAVE_INTTYPES_H_WITH_UINTMAX 1
#define HAVE_IPV6 1
#define HAVE_LONG_DOUBLE 1
#define HAVE_LONG_LONG 1
#define HAVE_MBRTOWC 1
#define HAVE_SCHED_H 1
#define HAVE_SNPRINTF 1
#define HAVE_STDATOMIC_H 1
#define HAVE_STDINT_H 1
#define HAVE_STDINT_H_WITH_UINTMAX 1
#define HAVE_STRCASECMP 1
#define HAVE_STRNCASECMP 1
#define HAVE_STRNLEN 1
#define HAVE_SYS_PARAM_H 1
#define HAVE_SYS_STAT_H 1
#define HAVE_SYS_TIME_H 1
#define HAVE_SYS_TYPES_H 1
#define HAVE_UNISTD_H 1
#define HAVE_VASPRINTF 1
#define HAVE_WCHAR_H 1
#define HAVE_WCHAR_T 1
#define HAVE_WCRTOMB 1
#define HAVE_WCSLEN 1
#define HAVE_WCSNLEN 1
#define HAVE_WINT_T 1
#define HAVE_WSPIAPI_H 1
#define HAVE__ALIGNED_MALLOC 1

#endif
