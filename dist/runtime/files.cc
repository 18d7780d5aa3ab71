#include "dist/runtime/files.h"

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

}  // namespace tutti
