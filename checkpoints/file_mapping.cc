#include "checkpoints/file_mapping.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include <fmt/core.h>

#include "dist/runtime/errors.h"

namespace tutti::checkpoints {
namespace {

[[noreturn]] void fail(const std::filesystem::path& path, const char* kind, int error) {
  throw DataError(Problem{.file = path.string(),
                          .place = {},
                          .found = fmt::format("cannot read: {}", std::strerror(error)),
                          .expected = kind,
                          .cure = {}});
}

}  // namespace

FileMapping::FileMapping(const std::filesystem::path& path, const char* kind) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) fail(path, kind, errno);
  struct stat status {};
  if (::fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
    const int error = errno;
    ::close(fd);
    fail(path, kind, S_ISREG(status.st_mode) ? error : EINVAL);
  }
  size_ = status.st_size;
  if (size_ > 0) {
    void* at = ::mmap(nullptr, static_cast<size_t>(size_), PROT_READ, MAP_PRIVATE, fd, 0);
    if (at == MAP_FAILED) {
      const int error = errno;
      ::close(fd);
      fail(path, kind, error);
    }
    data_ = static_cast<const char*>(at);
  }
  ::close(fd);
}

FileMapping::~FileMapping() {
  if (data_ != nullptr) ::munmap(const_cast<char*>(data_), static_cast<size_t>(size_));
}

}  // namespace tutti::checkpoints
