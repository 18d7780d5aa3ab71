#include "checkpoints/checkpoint_store.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>
#include <optional>
#include <string_view>

#include <fmt/core.h>

#include "dist/runtime/errors.h"
#include "dist/runtime/files.h"
#include "dist/runtime/log.h"

namespace tutti::checkpoints {

namespace fs = std::filesystem;

namespace {

constexpr const char* kManifestFile = "manifest.json";
constexpr std::string_view kPrefix = "step-";
constexpr std::string_view kRemovedPrefix = ".removed-";
constexpr const char* kGuard = "manifest";  // in state.json
constexpr const char* kLatest = "latest";

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

// What each rank tells rank 0 of its shard: in the staging folder until the commit.
std::string report_file(int rank) {
  return fmt::format(".shard-{:05}.json", rank + 1);
}

nlohmann::json read_json(const fs::path& path, const std::string& expected) {
  std::ifstream in(path, std::ios::binary);
  nlohmann::json document = nlohmann::json::parse(in, nullptr, /*allow_exceptions=*/false);
  if (!document.is_object()) {
    throw DataError(Problem{.file = path.string(),
                            .place = {},
                            .found = "no JSON object",
                            .expected = expected,
                            .cure = {}});
  }
  return document;
}

void link_or_copy(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::create_hard_link(from, to, error);
  if (!error) return;
  fs::copy_file(from, to, error);
  if (error) {
    throw StorageError(
        Problem{.file = to.string(),
                .place = {},
                .found = fmt::format("cannot take {}: {}", from.string(), error.message()),
                .expected = "a part of the model that all checkpoints share",
                .cure = "check permissions and free space"});
  }
  sync_to_disk(to);
}

// The hash of a manifest leaves counts and config out; state.json, which it covers, repeats them.
nlohmann::json guard_of(const Manifest& manifest) {
  return {{"counts", manifest.counts}, {"config", manifest.config}};
}

Checkpoint open_folder(const fs::path& path, bool verify) {
  Manifest manifest = read_manifest(path, kCheckpointKind, kCheckpointFormat);
  if (!manifest.files.contains(kStateFile)) {
    throw DataError(Problem{.file = (path / kManifestFile).string(),
                            .place = "files",
                            .found = fmt::format("no {}", kStateFile),
                            .expected = "a checkpoint that 'tutti train' wrote",
                            .cure = {}});
  }
  if (verify) verify_files(path, manifest);
  nlohmann::json state = read_json(path / kStateFile, "the state of a checkpoint");
  if (manifest.format_version >= 2 && state.value(kGuard, nlohmann::json()) != guard_of(manifest)) {
    throw DataError(Problem{.file = (path / kManifestFile).string(),
                            .place = "counts or config",
                            .found = guard_of(manifest).dump(),
                            .expected = state.value(kGuard, nlohmann::json()).dump(),
                            .cure = "the manifest was changed: take another checkpoint"});
  }
  ShardedTensors model = ShardedTensors::open(path, manifest, "model");
  return {.path = path,
          .manifest = std::move(manifest),
          .model = std::move(model),
          .state = std::move(state)};
}

}  // namespace

CheckpointStore::CheckpointStore(const fs::path& run, Commit how)
    : folder_(run / "checkpoints"), how_(how) {}

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

fs::path CheckpointStore::begin(int64_t step) {
  TUTTI_CHECK(step >= 0);
  writer_.reset();
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
  if (how_ == Commit::kMarker && fs::exists(path_of(step), error)) return {};
  step_ = step;
  writer_ = make_pending_folder(path_of(step), kCheckpointKind, how_);
  return writer_->file(kStateFile).parent_path();
}

void CheckpointStore::write_shard(const fs::path& staging, const Shard& shard) {
  std::error_code error;
  if (!fs::is_directory(staging, error)) {
    throw StorageError(Problem{.file = staging.string(),
                               .place = fmt::format("rank {}", shard.rank),
                               .found = "no such folder",
                               .expected = "the one that rank 0 has made",
                               .cure = "put --out on a file system that all ranks see"});
  }
  nlohmann::json report = {{"model_tensors", shard.model.size()}};
  int64_t parameters = 0;
  for (const NamedTensor& tensor : shard.model) parameters += tensor.num_elements();
  report["parameters"] = parameters;
  for (const auto& [name, entry] : write_shard_files(staging, shard)) {
    report["files"][name] = {{"bytes", entry.bytes}, {"sha256", entry.sha256}};
  }
  const fs::path file = staging / report_file(shard.rank);
  write_file(file, report.dump() + '\n');
  sync_to_disk(file);
}

Manifest CheckpointStore::commit(const Common& common, int num_ranks, int keep) {
  TUTTI_CHECK(writer_ != nullptr && num_ranks >= 1 && keep >= 1);
  Manifest manifest;
  manifest.format_version = kCheckpointFormat;
  int64_t tensors = 0, parameters = 0;
  nlohmann::json shards = nlohmann::json::array();
  for (int rank = 0; rank < num_ranks; ++rank) {
    const fs::path file = writer_->file(report_file(rank));
    const nlohmann::json report = read_json(file, "what a rank has written");
    std::vector<std::string> names;
    for (const auto& [name, entry] : report.at("files").items()) {
      manifest.files[name] = {entry.at("bytes"), entry.at("sha256")};
      names.push_back(name);
    }
    shards.push_back(names);
    tensors += report.at("model_tensors").get<int64_t>();
    parameters += report.at("parameters").get<int64_t>();
    std::error_code error;
    if (!fs::remove(file, error)) {
      throw StorageError(Problem{.file = file.string(),
                                 .place = {},
                                 .found = "cannot be removed: " + error.message(),
                                 .expected = {},
                                 .cure = "check permissions and free space"});
    }
  }
  for (const auto& [name, file] : common.linked) {
    link_or_copy(file.path, writer_->file(name));
    manifest.files[name] = file.entry;
    tensors += file.num_tensors;
    parameters += file.num_parameters;
  }
  manifest.counts = {
      {"step", step_}, {"tensors", tensors}, {"parameters", parameters}, {"world_size", num_ranks}};
  manifest.config = {{"shards", shards}};  // by rank: its files
  manifest.made_from = common.made_from;
  nlohmann::json state = common.state;
  state[kGuard] = guard_of(manifest);
  write_file(writer_->file(kStateFile), state.dump(2) + '\n');
  for (const auto& [name, bytes] : common.files) write_file(writer_->file(name), bytes);
  manifest = writer_->commit(std::move(manifest));
  writer_.reset();

  if (how_ == Commit::kRename) point_latest_to(step_);
  remove_leftovers(/*replaced_too=*/true);
  remove_old(step_, keep);
  return manifest;
}

Manifest CheckpointStore::save(int64_t step, const Content& content, int keep) {
  const fs::path staging = begin(step);
  if (staging.empty()) return read_manifest(path_of(step), kCheckpointKind, kCheckpointFormat);
  Shard shard{.rank = 0, .num_ranks = 1, .model = content.model, .optimizer = {}};
  for (const NamedTensor& tensor : content.optimizer) {
    shard.optimizer.push_back({.whole = tensor, .first = 0, .count = tensor.num_elements()});
  }
  try {
    write_shard(staging, shard);
    return commit({.state = content.state,
                   .files = content.files,
                   .made_from = content.made_from,
                   .linked = content.linked},
                  1, keep);
  } catch (...) {
    writer_.reset();
    throw;
  }
}

std::vector<int64_t> CheckpointStore::prune(int keep) const {
  const std::vector<int64_t> before = steps();
  remove_leftovers(/*replaced_too=*/!before.empty());
  if (before.empty()) return {};
  remove_old(before.back() + 1, keep + 1);
  const std::vector<int64_t> after = steps();
  std::vector<int64_t> gone;
  std::set_difference(before.begin(), before.end(), after.begin(), after.end(),
                      std::back_inserter(gone));
  return gone;
}

// For people and scripts: a reader looks at the folders themselves. By rename, so that the name
// never means nothing.
void CheckpointStore::point_latest_to(int64_t step) const {
  const fs::path link = folder_ / kLatest;
  const fs::path fresh = folder_ / fmt::format(".{}.tmp", kLatest);
  std::error_code error;
  fs::remove(fresh, error);
  fs::create_directory_symlink(folder_name(step), fresh, error);
  if (!error) fs::rename(fresh, link, error);
  if (error) {
    log::warn(fmt::format("{}: cannot be made: {}; resuming does not need it", link.string(),
                          error.message()));
  }
}

// A kill in the middle of the deletion must not leave a folder that looks whole: renamed first, or
// without its manifest first.
void CheckpointStore::remove_checkpoint(const fs::path& path) const {
  std::error_code error;
  if (how_ == Commit::kMarker) {
    fs::remove(path / kManifestFile, error);
    if (!error) fs::remove_all(path, error);
  } else {
    const fs::path hidden =
        path.parent_path() / (std::string(kRemovedPrefix) + path.filename().string());
    fs::remove_all(hidden, error);
    fs::rename(path, hidden, error);
    if (!error) fs::remove_all(hidden, error);
  }
  if (error) {
    log::warn(
        fmt::format("{}: cannot remove the old checkpoint: {}", path.string(), error.message()));
  }
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
    const bool has_no_marker = how_ == Commit::kMarker && step_of(name) &&
                               !fs::exists(entry.path() / kManifestFile, error);
    if ((is_ours && (replaced_too || !is_replaced)) || has_no_marker)
      leftovers.push_back(entry.path());
  }
  for (const fs::path& path : leftovers) fs::remove_all(path, error);
}

// The writer replaces only what is an artefact.
void CheckpointStore::remove_damaged(int64_t step) const {
  const fs::path path = path_of(step);
  std::error_code error;
  if (!fs::exists(path, error)) return;
  try {
    read_manifest(path, kCheckpointKind, kCheckpointFormat);
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
      read_manifest(path_of(step), kCheckpointKind, kCheckpointFormat);
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
