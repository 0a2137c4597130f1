// Matches regular expressions; prints each of its arguments that does not work.
#include <re2/re2.h>
#include <re2/set.h>

#include <cstdio>
#include <string>
#include <vector>

static bool has_captures() {
  std::string name;
  int number = 0;
  return RE2::FullMatch("part-42", "(\\w+)-(\\d+)", &name, &number) &&
         name == "part" && number == 42;
}

// A backtracking matcher would need ages.
static bool is_linear() {
  std::string text(5000, 'a');
  return !RE2::FullMatch(text + "!", "(a+)+(a|b)*c?") &&
         RE2::FullMatch(text, "(a+)+(a|b)*c?");
}

static bool has_set() {
  RE2::Set set(RE2::DefaultOptions, RE2::UNANCHORED);
  std::vector<int> matches;
  set.Add("foo", nullptr);
  set.Add("b+", nullptr);
  set.Add("z", nullptr);
  return set.Compile() && set.Match("foo bbb", &matches) && matches.size() == 2;
}

static bool has_unicode() {
  return RE2::FullMatch("\u0416\u0443\u043a", "\\p{Lu}\\p{Cyrillic}{2}") &&
         !RE2("(").ok();
}

static bool supports(const std::string &name) {
  if (name == "captures")
    return has_captures();
  if (name == "linear")
    return is_linear();
  if (name == "set")
    return has_set();
  return name == "unicode" && has_unicode();
}

int main(int argc, char **argv) {
  int missing = 0;
  for (int i = 1; i < argc; i++)
    if (!supports(argv[i])) {
      std::puts(argv[i]);
      missing = 1;
    }
  return missing;
}
