/* The resolver of macOS, as far as gio asks for it; cross toolchains have no header for it. libresolv marks its symbols
   with the 9 of the BIND that it came from. */
#ifndef EVERYWHEEL_RESOLV_H
#define EVERYWHEEL_RESOLV_H

#include <sys/types.h>

#define _PATH_RESCONF "/etc/resolv.conf"

int dn_expand (const u_char *message, const u_char *end, const u_char *name, char *into, int size) __asm ("_res_9_dn_expand");
int dn_skipname (const u_char *name, const u_char *end) __asm ("_res_9_dn_skipname");
int res_query (const char *name, int class, int type, u_char *answer, int size) __asm ("_res_9_query");

#endif
