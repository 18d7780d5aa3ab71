#include "trainer/run_folder.h"

#include <fstream>
#include <system_error>
#include <vector>

#include "dist/runtime/errors.h"
#include "dist/runtime/files.h"

namespace tutti::trainer {
namespace {

namespace fs = std::filesystem;

}  // namespace

RunFolder::RunFolder(fs::path path, Existing existing) : path_(std::move(path)) {
  if (fs::exists(path_) && existing != Existing::kResume) {
    if (existing == Existing::kRefuse) {
      throw UsageError(Problem{path_.string(), "", "a folder that exists", "a new one",
                               "give another --out, or --resume to go on, or "
                               "--overwrite to start again"});
    }
    if (!fs::exists(path_ / "config.ini") || !fs::exists(path_ / "log.jsonl")) {
      throw UsageError(Problem{path_.string(), "", "a folder without config.ini and log.jsonl",
                               "a run to overwrite", "give another --out"});
    }
    lock_ = std::make_unique<FolderLock>(path_);  // nobody writes what is deleted
    lock_.reset();
    fs::remove_all(path_);
  }
  std::error_code error;
  fs::create_directories(path_ / "checkpoints", error);
  if (error)
    throw StorageError(
        Problem{path_.string(), "", error.message(), "a folder that can be made", ""});
  lock_ = std::make_unique<FolderLock>(path_);
  write_file(path_ / "log.jsonl", "", std::ios::app);
}

void RunFolder::write_config(const std::string& ini) const {
  write_file(path_ / "config.ini", ini);
}

void RunFolder::truncate_log_after(int64_t step) const {
  std::ifstream in(path_ / "log.jsonl");
  std::string kept, line;
  while (std::getline(in, line)) {
    const nlohmann::json record = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (record.is_object() && record.value("step", int64_t{0}) <= step) kept += line + "\n";
  }
  in.close();
  // By rename: a kill in the middle must not lose the records before it.
  const fs::path aside = path_ / ".log.jsonl.tmp";
  write_file(aside, kept);
  std::error_code error;
  fs::rename(aside, path_ / "log.jsonl", error);
  if (error)
    throw StorageError(
        Problem{(path_ / "log.jsonl").string(), "", error.message(), "a file to replace", ""});
}

void RunFolder::append(const nlohmann::json& record) const {
  write_file(path_ / "log.jsonl", record.dump() + "\n", std::ios::app);
}

}  // namespace tutti::trainer
