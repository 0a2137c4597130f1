// Asks the built highway for what its recipe promises; prints each word that it does not keep.
#include <hwy/highway.h>
#include <hwy/targets.h>

#include <stdio.h>
#include <string.h>

// This processor has targets, and the library that chooses between them agrees with the headers.
static bool dispatches() {
  const int64_t supported = hwy::SupportedTargets();
  hwy::GetChosenTarget().Update(supported);
  return supported != 0 && (supported & HWY_STATIC_TARGET) != 0 && hwy::GetChosenTarget().GetIndex() != 0;
}

int main(int argc, char** argv) {
  int missing = 0;
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "dispatch") != 0 || !dispatches()) {
      puts(argv[i]);
      missing = 1;
    }
  }
  return missing;
}
