#include "ids/continuation.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "dist/runtime/rng.h"
#include "ids/gram.h"
#include "ids/ials_rows.h"
#include "ids/top_tracks.h"

namespace tutti::ids {
namespace {

constexpr size_t kFewestTracks = 4;
constexpr double kMostPlaylists = 0.1;
// Training playlists at which a bucket of tracks begins.
constexpr std::array<int32_t, 6> kBuckets{0, 1, 3, 10, 30, 100};

// One playlist's metrics for one kind of hidden tracks. Travels between ranks.
struct Score {
  int64_t hidden = 0;
  double r_precision = 0, ndcg = 0, recall = 0;
};
using Scores = std::array<Score, kBuckets.size() + 1>;  // a bucket each, then all

struct Queries {
  SparseRows visible;
  std::vector<std::vector<int32_t>> excluded;  // visible, ascending
  std::vector<std::vector<int32_t>> hidden;
};

size_t bucket_of(int32_t count) {
  return std::ranges::upper_bound(kBuckets, count) - kBuckets.begin() - 1;
}

double gain(size_t place) {
  return 1 / std::log2(static_cast<double>(place) + 2);
}

// This rank's share of the playlists that are asked.
Queries read_queries(const PlaylistSource& source, const ContinuationSplit& split,
                     const Communicator& comm) {
  Queries queries;
  const auto range = owned_range(source.num_playlists, 1, comm.rank(), comm.size());
  source.visit(range.first, range.last, [&](int64_t playlist, std::span<const int32_t> tracks) {
    auto parts = split.split(playlist, tracks);
    if (parts.hidden.empty()) return;
    auto& visible = queries.visible;
    visible.columns.insert(visible.columns.end(), parts.visible.begin(), parts.visible.end());
    visible.offsets.push_back(std::ssize(visible.columns));
    std::ranges::sort(parts.visible);
    queries.excluded.push_back(std::move(parts.visible));
    queries.hidden.push_back(std::move(parts.hidden));
  });
  return queries;
}

Scores score(const std::vector<int32_t>& ranking, const std::vector<int32_t>& hidden, size_t k,
             const std::vector<int32_t>& track_counts) {
  Scores scores;
  for (int32_t track : hidden) {
    ++scores[bucket_of(track_counts[track])].hidden;
    ++scores.back().hidden;
  }
  for (size_t place = 0; place < ranking.size(); ++place) {
    const int32_t track = ranking[place];
    if (!std::ranges::binary_search(hidden, track)) continue;
    for (Score* each : {&scores[bucket_of(track_counts[track])], &scores.back()}) {
      if (place < hidden.size()) each->r_precision += 1;
      if (place >= k) continue;
      each->ndcg += gain(place);
      each->recall += 1;
    }
  }
  for (auto& each : scores) {
    if (each.hidden == 0) continue;
    double ideal = 0;
    for (size_t place = 0; place < std::min<size_t>(k, each.hidden); ++place) ideal += gain(place);
    each.ndcg /= ideal;
    each.r_precision /= static_cast<double>(each.hidden);
    each.recall /= static_cast<double>(each.hidden);
  }
  return scores;
}

ContinuationMetrics mean_of(const std::vector<Scores>& queries, size_t kind) {
  ContinuationMetrics mean;
  for (const auto& query : queries) {
    const auto& each = query[kind];
    if (each.hidden == 0) continue;
    ++mean.playlists;
    mean.hidden += each.hidden;
    mean.r_precision += each.r_precision;
    mean.ndcg += each.ndcg;
    mean.recall += each.recall;
  }
  const auto n = static_cast<double>(std::max<int64_t>(mean.playlists, 1));
  mean.r_precision /= n;
  mean.ndcg /= n;
  mean.recall /= n;
  return mean;
}

}  // namespace

ContinuationSplit::ContinuationSplit(const ContinuationOptions& options, int64_t num_playlists)
    : seed_(options.seed),
      share_(
          std::min(kMostPlaylists, static_cast<double>(options.num_playlists) /
                                       static_cast<double>(std::max<int64_t>(num_playlists, 1)))) {}

ContinuationSplit::Parts ContinuationSplit::split(int64_t playlist,
                                                  std::span<const int32_t> tracks) const {
  Parts parts;
  Rng rng(seed_, Purpose::kContinuation, playlist);
  if (tracks.size() < kFewestTracks || rng.uniform() >= share_) {
    parts.visible.assign(tracks.begin(), tracks.end());
    return parts;
  }
  size_t left = tracks.size() / 2;  // to hide, out of those that follow
  for (size_t i = 0; i < tracks.size(); ++i) {
    const bool hide = rng.below(tracks.size() - i) < left;
    (hide ? parts.hidden : parts.visible).push_back(tracks[i]);
    left -= hide ? 1 : 0;
  }
  std::ranges::sort(parts.hidden);
  return parts;
}

PlaylistSource visible_playlists(const PlaylistSource& source, const ContinuationSplit& split) {
  return {source.num_playlists, source.num_tracks,
          [visit = source.visit, split](int64_t first, int64_t last, const SeePlaylist& see) {
            visit(first, last, [&](int64_t playlist, std::span<const int32_t> tracks) {
              see(playlist, split.split(playlist, tracks).visible);
            });
          }};
}

std::string ContinuationReport::Bucket::name() const {
  if (last == std::numeric_limits<int32_t>::max()) return fmt::format("{}+", first);
  return first == last ? fmt::format("{}", first) : fmt::format("{}-{}", first, last);
}

ContinuationReport evaluate_continuation(const PlaylistSource& source,
                                         const ContinuationSplit& split,
                                         const std::vector<int32_t>& track_counts,
                                         const IalsOptions& ials,
                                         const ContinuationOptions& options, SharedTable* tracks,
                                         Communicator& comm, ThreadPool& pool) {
  const int64_t dim = ials.dim, num_tracks = source.num_tracks;
  const auto queries = read_queries(source, split, comm);
  const auto num_queries = std::ssize(queries.hidden);

  const auto own = tracks->own_values();
  const auto count = std::ssize(own) / dim;
  const RowShard own_rows{own.data(), tracks->split()[comm.rank()], count, num_tracks, dim};
  const auto axes = principal_axes(gram_matrix(own_rows, comm, pool), dim, comm);
  rotate_rows(axes, count, dim, own.data(), pool);
  tracks->share_own_rows(comm);
  std::vector<float> vectors(num_queries * dim);
  solve_rows({queries.visible, tracks->values().data(), num_tracks, axes.values, /*exact=*/true},
             ials, vectors.data(), nullptr, pool);

  size_t longest = options.k;  // R-precision looks at as many places as there are hidden tracks
  for (const auto& hidden : queries.hidden) longest = std::max(longest, hidden.size());
  const auto rankings = top_tracks(vectors, tracks->values(), dim, static_cast<int64_t>(longest),
                                   queries.excluded, pool);
  std::vector<Scores> scores;
  scores.reserve(num_queries);
  for (int64_t q = 0; q < num_queries; ++q) {
    scores.push_back(score(rankings[q], queries.hidden[q], options.k, track_counts));
  }
  const auto all = comm.all_gather(std::span<const Scores>(scores));
  ContinuationReport report;
  report.all = mean_of(all, kBuckets.size());
  for (size_t b = 0; b < kBuckets.size(); ++b) {
    const int32_t last =
        b + 1 < kBuckets.size() ? kBuckets[b + 1] - 1 : std::numeric_limits<int32_t>::max();
    report.buckets.push_back({kBuckets[b], last, mean_of(all, b)});
  }
  return report;
}

}  // namespace tutti::ids
