#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

namespace tutti::launch {

// Options of a command as a study file gives them: name and value, in the order of the file.
using Settings = std::vector<std::pair<std::string, std::string>>;

// Vectors that an [embed ...] section makes.
struct StudyVectors {
  std::string from;  // the section whose vectors they are made of; "": of the dataset alone
  Settings settings;
};

struct StudyStrategy {
  std::string name;     // of its row in the table
  std::string vectors;  // the [embed ...] section that its vectors come from; "": it needs none
  Settings ids;         // of `tutti ids build`
};

// What a study file says.
//
//   [compare-ids]                options of the command itself
//   [synth]                      of `tutti synth`; left out where --dataset is given
//   [embed cf], [embed text]     of these commands, for strategies that want vectors; `embeddings`
//                                names an earlier section whose vectors they take
//   [train]                      of `tutti train`, the same for all
//   [ids NAME]                   of `tutti ids build`, a strategy and its row each, in this order;
//                                `embeddings` names a section: cf, text
struct Study {
  std::string file;
  bool has_synth = false;
  Settings synth, train;
  std::map<std::string, StudyVectors> embed;  // "cf" -> [embed cf]
  std::vector<StudyStrategy> strategies;

  const StudyStrategy* find(const std::string& name) const;
};

// UsageError with the line for a section or option that has no place in a study (artefacts are
// passed on by the command), vectors that no section makes, two rows of one name, and no row.
Study read_study(const std::filesystem::path& path);

// Twelve hexadecimal digits that say what something was made by: the same for the same settings in
// any order, on any machine.
std::string key_of(const nlohmann::json& settings);
nlohmann::json to_json(const Settings& settings);

}  // namespace tutti::launch
