#pragma once

#include <filesystem>
#include <fstream>

#include <nlohmann/json_fwd.hpp>

namespace tutti::launch {

// A JSON file that appears whole by rename, or not at all. It is opened before the long work, so
// that a folder that cannot be written is said at once. StorageError.
class ResultFile {
 public:
  explicit ResultFile(std::filesystem::path path);
  ~ResultFile();
  ResultFile(const ResultFile&) = delete;
  ResultFile& operator=(const ResultFile&) = delete;

  void commit(const nlohmann::json& document);

 private:
  [[noreturn]] void fail() const;

  std::filesystem::path path_, partial_;
  std::ofstream out_;
};

}  // namespace tutti::launch
