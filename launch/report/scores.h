#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

// What `tutti evaluate --json` wrote, read back.
namespace tutti::launch {

struct ScoredMetric {
  double mean = 0, low = 0, high = 0;  // 95 % interval
};

struct ExampleSystem {
  std::string name;
  std::vector<std::string> tracks;  // best first, as they are shown
  std::vector<bool> is_hit;         // of each
};

struct ExamplePrompt {
  std::string block, prompt;
  int64_t num_relevant = 0;
  std::vector<ExampleSystem> systems;
};

struct ScoredSystem {
  std::string name;
  std::map<std::string, ScoredMetric> metrics;
  ScoredMetric against_best;        // of the headline: this system minus the block's best one
  double corrected_p_value = 1;     // of that difference
  double effect_size = 0;           // the mean difference over its standard deviation
  double titles_per_second = 0;     // 0: not ranked here
  bool is_oracle = false;           // it was told what is right: listed, never compared with
  double coverage = -1, gini = -1;  // of all its lists; -1: not measured

  const ScoredMetric* metric(const std::string& wanted) const;  // null: not measured
};

// Some queries of a block: of one title length, of one title frequency, ...
struct ScoredStratum {
  std::string by, name;  // "title length", "3 words"
  int64_t num_queries = 0;
  std::vector<ScoredMetric> headline;  // of each system
};

struct ScoredBlock {
  std::string name, meaning;
  int64_t num_queries = 0, num_titles = 0, num_candidates = 0;
  std::vector<ScoredSystem> systems;  // the baselines, then what they are compared with
  int64_t best = -1;                  // of `systems`; -1: no queries
  // Of the subject's headline to that of the best baseline; none: not measured.
  std::optional<ScoredMetric> ratio = {};
  std::vector<ExamplePrompt> examples = {};
  std::vector<ScoredStratum> strata = {};  // those of one `by` together; empty: not asked for

  bool empty() const { return num_queries == 0 || systems.empty(); }
  const ScoredSystem& best_system() const { return systems[static_cast<size_t>(best)]; }
  // What is evaluated, and the best of the others but oracles (null: there is none).
  const ScoredSystem& subject() const { return systems.back(); }
  const ScoredSystem* best_baseline(const std::string& headline) const;
};

struct Scores {
  std::string file;
  std::vector<std::string> heading, notes;
  int k = 10;
  std::string dataset_hash, id_table_hash, checkpoint_hash;  // empty: a run file was scored
  int64_t step = 0;                                          // of the checkpoint
  bool simulated = false;
  nlohmann::json options = nlohmann::json::object();  // split, beam, depth, ...
  std::vector<ScoredBlock> blocks;

  std::string headline() const;  // "hits@10"
};

// DataError naming file and place.
Scores scores_of(const nlohmann::json& document, const std::string& file);

}  // namespace tutti::launch
