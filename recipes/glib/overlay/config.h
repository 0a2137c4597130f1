/* The results of glib's own configuration for Linux only, with glibc 2.17 or newer or musl 1.2. Where these or their versions
   differ, the compiler's macros decide. Sorted alphabetically.

   Two results are more accurate than glib's own. zig's headers are those of a newer glibc than the target's, so the month
   names that nl_langinfo has since glibc 2.27 seem to be available; and the test that reads /proc/self/cmdline is not
   needed. */
#ifndef GLIB_CONFIG_H
#define GLIB_CONFIG_H

#ifdef __APPLE__
#include "config-macos.h"
#elif defined(_WIN32)
#include "config-windows.h"
#else
#include <features.h>

#ifdef __GLIBC__
#define SINCE_GLIBC(major, minor) __GLIBC_PREREQ(major, minor)
#else
#define SINCE_GLIBC(major, minor) 0
#endif

#define ENABLE_NLS 1
#define EXEEXT
#define FILE_MONITOR_BACKEND_INOTIFY 1
#define GETTEXT_PACKAGE "glib20"
#define GLIB_BINARY_AGE (100 * GLIB_MINOR_VERSION + GLIB_MICRO_VERSION)
#define GLIB_INTERFACE_AGE GLIB_MICRO_VERSION
#define MAJOR_IN_SYSMACROS 1
#define PACKAGE_NAME "glib"
#define STATFS_ARGS 2
#define THREADS_POSIX 1
#define USE_STATFS 1
#define USE_SYSTEM_PRINTF 1
#define _GLIB_GCC_HAVE_SYNC_SWAP 1
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
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

#ifdef __SIZEOF_INT128__
#define HAVE_UINT128_T 1
#endif
/* On 32-bit machines, 64-bit time has a separate futex system call. */
#if __SIZEOF_LONG__ == 4
#define HAVE_FUTEX_TIME64 1
#endif

/* Both C libraries have these. */
#define HAVE_ACCEPT4 1
#define HAVE_BIND_TEXTDOMAIN_CODESET 1
#define HAVE_C99_SNPRINTF 1
#define HAVE_CODESET 1
#define HAVE_DIRENT_H 1
#define HAVE_DN_COMP 1
#define HAVE_ENDMNTENT 1
#define HAVE_ENDSERVENT 1
#define HAVE_EPOLL_CREATE1 1
#define HAVE_EVENTFD 1
#define HAVE_FACCESSAT 1
#define HAVE_FALLOCATE 1
#define HAVE_FCHMOD 1
#define HAVE_FCHOWN 1
#define HAVE_FSYNC 1
#define HAVE_FTW_H 1
#define HAVE_FUTEX 1
#define HAVE_GETAUXVAL 1
#define HAVE_GETC_UNLOCKED 1
#define HAVE_GETGRGID_R 1
#define HAVE_GETMNTENT_R 1
#define HAVE_GETPWUID_R 1
#define HAVE_GETRESUID 1
#define HAVE_GETSERVBYNAME_R 1
#define HAVE_GMTIME_R 1
#define HAVE_HASMNTOPT 1
#define HAVE_IF_INDEXTONAME 1
#define HAVE_IF_NAMETOINDEX 1
#define HAVE_INTTYPES_H_WITH_UINTMAX 1
#define HAVE_IPV6 1
#define HAVE_IP_MREQN 1
#define HAVE_LANGINFO_CODESET 1
#define HAVE_LANGINFO_TIME 1
#define HAVE_LCHMOD 1
#define HAVE_LCHOWN 1
#define HAVE_LINK 1
#define HAVE_LINUX_NETLINK_H 1
#define HAVE_LOCALTIME_R 1
#define HAVE_LONG_LONG 1
#define HAVE_LSTAT 1
#define HAVE_MBRTOWC 1
#define HAVE_MEMALIGN 1
#define HAVE_MEMMEM 1
#define HAVE_MKOSTEMP 1
#define HAVE_MMAP 1
#define HAVE_MNTENT_H 1
#define HAVE_NETLINK 1
#define HAVE_NEWLOCALE 1
#define HAVE_OPEN_O_DIRECTORY 1
#define HAVE_PIDFD 1
#define HAVE_PIPE2 1
#define HAVE_POLL 1
#define HAVE_POLL_H 1
#define HAVE_POSIX_MEMALIGN 1
#define HAVE_POSIX_SPAWN 1
#define HAVE_PPOLL 1
#define HAVE_PRCTL 1
#define HAVE_PRLIMIT 1
#define HAVE_PROC_SELF_CMDLINE 1
#define HAVE_PTHREAD_ATTR_SETINHERITSCHED 1
#define HAVE_PTHREAD_ATTR_SETSTACKSIZE 1
#define HAVE_PTHREAD_CONDATTR_SETCLOCK 1
#define HAVE_PTHREAD_GETAFFINITY_NP 1
#define HAVE_PTHREAD_GETNAME_NP 1
#define HAVE_PTHREAD_SETNAME_NP_WITH_TID 1
#define HAVE_PTRACE_O_EXITKILL 1
#define HAVE_READLINK 1
#define HAVE_RECVMMSG 1
#define HAVE_RTLD_GLOBAL 1
#define HAVE_RTLD_LAZY 1
#define HAVE_RTLD_NOW 1
#define HAVE_SCHED_H 1
#define HAVE_SENDMMSG 1
#define HAVE_SETENV 1
#define HAVE_SETMNTENT 1
#define HAVE_SIG_ATOMIC_T 1
#define HAVE_SIOCGIFADDR 1
#define HAVE_SNPRINTF 1
#define HAVE_SPAWN_H 1
#define HAVE_SPLICE 1
#define HAVE_STDATOMIC_H 1
#define HAVE_STDINT_H 1
#define HAVE_STDINT_H_WITH_UINTMAX 1
#define HAVE_STPCPY 1
#define HAVE_STRCASECMP 1
#define HAVE_STRERROR_R 1
#define HAVE_STRNCASECMP 1
#define HAVE_STRNLEN 1
#define HAVE_STRSIGNAL 1
#define HAVE_STRTOD_L 1
#define HAVE_STRUCT_DIRENT_D_TYPE 1
#define HAVE_STRUCT_STAT_ST_ATIM_TV_NSEC 1
#define HAVE_STRUCT_STAT_ST_BLKSIZE 1
#define HAVE_STRUCT_STAT_ST_BLOCKS 1
#define HAVE_STRUCT_STAT_ST_MTIM_TV_NSEC 1
#define HAVE_STRUCT_TM_TM_GMTOFF 1
#define HAVE_SYMLINK 1
#define HAVE_SYSLOG_H 1
#define HAVE_SYS_AUXV_H 1
#define HAVE_SYS_MOUNT_H 1
#define HAVE_SYS_PARAM_H 1
#define HAVE_SYS_PRCTL_H 1
#define HAVE_SYS_RESOURCE_H 1
#define HAVE_SYS_SELECT_H 1
#define HAVE_SYS_STATFS_H 1
#define HAVE_SYS_STATVFS_H 1
#define HAVE_SYS_TIME_H 1
#define HAVE_SYS_UIO_H 1
#define HAVE_SYS_VFS_H 1
#define HAVE_TERMIOS_H 1
#define HAVE_TIMEGM 1
#define HAVE_UNISTD_H 1
#define HAVE_UNSETENV 1
#define HAVE_USELOCALE 1
#define HAVE_UTIMENSAT 1
#define HAVE_UTIMES 1
#define HAVE_VASPRINTF 1
#define HAVE_WCHAR_H 1
#define HAVE_WCHAR_T 1
#define HAVE_WCRTOMB 1
#define HAVE_WCSLEN 1
#define HAVE_WCSNLEN 1
#define HAVE_WINT_T 1

#ifdef __GLIBC__
#define HAVE_FSTAB_H 1
#define HAVE_FTRUNCATE64 1
#define HAVE_GETFSENT 1
#define HAVE_LANGINFO_ERA 1
#define HAVE_LANGINFO_OUTDIGIT 1
#define HAVE_LANGINFO_TIME_CODESET 1
#define HAVE_LOFF_T 1
#define HAVE_RES_NCLOSE 1
#define HAVE_RES_NINIT 1
#define HAVE_RES_NQUERY 1
#define HAVE_STRTOLL_L 1
#define HAVE_STRTOULL_L 1
#define STRERROR_R_CHAR_P 1
#if SINCE_GLIBC(2, 27)
#define HAVE_LANGINFO_ABALTMON 1
#define HAVE_LANGINFO_ALTMON 1
#endif
#else
#define HAVE_ALIGNED_ALLOC 1
#define HAVE_ISSETUGID 1
#define HAVE_STRUCT_TM___TM_GMTOFF 1
#endif
#if SINCE_GLIBC(2, 27) || !defined(__GLIBC__)
#define HAVE_COPY_FILE_RANGE 1
#endif
#if SINCE_GLIBC(2, 28) || !defined(__GLIBC__)
#define HAVE_STATX 1
#endif
#if SINCE_GLIBC(2, 34)
#define HAVE_CLOSE_RANGE 1
#endif

#endif
#endif
