#include "ids/top_tracks.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "ids/matrix.h"

namespace tutti::ids {
namespace {

constexpr int64_t kQueriesAtOnce = 64;
constexpr int64_t kTracksAtOnce = 2048;

struct Scored {
  float score;
  int32_t track;
};

bool better(const Scored& a, const Scored& b) {
  return a.score != b.score ? a.score > b.score : a.track < b.track;
}

// The best k of what it is given; holds up to twice as many.
class Best {
 public:
  explicit Best(int64_t k) : k_(k) { scored_.reserve(2 * k); }

  float bound() const { return bound_; }  // what scores less is not among the best
  void add(const Scored& candidate) {
    scored_.push_back(candidate);
    if (std::ssize(scored_) == 2 * k_) prune();
  }
  std::vector<int32_t> sorted() {
    std::ranges::sort(scored_, better);
    if (std::ssize(scored_) > k_) scored_.resize(k_);
    std::vector<int32_t> tracks;
    tracks.reserve(scored_.size());
    for (const auto& each : scored_) tracks.push_back(each.track);
    return tracks;
  }

 private:
  void prune() {
    std::ranges::nth_element(scored_, scored_.begin() + (k_ - 1), better);
    scored_.resize(k_);
    bound_ = scored_.back().score;
  }

  int64_t k_;
  float bound_ = -std::numeric_limits<float>::infinity();
  std::vector<Scored> scored_;
};

}  // namespace

std::vector<std::vector<int32_t>> top_tracks(std::span<const float> queries,
                                             std::span<const float> tracks, int64_t dim, int64_t k,
                                             const std::vector<std::vector<int32_t>>& excluded,
                                             ThreadPool& pool) {
  const int64_t num_queries = std::ssize(queries) / dim, num_tracks = std::ssize(tracks) / dim;
  std::vector<std::vector<int32_t>> result(num_queries);
  struct Thread {
    AlignedFloats queries, tracks, scores;
  };
  std::vector<Thread> threads(pool.num_threads());
  const int64_t num_blocks = (num_queries + kQueriesAtOnce - 1) / kQueriesAtOnce;
  pool.for_each_block(num_blocks, [&](int64_t block, int t) {
    auto& scratch = threads[t];
    scratch.queries.reserve(kQueriesAtOnce * dim);
    scratch.tracks.reserve(kTracksAtOnce * dim);
    scratch.scores.reserve(kQueriesAtOnce * kTracksAtOnce);
    const int64_t first_query = block * kQueriesAtOnce;
    const int64_t count = std::min(kQueriesAtOnce, num_queries - first_query);
    std::copy_n(queries.data() + first_query * dim, count * dim, scratch.queries.data());
    std::vector<Best> best(count, Best(k));
    for (int64_t first = 0; first < num_tracks; first += kTracksAtOnce) {
      const int64_t width = std::min(kTracksAtOnce, num_tracks - first);
      std::copy_n(tracks.data() + first * dim, width * dim, scratch.tracks.data());
      multiply_by_transpose(scratch.queries.data(), kQueriesAtOnce, scratch.tracks.data(),
                            kTracksAtOnce, dim, scratch.scores.data());
      for (int64_t q = 0; q < count; ++q) {
        const float* scores = scratch.scores.data() + q * kTracksAtOnce;
        for (int64_t i = 0; i < width; ++i) {
          // Tracks come in rising order, so one that equals the bound comes too late.
          if (!(scores[i] > best[q].bound())) continue;
          const auto track = static_cast<int32_t>(first + i);
          if (std::ranges::binary_search(excluded[first_query + q], track)) continue;
          best[q].add({scores[i], track});
        }
      }
    }
    for (int64_t q = 0; q < count; ++q) result[first_query + q] = best[q].sorted();
  });
  return result;
}

}  // namespace tutti::ids
