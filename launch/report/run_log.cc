#include "launch/report/run_log.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>

#include <fmt/format.h>

#include "checkpoints/checkpoint_store.h"
#include "dist/runtime/artefact.h"
#include "dist/runtime/errors.h"
#include "launch/json_reader.h"

namespace tutti::launch {
namespace {

namespace fs = std::filesystem;

constexpr const char* kWrittenBy = "tutti train";

// Not in logs of every version: NaN then.
double optional_number(const JsonReader& record, const char* key) {
  return record.has(key) ? record.at(key).number() : std::numeric_limits<double>::quiet_NaN();
}

// The identity of what the run was made from, as its newest checkpoint says.
void read_origin(const fs::path& folder, RunLog* log) {
  std::vector<fs::path> folders;
  std::error_code problem;
  for (const auto& entry : fs::directory_iterator(folder / "checkpoints", problem)) {
    if (fs::exists(entry.path() / "manifest.json")) folders.push_back(entry.path());
  }
  if (folders.empty()) return;
  const Manifest manifest =
      read_manifest(*std::max_element(folders.begin(), folders.end()), checkpoints::kCheckpointKind,
                    checkpoints::kCheckpointFormat);
  const auto hash_of = [&manifest](const char* role) {
    const auto found = manifest.made_from.find(role);
    return found == manifest.made_from.end() ? std::string() : found->second;
  };
  log->dataset_hash = hash_of("dataset");
  log->id_table_hash = hash_of("id-table");
  log->num_parameters = manifest.counts.value("parameters", int64_t{0});
}

}  // namespace

void read_log(const std::string& file, const std::function<void(const LogRecord&)>& use) {
  std::ifstream in(file);
  if (!in) throw DataError({file, "", "no file that can be read", "the log of a run", ""});
  std::string line;
  double seconds = 0;
  for (int64_t number = 1; std::getline(in, line); ++number) {
    const auto json = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!json.is_object()) {
      if (in.eof()) return;  // cut off
      throw DataError({file, fmt::format("line {}", number), "what is no JSON object",
                       "a record of tutti train", ""});
    }
    const JsonReader record(json, fmt::format("{}: line {}", file, number), kWrittenBy);
    LogRecord read{.event = record.at("event").text(), .json = &json};
    if (record.has("step")) read.step = record.at("step").integer();
    if (read.event == "step") seconds += record.at("step_ms").number() / 1e3;
    if (read.event == "validation") seconds += record.at("seconds").number();
    read.seconds = seconds;
    use(read);
  }
}

RunLog read_run_log(const std::string& folder) {
  RunLog log;
  log.folder = folder;
  log.name = fs::path(folder).lexically_normal().filename().string();
  if (log.name.empty()) {  // a slash at the end
    log.name = fs::path(folder).lexically_normal().parent_path().filename().string();
  }
  std::ifstream config(fs::path(folder) / "config.ini");
  log.config.assign(std::istreambuf_iterator<char>(config), {});
  read_origin(folder, &log);
  const std::string file = (fs::path(folder) / "log.jsonl").string();
  read_log(file, [&](const LogRecord& record) {
    const JsonReader reader(*record.json, file, kWrittenBy);
    if (record.event == "step") {
      log.steps.push_back({record.step, record.seconds, reader.at("loss").number()});
    } else if (record.event == "validation") {
      log.validations.push_back({record.step, record.seconds, reader.at("hits_at_10").number(),
                                 optional_number(reader, "seen_hits_at_10"),
                                 optional_number(reader, "unseen_hits_at_10"),
                                 optional_number(reader, "trie_nats")});
    }
  });
  return log;
}

std::vector<LoggedStep> thinned(const std::vector<LoggedStep>& steps, int64_t most) {
  const int64_t n = std::ssize(steps);
  if (n <= most) return steps;
  std::vector<LoggedStep> points;
  for (int64_t bin = 0; bin < most; ++bin) {
    const int64_t first = bin * n / most, last = (bin + 1) * n / most;
    LoggedStep point = steps[static_cast<size_t>(last - 1)];
    double sum = 0;
    int64_t count = 0;
    for (int64_t i = first; i < last; ++i) {
      const double loss = steps[static_cast<size_t>(i)].loss;
      if (!std::isfinite(loss)) continue;
      sum += loss;
      ++count;
    }
    point.loss =
        count > 0 ? sum / static_cast<double>(count) : std::numeric_limits<double>::quiet_NaN();
    points.push_back(point);
  }
  return points;
}

}  // namespace tutti::launch
