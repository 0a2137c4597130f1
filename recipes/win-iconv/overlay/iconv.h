/* The functions of POSIX' iconv.h, for Windows. */
#ifndef WIN_ICONV_H
#define WIN_ICONV_H

#include <stddef.h>

#ifdef BUILDING_ICONV_DLL
#define ICONV_API __declspec(dllexport)
#else
#define ICONV_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef void *iconv_t;

ICONV_API iconv_t iconv_open(const char *to, const char *from);
ICONV_API size_t iconv(iconv_t converter, char **input, size_t *input_left, char **output, size_t *output_left);
ICONV_API int iconv_close(iconv_t converter);

#ifdef __cplusplus
}
#endif

#endif
