#include "launch/evaluate/outputs.h"

#include <algorithm>
#include <chrono>
#include <span>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace tutti::launch {
namespace {

// "BM25 (k1 0.2, b 0)" -> "BM25": the name of a run and of its file.
std::string tag_of(const std::string& ranker) {
  std::string tag = ranker.substr(0, ranker.find(" ("));
  std::replace(tag.begin(), tag.end(), ' ', '_');
  return tag;
}

}  // namespace

void dump_trec(const std::filesystem::path& folder, const trainer::QuerySet& set,
               const trainer::TrecNames& names, const std::vector<trainer::Evaluation>& systems) {
  std::string stem = set.name;
  std::replace(stem.begin(), stem.end(), ' ', '_');
  trainer::write_trec_topics(folder / (stem + ".topics.tsv"), set);
  trainer::write_trec_qrels(folder / (stem + ".qrels"), set, names);
  for (const trainer::Evaluation& system : systems) {
    if (system.lists.empty()) continue;  // read from a file itself
    const std::string tag = tag_of(system.ranker);
    trainer::write_trec_run(folder / fmt::format("{}.{}.run", stem, tag), set, system.lists, names,
                            tag);
  }
}

std::string track_words(const data::Catalog& catalog, int32_t track) {
  if (catalog.track_names[track].empty()) return std::string(catalog.track_keys[track]);
  const int32_t artist = catalog.track_artist[track];
  if (artist < 0 || catalog.artist_names[artist].empty()) {
    return std::string(catalog.track_names[track]);
  }
  return fmt::format("{} - {}", catalog.track_names[track], catalog.artist_names[artist]);
}

nlohmann::json example_lists(const trainer::QuerySet& set, const data::Catalog& catalog,
                             const std::vector<trainer::Evaluation>& systems, int k) {
  constexpr int64_t kExamples = 3;
  nlohmann::json examples = nlohmann::json::array();
  const int64_t count = std::min(kExamples, set.size());
  for (int64_t i = 0; i < count; ++i) {
    const int64_t query = (2 * i + 1) * set.size() / (2 * count);
    const int32_t title = set.title_of[query];
    const auto relevant = set.relevant_of(query);
    nlohmann::json of_systems = nlohmann::json::array();
    for (const trainer::Evaluation& system : systems) {
      nlohmann::json tracks = nlohmann::json::array(), hits = nlohmann::json::array();
      if (!system.lists.empty()) {
        for (const auto& r : std::span(system.lists[title])
                                 .first(std::min<size_t>(k, system.lists[title].size()))) {
          tracks.push_back(track_words(catalog, r.track));
          hits.push_back(std::binary_search(relevant.begin(), relevant.end(), r.track));
        }
      }
      of_systems.push_back({{"ranker", system.ranker}, {"tracks", tracks}, {"hits", hits}});
    }
    examples.push_back({{"prompt", set.titles[title]},
                        {"relevant", relevant.size()},
                        {"systems", std::move(of_systems)}});
  }
  return examples;
}

Latency latency_of(trainer::Ranker& ranker, const std::vector<std::string>& titles, int k) {
  constexpr size_t kTitles = 200;
  std::vector<double> milliseconds;
  for (const std::string& title : std::span(titles).first(std::min(kTitles, titles.size()))) {
    const auto start = std::chrono::steady_clock::now();
    ranker.rank({&title, 1}, k);
    milliseconds.push_back(
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
            .count());
  }
  if (milliseconds.empty()) return {};
  std::sort(milliseconds.begin(), milliseconds.end());
  const auto quantile = [&](double q) {
    const auto at = static_cast<size_t>(q * static_cast<double>(milliseconds.size()));
    return milliseconds[std::min(milliseconds.size() - 1, at)];
  };
  return {std::ssize(milliseconds), quantile(0.5), quantile(0.95), quantile(0.99)};
}

}  // namespace tutti::launch
