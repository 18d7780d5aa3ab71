#include "checkpoints/checkpoint_store.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <optional>
#include <string_view>

#include <fmt/core.h>

#include "dist/runtime/errors.h"
#include "dist/runtime/files.h"
#include "dist/runtime/log.h"

namespace tutti::checkpoints {

namespace fs = std::filesystem;

namespace {

constexpr const char* kKind = "checkpoint";
constexpr const char* kManifestFile = "manifest.json";
constexpr std::string_view kPrefix = "step-";
constexpr std::string_view kRemovedPrefix = ".removed-";

std::string folder_name(int64_t step) {
  return fmt::format("{}{:09}", kPrefix, step);
}

std::optional<int64_t> step_of(const std::string& name) {
  int64_t step = 0;
  if (!name.starts_with(kPrefix)) return std::nullopt;
  std::from_chars(name.data() + kPrefix.size(), name.data() + name.size(), step);
  // Only the one spelling that path_of() gives, so that a listed step can be opened.
  return folder_name(step) == name ? std::optional(step) : std::nullopt;
}

// Renamed first: a kill in the middle of the deletion must not leave a folder that looks whole.
void remove_checkpoint(const fs::path& path) {
  const fs::path hidden =
      path.parent_path() / (std::string(kRemovedPrefix) + path.filename().string());
  std::error_code error;
  fs::remove_all(hidden, error);
  fs::rename(path, hidden, error);
  if (!error) fs::remove_all(hidden, error);
  if (error) {
    log::warn(
        fmt::format("{}: cannot remove the old checkpoint: {}", path.string(), error.message()));
  }
}

nlohmann::json read_state(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  nlohmann::json state = nlohmann::json::parse(in, nullptr, /*allow_exceptions=*/false);
  if (!state.is_object()) {
    throw DataError(Problem{.file = path.string(),
                            .place = {},
                            .found = "no JSON object",
                            .expected = "the state of a checkpoint",
                            .cure = {}});
  }
  return state;
}

Checkpoint open_folder(const fs::path& path, bool verify) {
  Manifest manifest = read_manifest(path, kKind);
  for (const char* name : {kModelFile, kStateFile}) {
    if (manifest.files.contains(name)) continue;
    throw DataError(Problem{.file = (path / kManifestFile).string(),
                            .place = "files",
                            .found = fmt::format("no {}", name),
                            .expected = "a checkpoint that 'tutti train' wrote",
                            .cure = {}});
  }
  if (verify) verify_files(path, manifest);
  return {.path = path,
          .manifest = std::move(manifest),
          .model = SafetensorsFile::open(path / kModelFile),
          .state = read_state(path / kStateFile)};
}

}  // namespace

CheckpointStore::CheckpointStore(const fs::path& run) : folder_(run / "checkpoints") {}

fs::path CheckpointStore::path_of(int64_t step) const {
  return folder_ / folder_name(step);
}

std::vector<int64_t> CheckpointStore::steps() const {
  std::vector<int64_t> steps;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder_, error)) {
    const auto step = step_of(entry.path().filename().string());
    if (step && fs::exists(entry.path() / kManifestFile, error)) steps.push_back(*step);
  }
  std::sort(steps.begin(), steps.end());
  return steps;
}

Manifest CheckpointStore::save(int64_t step, const Content& content, int keep) {
  TUTTI_CHECK(step >= 0 && keep >= 1);
  std::error_code error;
  fs::create_directories(folder_, error);
  if (error) {
    throw StorageError(Problem{.file = folder_.string(),
                               .place = {},
                               .found = "cannot make the folder: " + error.message(),
                               .expected = {},
                               .cure = "choose another --out"});
  }
  remove_leftovers(/*replaced_too=*/false);
  remove_damaged(step);

  ArtefactWriter writer(path_of(step), kKind, /*overwrite=*/true);
  const std::map<std::string, std::string> metadata{{"format", "pt"}};
  write_safetensors(writer.file(kModelFile), content.model, metadata);
  if (!content.optimizer.empty()) {
    write_safetensors(writer.file(kOptimizerFile), content.optimizer, metadata);
  }
  write_file(writer.file(kStateFile), content.state.dump(2) + '\n');
  for (const auto& [name, bytes] : content.files) write_file(writer.file(name), bytes);

  Manifest manifest;
  int64_t parameters = 0;
  for (const NamedTensor& tensor : content.model) parameters += tensor.num_elements();
  manifest.counts = {{"step", step}, {"tensors", content.model.size()}, {"parameters", parameters}};
  manifest.made_from = content.made_from;
  manifest = writer.commit(std::move(manifest));

  remove_leftovers(/*replaced_too=*/true);
  remove_old(step, keep);
  return manifest;
}

// What a killed save left: staging folders, half-deleted checkpoints and, `replaced_too`, folders
// that were being replaced (one may be the last copy of its step until the next save is whole).
void CheckpointStore::remove_leftovers(bool replaced_too) const {
  std::error_code error;
  std::vector<fs::path> leftovers;
  for (const auto& entry : fs::directory_iterator(folder_, error)) {
    const std::string name = entry.path().filename().string();
    const bool is_ours = name.starts_with(".") && name.find(kPrefix) != std::string::npos;
    const bool is_replaced = name.find(".old-") != std::string::npos;
    if (is_ours && (replaced_too || !is_replaced)) leftovers.push_back(entry.path());
  }
  for (const fs::path& path : leftovers) fs::remove_all(path, error);
}

// The writer replaces only what is an artefact.
void CheckpointStore::remove_damaged(int64_t step) const {
  const fs::path path = path_of(step);
  std::error_code error;
  if (!fs::exists(path, error)) return;
  try {
    read_manifest(path, kKind);
  } catch (const DataError& damage) {
    log::warn(fmt::format("a damaged checkpoint is replaced: {}", damage.what()));
    remove_checkpoint(path);
  }
}

void CheckpointStore::remove_old(int64_t newest, int keep) const {
  std::vector<int64_t> older = steps();
  std::erase_if(older, [newest](int64_t step) { return step >= newest; });
  std::reverse(older.begin(), older.end());
  int good = 1;
  for (const int64_t step : older) {
    if (good >= keep) {
      remove_checkpoint(path_of(step));
      continue;
    }
    try {
      read_manifest(path_of(step), kKind);
      ++good;
    } catch (const DataError& damage) {
      log::warn(fmt::format("a damaged checkpoint is left alone: {}", damage.what()));
    }
  }
}

Checkpoint open_checkpoint(const fs::path& run_or_checkpoint, bool verify) {
  std::error_code error;
  if (!fs::is_directory(run_or_checkpoint / "checkpoints", error)) {
    return open_folder(run_or_checkpoint, verify);
  }
  const CheckpointStore store(run_or_checkpoint);
  std::vector<int64_t> steps = store.steps();
  std::reverse(steps.begin(), steps.end());
  for (const int64_t step : steps) {
    try {
      return open_folder(store.path_of(step), verify);
    } catch (const DataError& damage) {
      log::warn(fmt::format("checkpoint of step {} cannot be used, taking the one before: {}", step,
                            damage.what()));
    }
  }
  throw DataError(
      Problem{.file = run_or_checkpoint.string(),
              .place = {},
              .found = steps.empty() ? "a run without a checkpoint" : "only damaged checkpoints",
              .expected = "a folder written by 'tutti train'",
              .cure = steps.empty() ? "train until the first checkpoint" : "train again"});
}

}  // namespace tutti::checkpoints
