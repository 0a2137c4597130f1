// Checks the features that the recipe of highway declares; prints the name of each feature that is missing.
#include <hwy/highway.h>
#include <hwy/targets.h>

#include <stdio.h>
#include <string.h>

// Return whether this processor has targets and the library chooses one of those in the headers.
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
