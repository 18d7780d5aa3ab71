#include "launch/compare/measure.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <span>
#include <vector>

#include <c10/core/InferenceMode.h>
#include <fmt/format.h>

#include "checkpoints/softmax.h"
#include "trainer/decode/free_beams.h"
#include "trainer/decode/model_scorer.h"
#include "trainer/evaluate/evaluator.h"
#include "trainer/evaluate/query_set.h"

namespace tutti::launch {
namespace {

constexpr size_t kTitlesAtOnce = 32;

std::vector<std::vector<int32_t>> tokens_of(const TrainedSystem& trained,
                                            std::span<const std::string> titles) {
  std::vector<std::vector<int32_t>> tokens;
  for (const std::string& title : titles) tokens.push_back(trained.model.tokenizer.encode(title));
  return tokens;
}

trainer::DecoderState read_titles(const TrainedSystem& trained,
                                  const std::vector<std::vector<int32_t>>& tokens) {
  std::vector<const std::vector<int32_t>*> titles;
  for (const auto& title : tokens) titles.push_back(&title);
  return trainer::start_titles(*trained.model.model, titles);
}

// The model in the trie, counting how often it is asked.
class CountedRanker : public trainer::Ranker {
 public:
  CountedRanker(const TrainedSystem& trained, const MeasureOptions& options)
      : trained_(trained), options_(options) {}
  std::string name() const override { return "generative"; }

  std::vector<std::vector<trainer::Recommendation>> rank(std::span<const std::string> titles,
                                                         int k) override {
    const c10::InferenceMode inference;
    const auto num_titles = std::ssize(titles);
    trainer::ModelScorer model(*trained_.model.model,
                               read_titles(trained_, tokens_of(trained_, titles)));
    trainer::CountingScorer scorer(model, num_titles);
    auto lists = trainer::beam_search(
        scorer, trained_.trie, trained_.ids.table.levels, num_titles,
        {.beam = options_.beam,
         .k = k,
         .softmax = checkpoints::softmax_of(trained_.model.state, trained_.model.path)});
    for (const int64_t asked : scorer.steps()) steps += asked;
    ranked += num_titles;
    return lists;
  }

  int64_t steps = 0, ranked = 0;  // on this rank

 private:
  const TrainedSystem& trained_;
  const MeasureOptions& options_;
};

struct FreeCount {
  int64_t titles = 0, sequences = 0, invalid = 0;
};

// The best sequences of some titles without the trie. Titles are dealt to ranks.
FreeCount count_free(const TrainedSystem& trained, const std::vector<std::string>& titles,
                     const MeasureOptions& options, Communicator& comm) {
  const c10::InferenceMode inference;
  FreeCount count = {.titles = std::ssize(titles)};
  for (size_t first = kTitlesAtOnce * comm.rank(); first < titles.size();
       first += kTitlesAtOnce * comm.size()) {
    const auto batch =
        std::span(titles).subspan(first, std::min(kTitlesAtOnce, titles.size() - first));
    trainer::ModelScorer scorer(*trained.model.model,
                                read_titles(trained, tokens_of(trained, batch)));
    const auto found = trainer::free_beam_search(
        scorer, trained.ids.table, std::ssize(batch),
        {.beam = options.beam,
         .k = options.k,
         .softmax = checkpoints::softmax_of(trained.model.state, trained.model.path)});
    for (const auto& list : found) {
      for (const trainer::FreeId& id : list) {
        ++count.sequences;
        count.invalid += trainer::is_valid(id.tokens, trained.trie) ? 0 : 1;
      }
    }
  }
  count.sequences = comm.sum(count.sequences);
  count.invalid = comm.sum(count.invalid);
  return count;
}

// Tracks whose strategy gives another track the same ID before a suffix or a number tells them
// apart: of text, those that the table's report counts.
int64_t not_alone(const TrainedSystem& trained, const std::string& ids_path) {
  const ids::IdTable& table = trained.ids.table;
  if (table.is_text()) {
    std::ifstream in(std::filesystem::path(ids_path) / "report.json");
    const auto report = nlohmann::json::parse(in, nullptr, /*allow_exceptions=*/false);
    return report.is_object() ? report.value("coinciding", int64_t{0}) : 0;
  }
  if (!table.space.empty()) {  // semantic
    std::map<std::vector<int32_t>, int64_t> tracks_on;
    const auto codes_of = [&](int64_t t) {
      const auto id = table.id_of(t);
      return std::vector<int32_t>(id.begin(), id.end() - 1);
    };
    for (int64_t t = 0; t < table.num_tracks(); ++t) ++tracks_on[codes_of(t)];
    int64_t shared = 0;
    for (const auto& [codes, tracks] : tracks_on) shared += tracks > 1 ? tracks : 0;
    return shared;
  }
  return 0;
}

}  // namespace

nlohmann::json measure(const TrainedSystem& trained, const std::string& ids_path,
                       const MeasureOptions& options, Communicator& comm) {
  const ids::IdTable& table = trained.ids.table;
  const trainer::PlaylistQueries queries = trainer::make_playlist_queries(
      trained.dataset,
      {.part = options.split == "test" ? data::Part::kTest : data::Part::kValidation,
       .max_queries = options.max_queries,
       .seed = options.seed});
  CountedRanker ranker(trained, options);
  nlohmann::json result = {{"tracks", table.num_tracks()},
                           {"not_alone", not_alone(trained, ids_path)},
                           {"mean_tokens", table.mean_length()},
                           {"rows_added", table.num_tokens()}};
  const std::string metric = fmt::format("hits@{}", options.k);
  std::vector<std::string> free_titles;
  for (const trainer::QuerySet* set : {&queries.seen, &queries.unseen}) {
    const trainer::Evaluation found = trainer::evaluate(
        ranker, *set, {.metrics = trainer::MetricSet{{options.k}}, .depth = options.k}, comm);
    result["hits"][set->name] = found.values_of(metric);
    result["clusters"][set->name] = set->normalized_of;
    const int64_t wanted = std::min<int64_t>(options.free_titles / 2, std::ssize(set->titles));
    free_titles.insert(free_titles.end(), set->titles.begin(), set->titles.begin() + wanted);
  }
  const FreeCount free = count_free(trained, free_titles, options, comm);
  const auto share = [](int64_t part, int64_t whole) {
    return whole > 0 ? static_cast<double>(part) / static_cast<double>(whole) : 0.0;
  };
  result["decoding_steps"] = share(comm.sum(ranker.steps), comm.sum(ranker.ranked));
  result["invalid_share"] = share(free.invalid, free.sequences);
  result["free_titles"] = free.titles;
  return result;
}

}  // namespace tutti::launch
