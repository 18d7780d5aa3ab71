#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

#include <nlohmann/json.hpp>

namespace tutti {

// SHA-256 as 64 hexadecimal digits.
std::string sha256_of_bytes(const void* data, int64_t num_bytes);
std::string sha256_of_file(
    const std::filesystem::path& path);  // StorageError when it cannot be read

struct FileEntry {
  int64_t bytes = 0;
  std::string sha256;
};

// What an artefact (dataset, embeddings, ID table, checkpoint, export) says of itself:
// manifest.json in its folder.
struct Manifest {
  std::string kind;  // "dataset", "embeddings", "id-table", "checkpoint", "export"
  int format_version = 1;
  nlohmann::json counts =
      nlohmann::json::object();  // rows and what else a reader wants to know before it opens a file
  nlohmann::json config = nlohmann::json::object();  // resolved options that shaped the content (no
                                                     // paths, no thread counts)
  std::map<std::string, std::string> made_from;  // role -> hash of the artefact it was made from
  std::map<std::string, FileEntry> files;        // by name; commit() adds what is not in it yet
  std::string hash;  // identity: SHA-256 over kind, format version, made_from and files; filled by
                     // commit/read

  std::string short_hash() const { return hash.substr(0, 12); }
};

// A folder that appears whole by rename, or not at all. Files are written into a hidden sibling
// folder; commit() hashes them, writes manifest.json, syncs, and renames. Without commit() the
// destructor removes everything. One process (rank 0) owns a writer.
class ArtefactWriter {
 public:
  // `destination` must not exist unless `overwrite`: then the old folder is replaced at commit.
  // UsageError when it exists, StorageError when the parent cannot be written.
  ArtefactWriter(std::filesystem::path destination, std::string kind, bool overwrite = false);
  ~ArtefactWriter();
  ArtefactWriter(const ArtefactWriter&) = delete;
  ArtefactWriter& operator=(const ArtefactWriter&) = delete;

  // Where to write the file of this name.
  std::filesystem::path file(const std::string& name) const;

  // Fills kind, files and hash. StorageError when anything cannot be written; then nothing appears.
  Manifest commit(Manifest manifest);

 private:
  std::filesystem::path destination_, staging_;
  std::string kind_;
  bool overwrite_, committed_ = false;
};

// Reads manifest.json and checks kind, format version, the sizes of all files and the stored hash.
// `newest_version`: the newest format version of this kind that the caller can read. DataError that
// names what is wrong: not an artefact, an artefact of another kind (and which command makes the
// right one), a newer format, a missing or truncated file.
Manifest read_manifest(const std::filesystem::path& artefact, const std::string& expected_kind,
                       int newest_version = 1);

// Reads every byte and compares the SHA-256 of each file. DataError naming the first that differs.
void verify_files(const std::filesystem::path& artefact, const Manifest& manifest);

// DataError naming both hashes unless `artefact.made_from[role] == expected.hash`.
void require_made_from(const std::filesystem::path& path, const Manifest& artefact,
                       const std::string& role, const Manifest& expected);

}  // namespace tutti
