#include "launch/compare/cells.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "dist/runtime/artefact.h"
#include "dist/runtime/errors.h"
#include "launch/commands.h"
#include "launch/result_file.h"

namespace tutti::launch {
namespace {

namespace fs = std::filesystem;

nlohmann::json read_json(const fs::path& path) {
  std::ifstream in(path);
  return nlohmann::json::parse(in, nullptr, /*allow_exceptions=*/false);
}

bool has(const Settings& settings, const std::string& name) {
  return std::ranges::any_of(settings, [&](const auto& s) { return s.first == name; });
}

CommandFunction find_command(const std::string& name, const Study& study) {
  for (const Command& command : all_commands()) {
    if (command.name == name) return command.run;
  }
  throw UsageError(Problem{study.file, fmt::format("section [{}]", name), "no such command",
                           "`tutti --help` lists them", ""});
}

}  // namespace

Cells::Cells(const Study& study, fs::path out, std::string dataset, int threads, Communicator& comm)
    : study_(study),
      out_(std::move(out)),
      dataset_(std::move(dataset)),
      threads_(threads),
      comm_(comm) {
  if (dataset_.empty()) {
    const fs::path folder = out_ / ("data-" + key_of(to_json(study.synth)));
    make("synth", folder, study.synth, {});
    dataset_ = folder.string();
  }
  dataset_hash_ = read_manifest(dataset_, "dataset").hash;
}

bool Cells::exists(const fs::path& file) const {
  int64_t found = comm_.is_root() && fs::exists(file) ? 1 : 0;
  comm_.broadcast(&found, sizeof(found), 0);
  return found != 0;
}

int Cells::run(const std::string& command, const fs::path& out, const Settings& settings,
               const Settings& artefacts) {
  std::vector<std::string> args;
  for (const Settings* part : {&artefacts, &settings}) {
    for (const auto& [name, value] : *part) args.push_back(fmt::format("--{}={}", name, value));
  }
  args.push_back("--out=" + out.string());
  if (!has(settings, "threads")) args.push_back(fmt::format("--threads={}", threads_));
  if (comm_.is_root()) {
    fmt::print("\n== tutti {} {}\n", command, fmt::join(args, " "));
    std::fflush(stdout);
  }
  const int code = find_command(command, study_)(args, comm_);
  std::fflush(stdout);
  comm_.barrier();  // rank 0 may have been the last to write
  return code;
}

void Cells::make(const std::string& command, const fs::path& folder, const Settings& settings,
                 const Settings& artefacts) {
  if (!exists(folder / "manifest.json")) run(command, folder, settings, artefacts);
}

nlohmann::json Cells::made_by(const std::string& vectors) const {
  const auto& [from, settings] = study_.embed.at(vectors);
  nlohmann::json all = {{"dataset", dataset_hash_}, {"embed " + vectors, to_json(settings)}};
  if (!from.empty()) all.update(made_by(from));
  return all;
}

std::string Cells::vectors(const std::string& name) {
  const auto& [from, settings] = study_.embed.at(name);
  const fs::path folder = out_ / fmt::format("{}-{}", name, key_of(made_by(name)));
  Settings artefacts = {{"dataset", dataset_}};
  if (!from.empty()) artefacts.emplace_back("embeddings", vectors(from));
  make("embed " + name, folder, settings, artefacts);
  return folder.string();
}

// False when the run was stopped before its end. `seconds`: 0 when another start began it.
bool Cells::train(const fs::path& cell, double* seconds) {
  const fs::path run_folder = cell / "run";
  const bool is_new = !exists(run_folder / "log.jsonl");
  int64_t ended = 0;
  if (comm_.is_root()) {
    const nlohmann::json how = read_json(run_folder / "exit.json");
    ended = how.is_object() && how.value("code", -1) == 0 ? 1 : 0;
  }
  comm_.broadcast(&ended, sizeof(ended), 0);
  if (ended != 0) return true;
  const auto start = std::chrono::steady_clock::now();
  const int code =
      run("train", run_folder, study_.train,
          {{"dataset", dataset_}, {"ids", (cell / "ids").string()}, {"resume", "auto"}});
  if (is_new) {
    *seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }
  return code == 0;
}

nlohmann::json Cells::result(const StudyStrategy& strategy, const MeasureOptions& options) {
  nlohmann::json made_by_all = {
      {"dataset", dataset_hash_}, {"ids", to_json(strategy.ids)}, {"train", to_json(study_.train)}};
  if (!strategy.vectors.empty()) made_by_all.update(made_by(strategy.vectors));
  const nlohmann::json asked = {{"split", options.split},
                                {"k", options.k},
                                {"beam", options.beam},
                                {"max-queries", options.max_queries},
                                {"free-titles", options.free_titles},
                                {"seed", options.seed}};
  const fs::path cell = out_ / fmt::format("{}-{}", strategy.name, key_of(made_by_all));
  const fs::path file = cell / fmt::format("result-{}.json", key_of(asked));
  if (exists(file)) {
    const nlohmann::json kept = read_json(file);
    if (kept.is_object()) return kept;
    throw DataError(Problem{file.string(), "", "no JSON document", "a kept result",
                            "remove it: it is measured again"});
  }

  Settings artefacts = {{"dataset", dataset_}};
  if (!strategy.vectors.empty()) artefacts.emplace_back("embeddings", vectors(strategy.vectors));
  if (comm_.is_root()) fs::create_directories(cell);
  make("ids build", cell / "ids", strategy.ids, artefacts);
  double seconds = 0;
  if (!train(cell, &seconds)) return nullptr;

  const std::string ids_path = (cell / "ids").string();
  const TrainedSystem trained = open_trained_system(dataset_, ids_path, (cell / "run").string());
  nlohmann::json result = measure(trained, ids_path, options, comm_);
  result["strategy"] = strategy.name;
  result["made_by"] = made_by_all;
  result["asked"] = asked;
  result["id_table"] = trained.ids.manifest.hash;
  result["checkpoint"] = trained.model.manifest.hash;
  result["step"] = trained.model.state.value("step", int64_t{0});
  result["softmax"] = trained.model.state.value("softmax", "");
  result["train_seconds"] = seconds;
  if (comm_.is_root()) ResultFile(file).commit(result);
  comm_.barrier();
  return result;
}

}  // namespace tutti::launch
