#include "launch/compare/study.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "dist/runtime/artefact.h"
#include "dist/runtime/errors.h"
#include "launch/ini.h"

namespace tutti::launch {
namespace {

constexpr const char *kEmbed = "embed ", *kIds = "ids ";
constexpr std::array kArtefacts = {"dataset", "out", "ids", "run", "config", "overwrite", "resume"};

[[noreturn]] void refuse(const std::string& file, int line, const std::string& found,
                         const std::string& expected, const std::string& cure = "") {
  throw UsageError(Problem{file, fmt::format("line {}", line), found, expected, cure});
}

// What stands behind `front` in a section's name; "" for a section of another kind.
std::string name_behind(const std::string& section, std::string_view front) {
  if (!section.starts_with(front)) return "";
  const size_t first = section.find_first_not_of(' ', front.size());
  return first == std::string::npos ? "" : section.substr(first);
}

StudyStrategy& row_of(Study& study, const std::string& name) {
  const auto is_it = [&](const StudyStrategy& s) { return s.name == name; };
  const auto at = std::ranges::find_if(study.strategies, is_it);
  if (at != study.strategies.end()) return *at;
  study.strategies.emplace_back().name = name;
  return study.strategies.back();
}

}  // namespace

const StudyStrategy* Study::find(const std::string& name) const {
  const auto is_it = [&](const StudyStrategy& s) { return s.name == name; };
  const auto at = std::ranges::find_if(strategies, is_it);
  return at == strategies.end() ? nullptr : &*at;
}

Study read_study(const std::filesystem::path& path) {
  Study study;
  study.file = path.string();
  std::map<std::string, int> line_of_vectors;  // by row
  for (const IniEntry& entry : read_ini(path)) {
    const std::string vectors = name_behind(entry.section, kEmbed),
                      row = name_behind(entry.section, kIds);
    if (entry.section == "compare-ids") continue;
    if (std::ranges::find(kArtefacts, entry.key) != kArtefacts.end()) {
      refuse(study.file, entry.line, entry.key, "an option that shapes the result",
             "compare-ids passes folders on by itself");
    }
    if (!row.empty() && entry.key == "embeddings") {
      row_of(study, row).vectors = entry.value;
      line_of_vectors[row] = entry.line;
    } else if (!row.empty()) {
      row_of(study, row).ids.emplace_back(entry.key, entry.value);
    } else if (!vectors.empty() && entry.key == "embeddings") {
      if (vectors == entry.value || !study.embed.contains(entry.value)) {
        refuse(study.file, entry.line, fmt::format("embeddings = {}", entry.value),
               fmt::format("the name of a section [embed {}] above this one", entry.value));
      }
      study.embed[vectors].from = entry.value;
    } else if (!vectors.empty()) {
      study.embed[vectors].settings.emplace_back(entry.key, entry.value);
    } else if (entry.section == "synth") {
      study.has_synth = true;
      study.synth.emplace_back(entry.key, entry.value);
    } else if (entry.section == "train") {
      study.train.emplace_back(entry.key, entry.value);
    } else {
      refuse(study.file, entry.line, fmt::format("section [{}]", entry.section),
             "[compare-ids], [synth], [embed cf], [embed text], [train] or [ids NAME]");
    }
  }
  if (study.strategies.empty()) {
    throw UsageError(Problem{study.file, "", "no section [ids NAME]", "one a strategy", ""});
  }
  for (const auto& [row, line] : line_of_vectors) {
    const std::string& vectors = study.find(row)->vectors;
    if (study.embed.contains(vectors)) continue;
    refuse(study.file, line, fmt::format("embeddings = {}", vectors),
           fmt::format("the name of a section [embed {}]", vectors), "add it, with its options");
  }
  return study;
}

std::string key_of(const nlohmann::json& settings) {
  const std::string text = settings.dump();  // keys are sorted
  return sha256_of_bytes(text.data(), std::ssize(text)).substr(0, 12);
}

nlohmann::json to_json(const Settings& settings) {
  nlohmann::json json = nlohmann::json::object();
  for (const auto& [name, value] : settings) json[name].push_back(value);
  return json;
}

}  // namespace tutti::launch
