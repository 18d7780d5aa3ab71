#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

namespace tutti::checkpoints {

// A whole file, mapped read-only.
class FileMapping {
 public:
  // DataError when it cannot be read. `kind`: what it should be ("a safetensors file").
  FileMapping(const std::filesystem::path& path, const char* kind);
  ~FileMapping();
  FileMapping(const FileMapping&) = delete;
  FileMapping& operator=(const FileMapping&) = delete;

  std::string_view bytes() const { return {data_, static_cast<size_t>(size_)}; }

 private:
  const char* data_ = nullptr;
  int64_t size_ = 0;
};

}  // namespace tutti::checkpoints
