/* The resolver functions of macOS that gio uses; cross toolchains have no header for them. The symbols of libresolv have
   the suffix 9, the version of BIND that they come from. */
#ifndef EVERYWHEEL_RESOLV_H
#define EVERYWHEEL_RESOLV_H

#include <sys/types.h>

#define _PATH_RESCONF "/etc/resolv.conf"

int dn_expand (const u_char *message, const u_char *end, const u_char *name, char *into, int size) __asm ("_res_9_dn_expand");
int dn_skipname (const u_char *name, const u_char *end) __asm ("_res_9_dn_skipname");
int res_query (const char *name, int class, int type, u_char *answer, int size) __asm ("_res_9_query");

#endif
