/* The packed data of all languages, as the symbol that the library reads. */
#if defined(__APPLE__)
#define NAME _icudt76_dat
    .section __TEXT,__const
#elif defined(_WIN32)
#define NAME icudt76_dat
    .section .rdata,"dr"
#else
#define NAME icudt76_dat
    .section .rodata,"a",%progbits
    .type NAME,%object
    .hidden NAME
#endif
    .globl NAME
    .balign 16
NAME:
    .incbin "icudt76l.dat"
#if !defined(__APPLE__) && !defined(_WIN32)
    .size NAME, . - NAME
    .section .note.GNU-stack,"",%progbits
#endif
