#include "launch/report/inputs.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include <fmt/format.h>

#include "dist/runtime/errors.h"
#include "launch/json_reader.h"

namespace tutti::launch {
namespace {

namespace fs = std::filesystem;

constexpr const char* kExpected =
    "a run folder, a file of `tutti evaluate --json` or `tutti ids report`, the folder of "
    "`tutti ids report` or of `tutti evaluate --dump-run`, or a dataset";

// What a folder's manifest.json says that it is; empty without one.
std::string kind_of(const fs::path& folder) {
  std::ifstream file(folder / "manifest.json");
  const auto manifest = nlohmann::json::parse(file, nullptr, /*allow_exceptions=*/false);
  if (!manifest.is_object() || !manifest.contains("kind")) return "";
  return manifest["kind"].is_string() ? manifest["kind"].get<std::string>() : "";
}

bool holds_topics(const fs::path& folder) {
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().string().ends_with(".topics.tsv")) return true;
  }
  return false;
}

void refuse_second(bool is_second, const std::string& path, const char* what) {
  if (!is_second) return;
  throw UsageError({path, "", fmt::format("a second {}", what), "one", "make a report for each"});
}

void set_ids(ReportInputs* inputs, const nlohmann::json& document, const std::string& file) {
  refuse_second(inputs->ids.has_value(), file, "ID report");
  inputs->ids = ids_report_of(document, file);
  inputs->ids_file = file;
}

void add_file(ReportInputs* inputs, const std::string& path) {
  const auto document = read_json(path);
  if (document.is_object() && document.contains("blocks")) {
    inputs->scores.push_back(scores_of(document, path));
  } else if (document.is_object() && document.contains("levels")) {
    set_ids(inputs, document, path);
  } else {
    throw DataError({path, "", "another JSON document", kExpected, ""});
  }
}

void add_folder(ReportInputs* inputs, const std::string& path) {
  const std::string kind = kind_of(path);
  if (fs::exists(fs::path(path) / "log.jsonl")) {
    inputs->runs.push_back(read_run_log(path));
  } else if (kind == "id-report") {
    read_manifest(path, kind);
    const std::string file = (fs::path(path) / "report.json").string();
    set_ids(inputs, read_json(file), file);
  } else if (kind == "dataset") {
    refuse_second(inputs->dataset.has_value(), path, "dataset");
    inputs->dataset = DatasetFacts{path, read_manifest(path, kind)};
  } else if (kind.empty() && holds_topics(path)) {
    refuse_second(!inputs->trec_folders.empty(), path, "folder of TREC files");
    inputs->trec_folders.push_back(path);
  } else {
    throw DataError(
        {path, "",
         kind.empty() ? "a folder of something else" : fmt::format("an artefact of kind {}", kind),
         kExpected, ""});
  }
}

// One artefact of a role; whoever names another is refused.
class OneOrigin {
 public:
  explicit OneOrigin(const char* role) : role_(role) {}

  void see(const std::string& file, const std::string& hash) {
    if (hash.empty()) return;
    if (hash_.empty()) {
      hash_ = hash;
      file_ = file;
    }
    if (hash == hash_) return;
    throw DataError({file, "", fmt::format("{} {}", role_, hash.substr(0, 12)),
                     fmt::format("{} {} as of {}", role_, hash_.substr(0, 12), file_),
                     "a report is about one of them"});
  }

 private:
  const char* role_;
  std::string hash_, file_;
};

void check_origins(const ReportInputs& inputs) {
  OneOrigin dataset("dataset");
  if (inputs.dataset) dataset.see(inputs.dataset->path, inputs.dataset->manifest.hash);
  for (const auto& scores : inputs.scores) dataset.see(scores.file, scores.dataset_hash);
  for (const auto& run : inputs.runs) dataset.see(run.folder, run.dataset_hash);
  if (!inputs.ids) return;
  dataset.see(inputs.ids_file, inputs.ids->dataset_hash);
  // Runs with other IDs may be compared; a report of IDs has to be about some of these.
  std::vector<std::string> tables;
  for (const auto& scores : inputs.scores) tables.push_back(scores.id_table_hash);
  for (const auto& run : inputs.runs) tables.push_back(run.id_table_hash);
  std::erase(tables, "");
  if (tables.empty() ||
      std::find(tables.begin(), tables.end(), inputs.ids->id_table_hash) != tables.end()) {
    return;
  }
  throw DataError(
      {inputs.ids_file, "", fmt::format("id-table {}", inputs.ids->id_table_hash.substr(0, 12)),
       fmt::format("id-table {} as of the other files", tables.front().substr(0, 12)), ""});
}

// Runs of one name are told apart by their paths.
void name_runs(std::vector<RunLog>* runs) {
  std::vector<std::string> names;
  for (const auto& run : *runs) names.push_back(run.name);
  for (auto& run : *runs) {
    if (std::count(names.begin(), names.end(), run.name) > 1) {
      run.name = fs::path(run.folder).lexically_normal().string();
      std::replace(run.name.begin(), run.name.end(), '/', '_');
    }
  }
}

}  // namespace

ReportInputs read_report_inputs(const std::vector<std::string>& paths) {
  ReportInputs inputs;
  for (const auto& path : paths) {
    if (!fs::exists(path)) throw DataError({path, "", "nothing", kExpected, ""});
    if (fs::is_directory(path)) {
      add_folder(&inputs, path);
    } else {
      add_file(&inputs, path);
    }
  }
  check_origins(inputs);
  name_runs(&inputs.runs);
  return inputs;
}

}  // namespace tutti::launch
