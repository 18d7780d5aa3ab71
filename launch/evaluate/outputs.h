#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "data/catalog.h"
#include "trainer/evaluate/evaluator.h"
#include "trainer/evaluate/query_set.h"
#include "trainer/evaluate/ranker.h"
#include "trainer/evaluate/trec_files.h"

// What an evaluation leaves beside its table.
namespace tutti::launch {

// NAME.topics.tsv, NAME.qrels and NAME.SYSTEM.run of a set.
void dump_trec(const std::filesystem::path& folder, const trainer::QuerySet& set,
               const trainer::TrecNames& names, const std::vector<trainer::Evaluation>& systems);

// "name - artist" of a track, its key where it has no name.
std::string track_words(const data::Catalog& catalog, int32_t track);

// The first `k` tracks of every system for a few queries, evenly spaced over the set so that none
// is picked for its outcome: [{"prompt", "relevant", "systems": [{"ranker", "tracks": [words],
// "hits": [bool]}]}]. Systems whose lists were not kept have none.
nlohmann::json example_lists(const trainer::QuerySet& set, const data::Catalog& catalog,
                             const std::vector<trainer::Evaluation>& systems, int k);

// How long a listener waits for one title, on this rank.
struct Latency {
  int64_t titles = 0;  // asked, one at a time; 0: none
  double p50_ms = 0, p95_ms = 0, p99_ms = 0;
};
Latency latency_of(trainer::Ranker& ranker, const std::vector<std::string>& titles, int k);

}  // namespace tutti::launch
