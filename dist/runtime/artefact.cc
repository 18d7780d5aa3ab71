#include "dist/runtime/artefact.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <fstream>
#include <map>
#include <string>
#include <system_error>

#include <fmt/format.h>

#include "dist/runtime/errors.h"
#include "dist/runtime/files.h"
#include "dist/runtime/manifest_json.h"

namespace tutti {
namespace {

namespace fs = std::filesystem;

constexpr const char* kManifestName = "manifest.json";

[[noreturn]] void fail_storage(const fs::path& path, const std::string& what, int error) {
  throw StorageError(Problem{.file = path.string(),
                             .place = what,
                             .found = std::generic_category().message(error),
                             .expected = "",
                             .cure = "check permissions and free space"});
}

void check_storage(const fs::path& path, const std::string& what, const std::error_code& problem) {
  if (problem) fail_storage(path, what, problem.value());
}

void rename_or_throw(const fs::path& from, const fs::path& to) {
  std::error_code problem;
  fs::rename(from, to, problem);
  check_storage(to, fmt::format("cannot rename {} to it", from.filename().string()), problem);
}

fs::path parent_of(const fs::path& path) {
  const fs::path parent = path.parent_path();
  return parent.empty() ? fs::path(".") : parent;
}

// A hidden sibling of `destination` that no other process uses.
fs::path hidden_sibling(const fs::path& destination, const std::string& use) {
  return parent_of(destination) /
         fmt::format(".{}.{}-{}", destination.filename().string(), use, ::getpid());
}

void write_text(const fs::path& path, const std::string& text) {
  errno = 0;
  std::ofstream stream(path, std::ios::binary);
  stream << text;
  stream.close();
  if (!stream) fail_storage(path, "cannot write", errno);
}

[[noreturn]] void refuse_destination(const fs::path& destination, const std::string& found,
                                     const std::string& cure) {
  throw UsageError(Problem{
      .file = destination.string(), .place = "", .found = found, .expected = "", .cure = cure});
}

void check_may_replace(const fs::path& destination, const std::string& kind, bool overwrite) {
  std::error_code problem;
  const fs::file_status status = fs::symlink_status(destination, problem);
  if (!fs::exists(status)) return;
  if (!overwrite) {
    refuse_destination(destination, "an existing path",
                       "choose another one or replace it with --overwrite");
  }
  const std::string other = "choose another path: --overwrite replaces only " + kind + " folders";
  if (!fs::is_directory(status) || !fs::exists(destination / kManifestName, problem)) {
    refuse_destination(destination, "something that is not a tutti artefact", other);
  }
  const std::string found = parse_manifest(destination / kManifestName).kind;
  if (found != kind) refuse_destination(destination, "an artefact of kind " + found, other);
}

// `staging` takes the name of `destination`, whose content is removed.
void replace_folder(const fs::path& staging, const fs::path& destination) {
  const fs::path old = hidden_sibling(destination, "old");
  std::error_code ignored;
  fs::remove_all(old, ignored);
  // One step where the file system can swap, so that the name always means a whole artefact.
  if (::renameat2(AT_FDCWD, staging.c_str(), AT_FDCWD, destination.c_str(), RENAME_EXCHANGE) == 0) {
    rename_or_throw(staging, old);
  } else {
    rename_or_throw(destination, old);
    std::error_code problem;
    fs::rename(staging, destination, problem);
    if (problem) fs::rename(old, destination, ignored);
    check_storage(destination, "cannot replace it", problem);
  }
  fs::remove_all(old, ignored);
}

}  // namespace

std::map<std::string, FileEntry> sync_and_hash_files(
    const fs::path& folder, const std::map<std::string, FileEntry>& hashed) {
  std::map<std::string, FileEntry> files;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder)) {
    const std::string name = entry.path().lexically_relative(folder).generic_string();
    const auto known = hashed.find(name);
    if (known != hashed.end()) {
      files.insert(*known);
      continue;
    }
    sync_to_disk(entry.path());
    if (entry.is_directory()) continue;
    TUTTI_CHECK(entry.is_regular_file() && !entry.is_symlink(), entry.path().string());
    files[name] = {static_cast<int64_t>(entry.file_size()), sha256_of_file(entry.path())};
  }
  return files;
}

ArtefactWriter::ArtefactWriter(fs::path destination, std::string kind, bool overwrite)
    : destination_(std::move(destination)), kind_(std::move(kind)), overwrite_(overwrite) {
  destination_ = destination_.lexically_normal();
  if (!destination_.has_filename()) destination_ = destination_.parent_path();  // "out/"
  const fs::path name = destination_.filename();
  if (name.empty() || name == "." || name == "..") {
    refuse_destination(destination_, "no name of a folder", "give the folder to make");
  }
  check_may_replace(destination_, kind_, overwrite_);
  std::error_code problem;
  fs::create_directories(parent_of(destination_), problem);
  check_storage(parent_of(destination_), "cannot make the folder", problem);
  staging_ = hidden_sibling(destination_, "tmp");
  fs::remove_all(staging_, problem);  // of a killed process that had our number
  fs::create_directory(staging_, problem);
  check_storage(destination_, "cannot make it", problem);
}

ArtefactWriter::~ArtefactWriter() {
  std::error_code ignored;
  if (!committed_) fs::remove_all(staging_, ignored);
}

fs::path ArtefactWriter::file(const std::string& name) const {
  fs::path path = staging_ / name;
  const fs::path inside = path.lexically_relative(staging_);
  TUTTI_CHECK(!committed_ && name != kManifestName && !inside.empty() && *inside.begin() != ".." &&
                  *inside.begin() != ".",
              name);
  std::error_code problem;
  fs::create_directories(path.parent_path(), problem);
  check_storage(destination_ / name, "cannot make its folder", problem);
  return path;
}

Manifest ArtefactWriter::commit(Manifest manifest) {
  TUTTI_CHECK(!committed_);
  TUTTI_CHECK(manifest.format_version >= 1);
  manifest.kind = kind_;
  try {
    manifest.files = sync_and_hash_files(staging_, manifest.files);
    manifest.hash = manifest_hash(manifest);
    write_text(staging_ / kManifestName, manifest_text(manifest));
    sync_to_disk(staging_ / kManifestName);
    sync_to_disk(staging_);
    check_may_replace(destination_, kind_, overwrite_);
    if (fs::exists(fs::symlink_status(destination_))) {
      replace_folder(staging_, destination_);
    } else {
      rename_or_throw(staging_, destination_);
    }
    committed_ = true;
    sync_to_disk(parent_of(destination_));
  } catch (const fs::filesystem_error& e) {
    fail_storage(e.path1(), "cannot write the artefact", e.code().value());
  }
  return manifest;
}

}  // namespace tutti
