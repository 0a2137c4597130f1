/* The wire format of DNS responses (RFC 1035, RFC 2782), as far as gio reads it. */
#ifndef EVERYWHEEL_NAMESER_H
#define EVERYWHEEL_NAMESER_H

#include <sys/types.h>

typedef struct
{
  u_int16_t id, flags, qdcount, ancount, nscount, arcount;
} HEADER;

#define C_IN 1
#define T_NS 2
#define T_SOA 6
#define T_MX 15
#define T_TXT 16
#define T_SRV 33

#define GETSHORT(value, at) ((value) = (u_int16_t) ((at)[0] << 8 | (at)[1]), (at) += 2)
#define GETLONG(value, at) ((value) = (u_int32_t) (at)[0] << 24 | (at)[1] << 16 | (at)[2] << 8 | (at)[3], (at) += 4)

#endif
