#include "dist/runtime/files.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <system_error>

#include <fmt/format.h>

#include "dist/runtime/errors.h"

namespace tutti {

void write_file(const std::filesystem::path& path, std::string_view bytes,
                std::ios::openmode mode) {
  errno = 0;
  std::ofstream out(path, mode | std::ios::binary);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  out.close();
  if (!out) {
    throw StorageError(Problem{
        .file = path.string(),
        .place = {},
        .found =
            fmt::format("cannot write: {}",
                        errno == 0 ? "unknown reason" : std::generic_category().message(errno)),
        .expected = {},
        .cure = "free space or choose another output folder"});
  }
}

void sync_to_disk(const std::filesystem::path& path) {
  const auto fail = [&path](const char* what, int error) {
    throw StorageError(Problem{.file = path.string(),
                               .place = what,
                               .found = std::generic_category().message(error),
                               .expected = "",
                               .cure = "check permissions and free space"});
  };
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) fail("cannot open for syncing", errno);
  const int problem = ::fsync(file) == 0 ? 0 : errno;
  ::close(file);
  // A file system without fsync says EINVAL; there is nothing more to do for it.
  if (problem != 0 && problem != EINVAL) fail("cannot sync", problem);
}

}  // namespace tutti
