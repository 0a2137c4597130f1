// Ends the process when an assertion of highway fails. Upstream's file does the same with a std::string, which would require
// building and linking all of libc++.
#include "hwy/abort.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hwy/base.h"

namespace hwy {
namespace {
AbortFunc handler = nullptr;
}  // namespace

HWY_DLLEXPORT AbortFunc& GetAbortFunc() { return handler; }

HWY_DLLEXPORT AbortFunc SetAbortFunc(AbortFunc func) {
  const AbortFunc previous = handler;
  handler = func;
  return previous;
}

HWY_DLLEXPORT HWY_NORETURN void HWY_FORMAT(3, 4) Abort(const char* file, int line, const char* format, ...) {
  char message[800];
  va_list values;
  va_start(values, format);
  vsnprintf(message, sizeof message, format, values);
  va_end(values);

  if (handler != nullptr) {
    handler(file, line, message);
  } else {
    const char* slash = strrchr(file, '/');
    fprintf(stderr, "highway: %s:%d: %s\n", slash ? slash + 1 : file, line, message);
  }
  abort();
}

}  // namespace hwy
