// Uses parts of the library; prints each of its arguments that does not work.
#include <absl/container/flat_hash_map.h>
#include <absl/status/status.h>
#include <absl/strings/cord.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>
#include <absl/synchronization/mutex.h>
#include <absl/synchronization/notification.h>

#include <cstdio>
#include <string>
#include <thread>

static bool has_cord() {
  absl::Cord cord("one ");
  cord.Append(std::string(5000, 'x'));
  return cord.size() == 5004 && cord.StartsWith("one x");
}

static bool has_format() {
  return absl::StrFormat("%05.1f %s", 2.25, absl::StrCat("a", 1)) == "002.2 a1";
}

static bool has_hash_map() {
  absl::flat_hash_map<std::string, int> map;
  for (int i = 0; i < 1000; i++)
    map[absl::StrCat(i)] = i;
  return map.size() == 1000 && map.at("999") == 999 && !map.contains("1000");
}

static bool has_status() {
  absl::Status status = absl::NotFoundError("no file");
  return !status.ok() && status.ToString() == "NOT_FOUND: no file";
}

static bool has_synchronization() {
  absl::Mutex mutex;
  absl::Notification done;
  int count = 0;
  std::thread thread([&] {
    absl::MutexLock lock(&mutex);
    count = 7;
    done.Notify();
  });
  done.WaitForNotification();
  thread.join();
  return count == 7;
}

static bool supports(const std::string &name) {
  if (name == "cord")
    return has_cord();
  if (name == "format")
    return has_format();
  if (name == "hash-map")
    return has_hash_map();
  if (name == "status")
    return has_status();
  return name == "synchronization" && has_synchronization();
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
