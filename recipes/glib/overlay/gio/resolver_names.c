/* glibc 2.34 gave two functions of its resolver other names, and programs can no longer be linked to the old ones. The archive
   works with every glibc: it refers to both names weakly, and a query of the name service fails if a program has neither. */
#include <stddef.h>
#include <sys/types.h>

#include <netinet/in.h>

#include <arpa/nameser.h>
#include <resolv.h>

#ifdef __GLIBC__
extern int old_expand(const u_char *, const u_char *, const u_char *, char *, int) __asm__("__dn_expand")
    __attribute__((weak));
extern int new_expand(const u_char *, const u_char *, const u_char *, char *, int) __asm__("dn_expand")
    __attribute__((weak));
extern int old_query(res_state, const char *, int, int, u_char *, int) __asm__("__res_nquery") __attribute__((weak));
extern int new_query(res_state, const char *, int, int, u_char *, int) __asm__("res_nquery") __attribute__((weak));

static int
_g_dn_expand(const u_char *start, const u_char *end, const u_char *name, char *text, int size)
{
    if (new_expand != NULL) {
        return new_expand(start, end, name, text, size);
    }
    return old_expand != NULL ? old_expand(start, end, name, text, size) : -1;
}

static int
_g_res_nquery(res_state state, const char *name, int class, int type, u_char *answer, int size)
{
    if (new_query != NULL) {
        return new_query(state, name, class, type, answer, size);
    }
    return old_query != NULL ? old_query(state, name, class, type, answer, size) : -1;
}

#undef dn_expand
#undef res_nquery
#define dn_expand _g_dn_expand
#define res_nquery _g_res_nquery
#endif

#include "gthreadedresolver.c"
