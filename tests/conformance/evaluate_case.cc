#include "tests/conformance/evaluate_case.h"

#include <algorithm>
#include <string>
#include <vector>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "data/string_table.h"
#include "dist/communicator.h"
#include "dist/runtime/files.h"
#include "dist/runtime/rng.h"
#include "trainer/evaluate/evaluator.h"
#include "trainer/evaluate/trec_files.h"

namespace tutti::conformance {
namespace {

constexpr int kTracks = 300, kQueries = 60, kDepth = 100;

data::StringTable track_keys() {
  data::StringTable keys;
  for (int t = 0; t < kTracks; ++t)
    keys.push_back(fmt::format("spotify:track {}%", t * 7919 % kTracks));
  return keys;
}

trainer::QuerySet queries() {
  trainer::QuerySet set;
  set.name = "seen titles";
  for (int q = 0; q < kQueries; ++q) {
    Rng rng(11, Purpose::kTest, q);
    set.titles.push_back(fmt::format("title {}", q));
    set.title_of.push_back(q);
    set.normalized_of.push_back(q);
    std::vector<int32_t> relevant;
    const Permutation order(kTracks, 12, Purpose::kTest, q);
    for (uint64_t i = 0; i <= rng.below(40); ++i)
      relevant.push_back(static_cast<int32_t>(order(i)));
    std::sort(relevant.begin(), relevant.end());
    set.relevant.insert(set.relevant.end(), relevant.begin(), relevant.end());
    set.offsets.push_back(std::ssize(set.relevant));
  }
  return set;
}

// Some lists are short, some empty; scores repeat.
class TiedRanker : public trainer::Ranker {
 public:
  std::string name() const override { return "ours"; }
  std::vector<std::vector<trainer::Recommendation>> rank(std::span<const std::string> titles,
                                                         int k) override {
    std::vector<std::vector<trainer::Recommendation>> lists;
    for (const std::string& title : titles) {
      const auto query = static_cast<uint64_t>(std::stoi(title.substr(6)));
      const Permutation order(kTracks, 13, Purpose::kTest, query);
      const int length = query % 10 == 0 ? 0 : query % 3 == 0 ? 7 : k;
      std::vector<trainer::Recommendation> list;
      list.reserve(length);
      for (int i = 0; i < length; ++i) {
        const int four_share_a_score = i / 4;
        list.push_back(
            {static_cast<int32_t>(order(i)), -0.1F * static_cast<float>(four_share_a_score)});
      }
      lists.push_back(std::move(list));
    }
    return lists;
  }
};

const trainer::MetricSet& metrics() {
  static const trainer::MetricSet set({1, 5, 10, 20, 100});
  return set;
}

nlohmann::json means_of(const trainer::Evaluation& evaluation) {
  nlohmann::json means;
  for (const std::string& name : evaluation.metrics.names()) means[name] = evaluation.mean(name);
  return means;
}

}  // namespace

void write_evaluation_case(const std::filesystem::path& folder) {
  const data::StringTable keys = track_keys();
  const trainer::TrecNames names(keys);
  const trainer::QuerySet set = queries();
  const auto comm = make_single_communicator();
  TiedRanker ranker;
  const trainer::Evaluation evaluation = trainer::evaluate(
      ranker, set, {.metrics = metrics(), .depth = kDepth, .keep_lists = true}, *comm);
  trainer::write_trec_run(folder / "ours.run", set, evaluation.lists, names, "ours");
  trainer::write_trec_qrels(folder / "our.qrels", set, names);
  write_file(folder / "metrics.json", means_of(evaluation).dump());
}

void print_metrics_of_run(const std::filesystem::path& run) {
  const data::StringTable keys = track_keys();
  const trainer::QuerySet set = queries();
  const trainer::TrecRun read = trainer::read_trec_run(run, set, trainer::TrecNames(keys));
  fmt::print("{}\n", means_of(trainer::evaluate_lists(read.tag, read.lists, set,
                                                      {.metrics = metrics(), .depth = kTracks}))
                         .dump());
}

}  // namespace tutti::conformance
