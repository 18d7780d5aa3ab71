#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "dist/communicator.h"
#include "dist/runtime/thread_pool.h"
#include "ids/ials.h"
#include "ids/interactions.h"

// How well vectors continue playlists: the measure that embeddings are tuned by. Some training
// playlists have half of their tracks hidden from training; a playlist's vector is then solved from
// the other half, all tracks are ranked by their product with it, and the hidden ones are looked
// for.
namespace tutti::ids {

struct ContinuationOptions {
  int64_t num_playlists = 2000;  // that are asked, about; at most a tenth of all
  int k = 500;                   // places of the ranked list that nDCG and recall look at
  uint64_t seed = 0;
};

// Which playlists are asked and what is hidden: a pure function of seed and number.
class ContinuationSplit {
 public:
  ContinuationSplit(const ContinuationOptions& options, int64_t num_playlists);

  struct Parts {
    std::vector<int32_t> visible;  // as ordered in the playlist
    std::vector<int32_t> hidden;   // ascending; empty: the playlist is not asked
  };
  // Half of the tracks, rounded down, are hidden when the playlist is asked; it needs four.
  Parts split(int64_t playlist, std::span<const int32_t> tracks) const;

 private:
  uint64_t seed_;
  double share_;
};

// The same playlists without what is hidden. `source`'s own callbacks are copied.
PlaylistSource visible_playlists(const PlaylistSource& source, const ContinuationSplit& split);

struct ContinuationMetrics {  // means over the playlists that hide a track of the kind
  int64_t playlists = 0, hidden = 0;
  double r_precision = 0;  // share of the hidden tracks in the first |all hidden| places
  double ndcg = 0;         // of the first k places, gain 1, ideal over the hidden tracks
  double recall = 0;       // share of the hidden tracks in the first k places
};

struct ContinuationReport {
  ContinuationMetrics all;
  struct Bucket {
    int32_t first, last;          // training playlists that hold the track
    ContinuationMetrics metrics;  // of these tracks alone, in the ranking of all
    std::string name() const;     // "3-9", "100+"
  };
  std::vector<Bucket> buckets;
};

// `source`: the playlists before anything was hidden. `tracks` [num_tracks, dim], its shares
// of whole factor blocks, is rotated on the way. `track_counts`: visible playlists of each track.
// Tracks that are visible in a playlist are not ranked for it. Equal on every rank; collective.
ContinuationReport evaluate_continuation(const PlaylistSource& source,
                                         const ContinuationSplit& split,
                                         const std::vector<int32_t>& track_counts,
                                         const IalsOptions& ials,
                                         const ContinuationOptions& options, SharedTable* tracks,
                                         Communicator& comm, ThreadPool& pool);

}  // namespace tutti::ids
