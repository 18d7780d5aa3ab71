#include <filesystem>
#include <fstream>
#include <iostream>

#include "checkpoints/checkpoint_store.h"
#include "data/statistics.h"
#include "dist/runtime/artefact.h"
#include "dist/runtime/errors.h"
#include "launch/commands.h"
#include "launch/options.h"

namespace tutti::launch {
namespace {

// The kind that an artefact claims to be; read_manifest() then checks it, and says what is wrong
// with anything that is no artefact.
std::string claimed_kind(const std::filesystem::path& artefact) {
  std::ifstream file(artefact / "manifest.json");
  const nlohmann::json manifest = nlohmann::json::parse(file, nullptr, false);
  if (!manifest.is_object()) return "dataset";
  const auto kind = manifest.find("kind");
  return kind != manifest.end() && kind->is_string() ? kind->get<std::string>() : "dataset";
}

nlohmann::json manifest_json(const Manifest& manifest) {
  return {{"kind", manifest.kind},     {"format_version", manifest.format_version},
          {"hash", manifest.hash},     {"made_from", manifest.made_from},
          {"counts", manifest.counts}, {"config", manifest.config}};
}

}  // namespace

int run_inspect(const std::vector<std::string>& args, Communicator& comm) {
  Options options("inspect",
                  "Says what an artefact holds: its manifest, and of a dataset also playlist, "
                  "track and title statistics and its split.",
                  "tutti inspect data --top 20");
  std::string path;
  bool json = false, verify = false;
  int top = 10;
  options.positional("artefact", &path,
                     "dataset, embeddings, ID table, checkpoint, bi-encoder or export");
  options.add("json", &json, "print JSON")
      .add("verify", &verify, "read all bytes and compare their SHA-256")
      .add("top", &top, "titles and tracks to list");
  if (!options.parse(args)) return 0;
  if (top < 0) throw UsageError({"", "--top", std::to_string(top), "0 or more", ""});

  if (comm.is_root()) {
    const std::string kind = claimed_kind(path);
    const Manifest manifest = read_manifest(
        path, kind, kind == checkpoints::kCheckpointKind ? checkpoints::kCheckpointFormat : 1);
    if (verify) verify_files(path, manifest);
    nlohmann::json document = manifest_json(manifest);
    std::string text = data::manifest_summary(manifest);
    if (manifest.kind == "dataset" && manifest.counts.value("playlists", 0) > 0) {
      const data::Dataset dataset = data::Dataset::open(path);
      const data::DatasetStatistics statistics = data::compute_statistics(dataset, top);
      document["statistics"] = data::to_json(statistics);
      text += data::to_text(statistics);
    }
    std::cout << (json ? document.dump(2) + "\n" : text);
  }
  comm.barrier();
  return 0;
}

}  // namespace tutti::launch
