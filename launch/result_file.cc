#include "launch/result_file.h"

#include <utility>

#include <nlohmann/json.hpp>

#include "dist/runtime/errors.h"

namespace tutti::launch {

ResultFile::ResultFile(std::filesystem::path path)
    : path_(std::move(path)), partial_(path_.string() + ".partial"), out_(partial_) {
  if (!out_) fail();
}

ResultFile::~ResultFile() {
  std::error_code ignored;
  std::filesystem::remove(partial_, ignored);
}

void ResultFile::commit(const nlohmann::json& document) {
  out_ << document.dump(2) << "\n";
  out_.close();
  std::error_code problem;
  if (out_) std::filesystem::rename(partial_, path_, problem);
  if (!out_ || problem) fail();
}

void ResultFile::fail() const {
  throw StorageError(Problem{path_.string(), "", "", "a file that can be written", ""});
}

}  // namespace tutti::launch
