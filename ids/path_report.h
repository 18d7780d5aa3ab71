#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ids/id_table.h"
#include "ids/uniqueness.h"

namespace tutti::ids {

struct CodeUse {  // of one level
  int64_t num_codes = 0;
  int64_t codes_used = 0;
  int64_t largest_code = 0;  // tracks
  double entropy_bits = 0;   // of a track's code, at most log2(num_codes)
  double perplexity = 0;     // 2^entropy, at most num_codes
  double gini = 0;  // of the tracks a code has: 0 all alike, towards 1 when few codes have them all
};

// Tracks whose groups hold [least, 2 least) tracks.
struct GroupSizeBin {
  int64_t least = 1;
  int64_t num_groups = 0, num_tracks = 0;
};

// What the first `length` codes of an ID say of the artist.
struct PrefixArtists {
  int64_t length = 0;
  int64_t num_prefixes = 0;  // distinct
  // For a track with others on its prefix: the share of these that are its artist's. Mean over such
  // tracks whose artist is known; 0 when there are none.
  double same_artist = 0;
  int64_t tracks_compared = 0;
};

struct PathReport {
  int64_t num_tracks = 0;
  std::vector<CodeUse> levels;          // [L]
  double code_bits = 0;                 // sum of log2(num_codes)
  double joint_entropy_bits = 0;        // of the code path
  std::vector<double> shared_bits;      // [L, L], mutual information of two levels; entropy on the
                                        // diagonal
  GroupReport groups;                   // the tracks of one code path
  double group_gini = 0;                // of group sizes
  double suffix_entropy_bits = 0;       // of the last token
  std::vector<GroupSizeBin> sizes;      // by rising size
  std::vector<PrefixArtists> prefixes;  // of length 0 (chance) to L; empty without artists
};

// The codes of semantic IDs, [num_tracks, L]: the suffix is left out. DataError when the table is
// of another strategy, or an ID has another length.
std::vector<int32_t> codes_of(const IdTable& table);

// What the codes alone say. `track_artist` [num_tracks], -1: unknown; empty: not asked for. Linear
// in the tracks but for a sort of group sizes.
PathReport report_paths(std::span<const int32_t> codes, const std::vector<int64_t>& num_codes,
                        std::span<const int32_t> track_artist);

// 0 when all counts are alike, (n - 1) / n when one has everything.
double gini(std::vector<int64_t> counts);

}  // namespace tutti::ids
