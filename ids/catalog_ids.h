#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/catalog.h"
#include "data/tokenizer.h"
#include "ids/id_table.h"

namespace tutti::ids {

// IDs that need no vectors: what the catalogue says of a track, or numbers drawn by a seed.
enum class CatalogStrategy {
  kArtistTrackName,     // the pieces of "artist _ track"
  kArtistTrackInteger,  // a number of the artist, then one of the track among the artist's
  kTrackInteger,        // a number of the track
};
// None when there is no such strategy.
std::optional<CatalogStrategy> catalog_strategy_from_name(std::string_view name);
const char* name_of(CatalogStrategy strategy);

struct CatalogIdOptions {
  CatalogStrategy strategy = CatalogStrategy::kArtistTrackName;
  bool integer_tokens = false;  // a number is one token of its own, not its decimal digits
  int32_t num_pieces = 2000;    // of the vocabulary trained on names, at most
  int32_t longest = 24;         // pieces of a name, the rest is cut
  uint64_t seed = 0;            // of the numbers
  // Names and numbers are text in its pieces, so that a model which knows them can start from what
  // it knows. Null: names in a vocabulary of their own, numbers in digits.
  const data::Tokenizer* tokenizer = nullptr;
};

struct CatalogIds {
  IdTable table;
  int64_t coinciding = 0;  // tracks whose name another track has too: told apart by a number
  int64_t cut = 0;         // tracks with a name of more than `longest` pieces
};

// Numbers are a random permutation, so none says how popular or how old a track is. Artists that
// are unknown count as one.
//
// Text (names, digits) follows IdTable's rules for it. Tracks of one name, as the vocabulary's
// normalisation sees it, keep it in order of `popularity` [num_tracks], then key: the first as it
// is, the others with "#2", "#3" in tokens of their own. Number tokens have fixed length: the
// artist and, as the suffix, the track among the artist's; or the track, and a suffix that is 0.
//
// The same bytes for the same input. UsageError when number tokens do not fit 32 bits or options
// contradict each other; DataError when there are no tracks, or no name has a letter.
CatalogIds build_catalog_ids(const data::Catalog& catalog, const std::vector<int32_t>& popularity,
                             const CatalogIdOptions& options);

}  // namespace tutti::ids
