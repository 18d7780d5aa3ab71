#include "launch/evaluation_origin.h"

#include <filesystem>
#include <system_error>

#include <fmt/format.h>

#include "dist/runtime/artefact.h"
#include "dist/runtime/errors.h"

namespace tutti::launch {

namespace {

constexpr size_t kShown = 12;  // digits of a hash

}  // namespace

std::string prompts_words(const std::string& prompts, const std::vector<std::string>& templates) {
  if (templates.empty()) return prompts;
  std::string lines;
  for (const std::string& line : templates) lines += line + '\n';
  return fmt::format("{}, requests {}", prompts,
                     sha256_of_bytes(lines.data(), std::ssize(lines)).substr(0, kShown));
}

std::string signature_of(const data::Dataset& dataset, const TrainedSystem* trained,
                         const Question& question) {
  const Manifest& manifest = dataset.manifest();
  std::string line = fmt::format(
      "tutti {} | dataset {}{} | split {} | queries {} seed {} | prompts {} | k {} depth {}",
      TUTTI_VERSION, manifest.short_hash(),
      manifest.config.value("simulated", false) ? " (simulated)" : "", question.split,
      question.max_queries > 0 ? std::to_string(question.max_queries) : "all", question.seed,
      question.prompts, question.k, question.depth);
  if (trained != nullptr) {
    line += fmt::format(" | ids {} | checkpoint {} step {} | softmax {} | {}",
                        trained->ids.manifest.short_hash(), trained->model.manifest.short_hash(),
                        trained->model.state.value("step", int64_t{0}),
                        trained->model.state.value("softmax", ""), question.search.words());
  }
  for (const auto& [role, hash] : question.parts)
    line += fmt::format(" | {} {}", role, hash.substr(0, kShown));
  return line;
}

void add_origin(nlohmann::json* document, const data::Dataset& dataset,
                const TrainedSystem* trained, const Question& question) {
  nlohmann::json& d = *document;
  d["signature"] = signature_of(dataset, trained, question);
  d["dataset"] = dataset.manifest().hash;
  d["simulated"] = dataset.manifest().config.value("simulated", false);
  if (trained != nullptr) {
    d["id_table"] = trained->ids.manifest.hash;
    d["checkpoint"] = {{"hash", trained->model.manifest.hash},
                       {"step", trained->model.state.value("step", int64_t{0})}};
  }
  d["parts"] = nlohmann::json::array();
  for (const auto& [role, hash] : question.parts)
    d["parts"].push_back({{"role", role}, {"hash", hash}});
  d["options"] = question.search.to_json();
  d["options"].update({{"split", question.split},
                       {"prompts", question.prompts},
                       {"depth", question.depth},
                       {"max_queries", question.max_queries},
                       {"seed", question.seed}});
  d["ranks"] = question.ranks;
  d["threads"] = question.threads;
}

void make_folder(const std::string& path, const char* option) {
  std::error_code problem;
  std::filesystem::create_directories(path, problem);
  if (problem) {
    throw StorageError(Problem{path, option, problem.message(), "a folder to write into", ""});
  }
}

}  // namespace tutti::launch
