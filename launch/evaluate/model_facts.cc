#include "launch/evaluate/model_facts.h"

#include <algorithm>

#include <fmt/format.h>

#include "launch/evaluate/outputs.h"
#include "launch/progress.h"
#include "trainer/evaluate/report.h"
#include "trainer/evaluate/trie_nats.h"

namespace tutti::launch {
namespace {

constexpr int64_t kNatsQueries = 500;  // a stratum, for the cross-entropy

}  // namespace

nlohmann::json nats_of(const TrainedSystem& trained, const std::vector<AskedSet>& sets,
                       Communicator& comm, std::vector<std::string>* notes) {
  nlohmann::json all = nlohmann::json::object();
  for (const AskedSet& set : sets) {
    if (!set.is_playlists) continue;
    const trainer::TrieNats nats =
        trainer::trie_nats(*trained.model.model, trained.model.tokenizer, trained.ids.table,
                           trained.trie, set.queries, kNatsQueries, comm);
    all[set.queries.name] = {{"nats_a_track", nats.mean}, {"tracks", nats.num_tracks}};
    if (nats.num_tracks == 0) continue;
    notes->push_back(fmt::format("generative on {}: {:.3f} trie-normalised nats a track ({})",
                                 set.queries.name, nats.mean, count_words(nats.num_tracks)));
  }
  return all;
}

void describe_model(const TrainedSystem& trained, trainer::Ranker& ranker,
                    const std::vector<std::vector<int32_t>>& lists,
                    const std::vector<AskedSet>& sets, int k, nlohmann::json* document,
                    std::vector<std::string>* notes) {
  const double aliased = trainer::aliased_share(lists, trained.ids.table, k);
  const double distinct = trainer::use_of(lists, trained.dataset.num_tracks(), k).distinct;
  (*document)["ids"] = {{"distinct", distinct}, {"aliased", aliased}};
  notes->push_back(
      fmt::format("generative: every ID is a track's (searched in the trie), {:.1f} % of a list "
                  "are different, {:.1f} % share their codes with another track",
                  1e2 * distinct, 1e2 * aliased));
  const auto& asked = std::max_element(sets.begin(), sets.end(), [](const auto& x, const auto& y) {
                        return x.queries.titles.size() < y.queries.titles.size();
                      })->queries.titles;
  const Latency latency = latency_of(ranker, asked, k);
  if (latency.titles == 0) return;
  (*document)["latency"] = {{"titles", latency.titles},
                            {"p50_ms", latency.p50_ms},
                            {"p95_ms", latency.p95_ms},
                            {"p99_ms", latency.p99_ms}};
  notes->push_back(fmt::format(
      "generative, one title at a time: {:.1f} ms (median), 95 % within {:.1f}, 99 % {:.1f}",
      latency.p50_ms, latency.p95_ms, latency.p99_ms));
}

}  // namespace tutti::launch
