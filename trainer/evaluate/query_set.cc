#include "trainer/evaluate/query_set.h"

#include <algorithm>
#include <numeric>
#include <unordered_map>

#include "data/editorial.h"
#include "data/normalizer.h"
#include "data/requests.h"
#include "dist/runtime/rng.h"

namespace tutti::trainer {

namespace {

// Which of n candidates are asked, ascending. `stream` tells the sets of one evaluation apart.
std::vector<int64_t> sample(int64_t n, const QueryOptions& options, uint64_t stream) {
  std::vector<int64_t> chosen;
  if (options.max_queries <= 0 || n <= options.max_queries) {
    chosen.resize(n);
    std::iota(chosen.begin(), chosen.end(), 0);
    return chosen;
  }
  const Permutation order(static_cast<uint64_t>(n), options.seed, Purpose::kBootstrap, stream);
  for (int64_t i = 0; i < options.max_queries; ++i) {
    chosen.push_back(static_cast<int64_t>(order(static_cast<uint64_t>(i))));
  }
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

// Adds queries to a set, each title once.
class QuerySetBuilder {
 public:
  explicit QuerySetBuilder(std::string name) { set_.name = std::move(name); }

  void add(std::string title, std::span<const int32_t> tracks) {
    const auto cluster =
        clusters_.try_emplace(data::normalize_title(title), static_cast<int32_t>(clusters_.size()));
    set_.normalized_of.push_back(cluster.first->second);
    const auto [row, is_new] = rows_.try_emplace(title, static_cast<int32_t>(set_.titles.size()));
    if (is_new) set_.titles.push_back(std::move(title));
    set_.title_of.push_back(row->second);
    set_.relevant.insert(set_.relevant.end(), tracks.begin(), tracks.end());
    std::sort(set_.relevant.begin() + set_.offsets.back(), set_.relevant.end());
    set_.offsets.push_back(std::ssize(set_.relevant));
  }

  QuerySet finish(int64_t num_candidates) {
    set_.num_candidates = num_candidates;
    return std::move(set_);
  }

 private:
  QuerySet set_;
  std::unordered_map<std::string, int32_t> rows_, clusters_;
};

// Held-out playlists of one stratum, as they were read.
struct Candidates {
  std::vector<int32_t> titles;
  std::vector<int64_t> offsets{0};
  std::vector<int32_t> tracks;

  void add(int32_t title, std::span<const int32_t> playlist) {
    titles.push_back(title);
    tracks.insert(tracks.end(), playlist.begin(), playlist.end());
    offsets.push_back(std::ssize(tracks));
  }
  QuerySet to_queries(std::string name, const data::StringTable& raw, const QueryOptions& options,
                      uint64_t stream) const {
    QuerySetBuilder builder(std::move(name));
    for (int64_t i : sample(std::ssize(titles), options, stream)) {
      builder.add(std::string(raw[titles[i]]),
                  std::span(tracks).subspan(offsets[i], offsets[i + 1] - offsets[i]));
    }
    return builder.finish(std::ssize(titles));
  }
};

}  // namespace

PlaylistQueries make_playlist_queries(const data::TitleTable& titles, const BlockSource& playlists,
                                      const QueryOptions& options) {
  Candidates seen, unseen;
  playlists([&](const data::PlaylistBlock& block) {
    for (int64_t i = 0; i < block.size(); ++i) {
      const auto tracks = block.tracks_of(i);
      if (block.parts[i] != options.part || tracks.empty()) continue;
      const int32_t title = block.titles[i];
      const bool is_seen = titles.train_playlists_of[titles.normalized_of[title]] > 0;
      (is_seen ? seen : unseen).add(title, tracks);
    }
  });
  return {seen.to_queries("seen titles", titles.raw, options, 1),
          unseen.to_queries("unseen titles", titles.raw, options, 2)};
}

PlaylistQueries make_playlist_queries(const data::Dataset& dataset, const QueryOptions& options) {
  return make_playlist_queries(dataset.titles(), blocks_of(dataset), options);
}

QuerySet make_editorial_query_set(const data::Catalog& catalog, const QueryOptions& options) {
  const auto prompts = data::make_editorial_queries(catalog, data::EditorialOptions{});
  QuerySetBuilder builder("editorial prompts");
  for (int64_t i : sample(std::ssize(prompts), options, 3)) {
    builder.add(prompts[i].prompt, prompts[i].relevant);
  }
  return builder.finish(std::ssize(prompts));
}

QuerySet as_requests(QuerySet queries, const std::vector<std::string>& requests, uint64_t seed) {
  queries.name += " as requests";
  queries.bare = queries.titles;
  for (size_t i = 0; i < queries.titles.size(); ++i) {
    const int64_t request =
        data::request_of(seed, static_cast<int64_t>(i), 1, std::ssize(requests));
    queries.titles[i] = data::as_request(requests[request], queries.bare[i]);
  }
  return queries;
}

}  // namespace tutti::trainer
