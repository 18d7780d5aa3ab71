#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "checkpoints/safetensors.h"
#include "checkpoints/safetensors_format.h"
#include "dist/runtime/errors.h"

namespace tutti::checkpoints {

namespace {

std::string json_string(const std::string& text) {
  return nlohmann::json(text).dump();
}

// The header without its length: JSON in file order (nlohmann's objects would sort the names),
// padded with spaces so that the data starts at a multiple of 8.
std::string header_of(const std::vector<NamedTensor>& tensors,
                      const std::map<std::string, std::string>& metadata) {
  std::string header = "{";
  auto add_key = [&header](const std::string& key) {
    if (header.size() > 1) header += ',';
    header += json_string(key) + ':';
  };
  if (!metadata.empty()) {
    add_key(kMetadataKey);
    header += nlohmann::json(metadata).dump();
  }
  int64_t begin = 0;
  for (const NamedTensor& tensor : tensors) {
    const int64_t end = begin + tensor.num_bytes();
    add_key(tensor.name);
    header += fmt::format(R"({{"dtype":"{}","shape":{},"data_offsets":[{},{}]}})",
                          name_of(tensor.type), nlohmann::json(tensor.shape).dump(), begin, end);
    begin = end;
  }
  header += '}';
  header.resize((header.size() + 7) / 8 * 8, ' ');
  return header;
}

// A file being written; removed again unless it was closed well.
class OutputFile {
 public:
  explicit OutputFile(const std::filesystem::path& path)
      : path_(path), fd_(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)) {
    if (fd_ < 0) fail("open");
  }
  ~OutputFile() {
    if (fd_ < 0) return;
    ::close(fd_);
    ::unlink(path_.c_str());
  }
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  void write(const void* data, int64_t num_bytes) {
    const char* next = static_cast<const char*>(data);
    while (num_bytes > 0) {
      const ssize_t written = ::write(fd_, next, static_cast<size_t>(num_bytes));
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) fail("write");
      next += written;
      num_bytes -= written;
    }
  }

  void sync_and_close() {
    if (::fsync(fd_) != 0) fail("sync");
    const int fd = fd_;
    fd_ = -1;
    if (::close(fd) != 0) fail("close");
  }

 private:
  [[noreturn]] void fail(const char* what) const {
    const int error = errno;
    throw StorageError(Problem{.file = path_.string(),
                               .place = {},
                               .found = fmt::format("cannot {}: {}", what, std::strerror(error)),
                               .expected = {},
                               .cure = "free space or choose another output folder"});
  }

  std::filesystem::path path_;
  int fd_;
};

}  // namespace

void write_safetensors(const std::filesystem::path& path, std::vector<NamedTensor> tensors,
                       const std::map<std::string, std::string>& metadata) {
  std::sort(tensors.begin(), tensors.end(), [](const NamedTensor& a, const NamedTensor& b) {
    if (a.type != b.type) return file_rank(a.type) > file_rank(b.type);
    return a.name < b.name;
  });
  std::set<std::string> names{kMetadataKey};
  for (const NamedTensor& tensor : tensors) {
    TUTTI_CHECK(names.insert(tensor.name).second, "tensor name taken: " + tensor.name);
    TUTTI_CHECK(tensor.data != nullptr || tensor.num_bytes() == 0, tensor.name);
  }
  const std::string header = header_of(tensors, metadata);
  TUTTI_CHECK(static_cast<int64_t>(header.size()) <= kMaxHeaderBytes, "safetensors header size");

  OutputFile file(path);
  unsigned char length[8];
  for (int i = 0; i < 8; ++i) length[i] = static_cast<unsigned char>(header.size() >> (8 * i));
  file.write(length, sizeof(length));
  file.write(header.data(), static_cast<int64_t>(header.size()));
  for (const NamedTensor& tensor : tensors) file.write(tensor.data, tensor.num_bytes());
  file.sync_and_close();
}

}  // namespace tutti::checkpoints
