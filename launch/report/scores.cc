#include "launch/report/scores.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "launch/json_reader.h"

namespace tutti::launch {
namespace {

ScoredMetric metric_of(const JsonReader& reader, const char* mean) {
  return {reader.at(mean).number(), reader.at("low").number(), reader.at("high").number()};
}

ScoredSystem system_of(const JsonReader& reader, const std::string& headline) {
  ScoredSystem system{.name = reader.at("ranker").text(), .metrics = {}, .against_best = {}};
  for (const auto& [name, metric] : reader.at("metrics").members()) {
    system.metrics[name] = metric_of(metric, "mean");
  }
  reader.at("metrics").at(headline);
  const auto against_best = reader.at("against_best");
  system.against_best = metric_of(against_best, "difference");
  system.corrected_p_value = against_best.at("corrected_p_value").number();
  system.effect_size = against_best.at("effect_size").number();
  system.titles_per_second = reader.at("titles_per_second").number();
  system.is_oracle = reader.has("oracle") && reader.at("oracle").truth();
  if (reader.has("lists")) {
    system.coverage = reader.at("lists").at("coverage").number();
    system.gini = reader.at("lists").at("gini").number();
  }
  return system;
}

ScoredStratum stratum_of(const JsonReader& reader, size_t num_systems) {
  ScoredStratum stratum{.by = reader.at("by").text(),
                        .name = reader.at("name").text(),
                        .num_queries = reader.at("queries").integer(),
                        .headline = {}};
  for (const auto& row : reader.at("rows").elements()) {
    stratum.headline.push_back(metric_of(row, "mean"));
  }
  if (stratum.headline.size() != num_systems) {
    reader.at("rows").refuse("a row for each system of the block");
  }
  return stratum;
}

// Of all systems of the block these are shown beside one another: what is evaluated, and the others
// with most hits on the block.
std::vector<size_t> shown_beside(const ScoredBlock& block, const std::string& headline) {
  constexpr size_t kOthers = 3;
  std::vector<size_t> others;
  for (size_t i = 0; i + 1 < block.systems.size(); ++i) {
    if (!block.systems[i].is_oracle) others.push_back(i);
  }
  std::stable_sort(others.begin(), others.end(), [&](size_t a, size_t b) {
    return block.systems[a].metric(headline)->mean > block.systems[b].metric(headline)->mean;
  });
  std::vector<size_t> shown = {block.systems.size() - 1};
  for (size_t i = 0; i < std::min(kOthers, others.size()); ++i) shown.push_back(others[i]);
  return shown;
}

ExamplePrompt example_of(const JsonReader& reader, const ScoredBlock& block,
                         const std::string& headline) {
  ExamplePrompt example{.block = block.name,
                        .prompt = reader.at("prompt").text(),
                        .num_relevant = reader.at("relevant").integer(),
                        .systems = {}};
  std::vector<ExampleSystem> all;
  for (const auto& row : reader.at("systems").elements()) {
    ExampleSystem system{.name = row.at("ranker").text(), .tracks = {}, .is_hit = {}};
    for (const auto& track : row.at("tracks").elements()) system.tracks.push_back(track.text());
    for (const auto& hit : row.at("hits").elements()) system.is_hit.push_back(hit.truth());
    if (system.is_hit.size() != system.tracks.size()) row.at("hits").refuse("one for each track");
    all.push_back(std::move(system));
  }
  if (all.size() != block.systems.size()) {
    reader.at("systems").refuse("one for each row of the block");
  }
  for (const size_t i : shown_beside(block, headline)) example.systems.push_back(all[i]);
  return example;
}

ScoredBlock block_of(const JsonReader& reader, const std::string& headline) {
  ScoredBlock block{.name = reader.at("name").text(),
                    .meaning = reader.at("meaning").text(),
                    .num_queries = reader.at("queries").integer(),
                    .num_titles = reader.at("titles").integer(),
                    .num_candidates = reader.at("candidates").integer(),
                    .systems = {},
                    .best = reader.at("best").integer()};
  for (const auto& row : reader.at("rows").elements()) {
    block.systems.push_back(system_of(row, headline));
  }
  if (!block.empty() && (block.best < 0 || block.best >= std::ssize(block.systems))) {
    reader.at("best").refuse("a row of the block");
  }
  if (reader.has("to_baseline")) block.ratio = metric_of(reader.at("to_baseline"), "ratio");
  if (reader.has("examples") && !block.systems.empty()) {
    for (const auto& example : reader.at("examples").elements()) {
      block.examples.push_back(example_of(example, block, headline));
    }
  }
  if (!reader.has("strata")) return block;
  for (const auto& stratum : reader.at("strata").elements()) {
    block.strata.push_back(stratum_of(stratum, block.systems.size()));
  }
  return block;
}

}  // namespace

const ScoredMetric* ScoredSystem::metric(const std::string& wanted) const {
  const auto found = metrics.find(wanted);
  return found == metrics.end() ? nullptr : &found->second;
}

const ScoredSystem* ScoredBlock::best_baseline(const std::string& headline) const {
  const ScoredSystem* found = nullptr;
  for (size_t i = 0; i + 1 < systems.size(); ++i) {
    if (systems[i].is_oracle) continue;
    if (!found || systems[i].metric(headline)->mean > found->metric(headline)->mean) {
      found = &systems[i];
    }
  }
  return found;
}

std::string Scores::headline() const {
  return fmt::format("hits@{}", k);
}

Scores scores_of(const nlohmann::json& document, const std::string& file) {
  const JsonReader reader(document, file, "tutti evaluate --json");
  Scores scores{.file = file,
                .heading = reader.at("heading").texts(),
                .notes = reader.at("notes").texts(),
                .k = static_cast<int>(reader.at("k").integer()),
                .dataset_hash = reader.at("dataset").text(),
                .id_table_hash = {},
                .checkpoint_hash = {},
                .simulated = reader.at("simulated").truth(),
                .options = reader.at("options").json(),
                .blocks = {}};
  if (!scores.options.is_object()) reader.at("options").refuse("an object");
  if (reader.has("checkpoint")) {
    scores.id_table_hash = reader.at("id_table").text();
    scores.checkpoint_hash = reader.at("checkpoint").at("hash").text();
    scores.step = reader.at("checkpoint").at("step").integer();
  }
  for (const auto& block : reader.at("blocks").elements()) {
    scores.blocks.push_back(block_of(block, scores.headline()));
  }
  return scores;
}

}  // namespace tutti::launch
