#include "dist/runtime/process.h"

#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>

#include <fmt/format.h>

namespace tutti {

std::string host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "unknown";
}

std::string process_space() {
  std::string boot;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> boot;
  std::error_code ignored;
  return boot + " " + std::filesystem::read_symlink("/proc/self/ns/pid", ignored).string();
}

int64_t process_start(int64_t pid) {
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  std::string line;
  if (!std::getline(file, line)) return 0;
  // "pid (name) state ...": the name may hold anything, also parentheses. The start is field 22.
  std::istringstream fields(line.substr(line.rfind(')') + 1));
  std::string state, field;
  fields >> state;
  if (state == "Z" || state == "X") return 0;  // ended, and nobody asked how
  for (int i = 4; i <= 22; ++i) fields >> field;
  return fields ? std::stoll(field) : 0;
}

}  // namespace tutti
