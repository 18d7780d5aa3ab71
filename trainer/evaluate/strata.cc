#include "trainer/evaluate/strata.h"

#include <array>
#include <numeric>
#include <unordered_map>

#include "data/normalizer.h"

namespace tutti::trainer {
namespace {

constexpr int kResamples = 1000;

void keep(std::vector<Stratum>& strata, Stratum&& stratum) {
  if (!stratum.queries.empty()) strata.push_back(std::move(stratum));
}

}  // namespace

std::vector<Stratum> strata_of(const QuerySet& queries, const data::TitleTable& titles) {
  std::unordered_map<std::string, int32_t> row_of;
  for (int64_t t = 0; t < titles.normalized.size(); ++t) {
    row_of.emplace(std::string(titles.normalized[t]), static_cast<int32_t>(t));
  }
  std::array<Stratum, 4> words = {{{"title words", "0-1", {}},
                                   {"title words", "2", {}},
                                   {"title words", "3", {}},
                                   {"title words", "4+", {}}}};
  std::array<Stratum, 4> playlists = {{{"training playlists of the title", "0", {}},
                                       {"training playlists of the title", "1", {}},
                                       {"training playlists of the title", "2-9", {}},
                                       {"training playlists of the title", "10+", {}}}};
  for (int64_t q = 0; q < queries.size(); ++q) {
    const std::string normalized = data::normalize_title(queries.words_of(q));
    const auto num_words = std::ssize(data::words_of(normalized));
    words[num_words < 2 ? 0 : std::min<int64_t>(num_words, 4) - 1].queries.push_back(q);
    const auto found = row_of.find(normalized);
    const int32_t times = found == row_of.end() ? 0 : titles.train_playlists_of[found->second];
    playlists[times < 2 ? times : times < 10 ? 2 : 3].queries.push_back(q);
  }
  std::vector<Stratum> strata;
  for (Stratum& stratum : words) keep(strata, std::move(stratum));
  for (Stratum& stratum : playlists) keep(strata, std::move(stratum));
  return strata;
}

std::vector<StratumRow> score_stratum(const Stratum& stratum, const QuerySet& queries,
                                      const std::vector<Evaluation>& systems,
                                      const std::string& metric, uint64_t seed) {
  std::vector<int32_t> clusters;
  for (const int64_t q : stratum.queries) clusters.push_back(queries.normalized_of[q]);
  const ClusterBootstrap bootstrap(clusters, kResamples, seed);
  std::vector<StratumRow> rows;
  for (const Evaluation& system : systems) {
    const std::vector<double> all = system.values_of(metric);
    std::vector<double> values;
    for (const int64_t q : stratum.queries) values.push_back(all[q]);
    const double sum = std::accumulate(values.begin(), values.end(), 0.0);
    rows.push_back({sum / static_cast<double>(values.size()), bootstrap.interval_of_mean(values)});
  }
  return rows;
}

}  // namespace tutti::trainer
