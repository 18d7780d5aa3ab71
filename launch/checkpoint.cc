#include <algorithm>
#include <filesystem>
#include <iostream>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "checkpoints/checkpoint_store.h"
#include "dist/runtime/errors.h"
#include "launch/commands.h"
#include "launch/option_checks.h"
#include "launch/options.h"
#include "launch/text_table.h"

namespace tutti::launch {
namespace {

namespace fs = std::filesystem;

// The checkpoints that a path means: of a run, its own and the best; else the folder itself.
std::vector<fs::path> checkpoints_of(const fs::path& path) {
  std::error_code error;
  if (!fs::is_directory(path / "checkpoints", error)) return {path};
  std::vector<fs::path> all;
  for (const fs::path& run : {path, path / "best"}) {
    const checkpoints::CheckpointStore store(run);
    for (const int64_t step : store.steps()) all.push_back(store.path_of(step));
  }
  return all;
}

// What is wrong with a checkpoint; empty: nothing.
std::string damage_of(const fs::path& checkpoint, bool verify) {
  try {
    checkpoints::open_checkpoint(checkpoint, verify);
    return "";
  } catch (const DataError& error) {
    return error.what();
  }
}

int64_t bytes_of(const Manifest& manifest) {
  int64_t bytes = 0;
  for (const auto& [name, entry] : manifest.files) bytes += entry.bytes;
  return bytes;
}

std::string hash_of(const Manifest& manifest, const std::string& role) {
  const auto it = manifest.made_from.find(role);
  return it == manifest.made_from.end() ? "-" : it->second.substr(0, 12);
}

}  // namespace

int run_checkpoint_list(const std::vector<std::string>& args, Communicator& comm) {
  Options options("checkpoint list",
                  "Lists the checkpoints of a run: who wrote them, what they were trained on, and "
                  "whether their files are there with the right sizes.",
                  "tutti checkpoint list run");
  std::string run;
  options.positional("run", &run, "run folder or checkpoint");
  if (!options.parse(args)) return 0;
  if (!comm.is_root()) return 0;

  std::vector<std::vector<std::string>> rows = {
      {"checkpoint", "step", "ranks", "MiB", "dataset", "id-table", "state"}};
  for (const fs::path& path : checkpoints_of(run)) {
    const std::string damage = damage_of(path, /*verify=*/false);
    if (!damage.empty()) {
      rows.push_back({path.string(), "", "", "", "", "", damage});
      continue;
    }
    const Manifest manifest = checkpoints::open_checkpoint(path, /*verify=*/false).manifest;
    rows.push_back({path.string(), std::to_string(manifest.counts.value("step", int64_t{0})),
                    std::to_string(manifest.counts.value("world_size", 1)),
                    fmt::format("{:.1f}", static_cast<double>(bytes_of(manifest)) / (1 << 20)),
                    hash_of(manifest, "dataset"), hash_of(manifest, "id-table"), "complete"});
  }
  if (rows.size() == 1) throw DataError({run, "", "no checkpoint", "a run of 'tutti train'", ""});
  std::cout << align_columns(rows);
  return 0;
}

int run_checkpoint_verify(const std::vector<std::string>& args, Communicator& comm) {
  Options options("checkpoint verify",
                  "Reads every byte of a checkpoint, or of all of a run, and compares sizes and "
                  "SHA-256. Ends with code 3 when one is damaged.",
                  "tutti checkpoint verify run");
  std::string path;
  options.positional("path", &path, "run folder or checkpoint");
  if (!options.parse(args)) return 0;
  if (!comm.is_root()) return 0;

  const std::vector<fs::path> all = checkpoints_of(path);
  if (all.empty()) throw DataError({path, "", "no checkpoint", "a run of 'tutti train'", ""});
  if (all == std::vector<fs::path>{path}) {  // asked for by name: its own error
    checkpoints::open_checkpoint(path, /*verify=*/true);
    std::cout << path << ": good\n";
    return 0;
  }
  int damaged = 0;
  for (const fs::path& checkpoint : all) {
    const std::string damage = damage_of(checkpoint, /*verify=*/true);
    std::cout << checkpoint.string() << ": " << (damage.empty() ? "good" : "damaged: " + damage)
              << '\n';
    damaged += damage.empty() ? 0 : 1;
  }
  if (damaged > 0) {
    throw DataError({path, "", fmt::format("{} damaged of {} checkpoints", damaged, all.size()),
                     "none", "'tutti train --resume' takes the newest good one"});
  }
  return 0;
}

int run_checkpoint_prune(const std::vector<std::string>& args, Communicator& comm) {
  Options options("checkpoint prune",
                  "Deletes the oldest checkpoints of a run, and what killed saves left behind. A "
                  "damaged one does not count as kept; the best model stays. Not while the run is "
                  "going on.",
                  "tutti checkpoint prune run --keep 1");
  std::string run;
  int keep = 2;
  options.positional("run", &run, "run folder").add("keep", &keep, "good checkpoints to keep");
  if (!options.parse(args)) return 0;
  require_at_least("--keep", keep, 1);
  if (!comm.is_root()) return 0;

  const checkpoints::CheckpointStore store(run);
  if (store.steps().empty()) {
    throw DataError({run, "", "no checkpoint", "a run of 'tutti train'", ""});
  }
  for (const int64_t step : store.prune(keep)) {
    std::cout << "deleted " << store.path_of(step).string() << '\n';
  }
  return 0;
}

}  // namespace tutti::launch
