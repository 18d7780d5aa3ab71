// Loaded before the C library (LD_PRELOAD): every call that changes the file system is a boundary
// with a number, and at one of them the process is killed or the call fails. The program under test
// runs its own write path, unchanged.
//
//   FAIL_UNDER=FOLDER   paths below it count
//   FAIL_AT=N           the Nth call, from 1
//   FAIL_HOW=kill       SIGKILL before the call
//            kill-half  SIGKILL when half of the bytes of a write are written
//            ENOSPC     the call fails so, and every one behind it (a full disk stays full)
//            EROFS, EDQUOT  likewise
//   FAIL_COUNT_TO=FILE  how many calls there were, written at the end
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace {

template <typename Function>
Function next(const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}

std::string setting(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

struct Settings {
  std::string under = setting("FAIL_UNDER"), how = setting("FAIL_HOW"),
              count_to = setting("FAIL_COUNT_TO");
  int at = std::atoi(setting("FAIL_AT").c_str());
  std::atomic<int> calls = 0;
  ~Settings() {
    if (count_to.empty()) return;
    const std::string text = std::to_string(calls) + "\n";
    const int fd = next<int (*)(const char*, int, ...)>("open")(count_to.c_str(),
                                                                O_WRONLY | O_CREAT | O_TRUNC, 0666);
    next<ssize_t (*)(int, const void*, size_t)>("write")(fd, text.data(), text.size());
  }
};

Settings& settings() {
  static Settings the;
  return the;
}

bool counts(const char* path) {
  return path != nullptr && !settings().under.empty() &&
         std::strncmp(path, settings().under.c_str(), settings().under.size()) == 0;
}

bool counts(int fd) {
  char link[64], path[PATH_MAX];
  std::snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t length = readlink(link, path, sizeof path - 1);
  if (length <= 0) return false;
  path[length] = 0;
  return counts(path);
}

enum class Fate { kGoesOn, kFails, kHalf };

Fate boundary() {
  Settings& s = settings();
  const int call = ++s.calls;
  if (s.at == 0 || call < s.at) return Fate::kGoesOn;
  if (s.how == "kill") raise(SIGKILL);
  if (s.how == "kill-half") return Fate::kHalf;
  if (s.how.empty()) return Fate::kGoesOn;
  errno = s.how == "EROFS" ? EROFS : s.how == "EDQUOT" ? EDQUOT : ENOSPC;
  return Fate::kFails;
}

// For calls that cannot be done by half.
bool fails() {
  const Fate fate = boundary();
  if (fate == Fate::kHalf) raise(SIGKILL);
  return fate == Fate::kFails;
}

int open_with(const char* name, const char* path, int flags, mode_t mode) {
  const bool makes = (flags & (O_CREAT | O_TRUNC)) != 0;
  if (makes && counts(path) && fails()) return -1;
  return next<int (*)(const char*, int, ...)>(name)(path, flags, mode);
}

FILE* fopen_with(const char* name, const char* path, const char* mode) {
  if (mode[0] != 'r' && counts(path) && fails()) return nullptr;
  return next<FILE* (*)(const char*, const char*)>(name)(path, mode);
}

}  // namespace

extern "C" {

int open(const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return open_with("open", path, flags, mode);
}

int open64(const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return open_with("open64", path, flags, mode);
}

FILE* fopen(const char* path, const char* mode) {
  return fopen_with("fopen", path, mode);
}

FILE* fopen64(const char* path, const char* mode) {
  return fopen_with("fopen64", path, mode);
}

ssize_t write(int fd, const void* data, size_t size) {
  const auto real = next<ssize_t (*)(int, const void*, size_t)>("write");
  if (counts(fd)) {
    const Fate fate = boundary();
    if (fate == Fate::kFails) return -1;
    if (fate == Fate::kHalf) {
      real(fd, data, size / 2);
      raise(SIGKILL);
    }
  }
  return real(fd, data, size);
}

ssize_t writev(int fd, const struct iovec* parts, int count) {
  if (counts(fd) && fails()) return -1;
  return next<ssize_t (*)(int, const struct iovec*, int)>("writev")(fd, parts, count);
}

int fsync(int fd) {
  if (counts(fd) && fails()) return -1;
  return next<int (*)(int)>("fsync")(fd);
}

int mkdir(const char* path, mode_t mode) {
  if (counts(path) && fails()) return -1;
  return next<int (*)(const char*, mode_t)>("mkdir")(path, mode);
}

int symlink(const char* target, const char* path) {
  if (counts(path) && fails()) return -1;
  return next<int (*)(const char*, const char*)>("symlink")(target, path);
}

int rename(const char* from, const char* to) {
  if (counts(to) && fails()) return -1;
  return next<int (*)(const char*, const char*)>("rename")(from, to);
}

int renameat2(int from_fd, const char* from, int to_fd, const char* to, unsigned flags) {
  if (counts(to) && fails()) return -1;
  return next<int (*)(int, const char*, int, const char*, unsigned)>("renameat2")(from_fd, from,
                                                                                  to_fd, to, flags);
}

int unlink(const char* path) {
  if (counts(path) && fails()) return -1;
  return next<int (*)(const char*)>("unlink")(path);
}

int rmdir(const char* path) {
  if (counts(path) && fails()) return -1;
  return next<int (*)(const char*)>("rmdir")(path);
}

int unlinkat(int folder, const char* path, int flags) {
  if ((path[0] == '/' ? counts(path) : counts(folder)) && fails()) return -1;
  return next<int (*)(int, const char*, int)>("unlinkat")(folder, path, flags);
}

int remove(const char* path) {
  if (counts(path) && fails()) return -1;
  return next<int (*)(const char*)>("remove")(path);
}

}  // extern "C"
