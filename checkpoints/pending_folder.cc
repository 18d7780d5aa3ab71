#include "checkpoints/pending_folder.h"

#include <system_error>
#include <utility>

#include "dist/runtime/errors.h"
#include "dist/runtime/files.h"
#include "dist/runtime/manifest_json.h"

namespace tutti::checkpoints {
namespace {

namespace fs = std::filesystem;

constexpr const char* kManifestFile = "manifest.json";

class RenamedFolder : public PendingFolder {
 public:
  RenamedFolder(const fs::path& destination, const std::string& kind)
      : writer_(destination, kind, /*overwrite=*/true) {}
  fs::path file(const std::string& name) const override { return writer_.file(name); }
  Manifest commit(Manifest manifest) override { return writer_.commit(std::move(manifest)); }

 private:
  ArtefactWriter writer_;
};

class MarkedFolder : public PendingFolder {
 public:
  MarkedFolder(fs::path destination, std::string kind)
      : folder_(std::move(destination)), kind_(std::move(kind)) {
    std::error_code error;
    fs::create_directory(folder_, error);
    if (error) fail(folder_, "cannot make the folder: " + error.message());
  }

  ~MarkedFolder() override {
    std::error_code ignored;
    if (committed_) return;
    fs::remove(folder_ / kManifestFile, ignored);
    fs::remove_all(folder_, ignored);
  }

  fs::path file(const std::string& name) const override { return folder_ / name; }

  Manifest commit(Manifest manifest) override {
    manifest.kind = kind_;
    try {
      manifest.files = sync_and_hash_files(folder_, manifest.files);
    } catch (const fs::filesystem_error& error) {
      fail(error.path1(), error.code().message());
    }
    manifest.hash = manifest_hash(manifest);
    // All else is on the disk: a reader that finds this file whole finds a whole checkpoint, and
    // one that finds a part of it refuses the folder.
    sync_to_disk(folder_);
    write_file(folder_ / kManifestFile, manifest_text(manifest));
    sync_to_disk(folder_ / kManifestFile);
    sync_to_disk(folder_);
    sync_to_disk(folder_.parent_path());
    committed_ = true;
    return manifest;
  }

 private:
  [[noreturn]] static void fail(const fs::path& path, const std::string& found) {
    throw StorageError(Problem{.file = path.string(),
                               .place = {},
                               .found = found,
                               .expected = {},
                               .cure = "check permissions and free space"});
  }

  fs::path folder_;
  std::string kind_;
  bool committed_ = false;
};

}  // namespace

std::unique_ptr<PendingFolder> make_pending_folder(const fs::path& destination,
                                                   const std::string& kind, Commit how) {
  if (how == Commit::kMarker) return std::make_unique<MarkedFolder>(destination, kind);
  return std::make_unique<RenamedFolder>(destination, kind);
}

}  // namespace tutti::checkpoints
