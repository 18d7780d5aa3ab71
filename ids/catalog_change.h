#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "data/string_table.h"
#include "ids/id_table.h"

namespace tutti::ids {

// What became of a catalogue, by the keys of its tracks.
struct CatalogChange {
  static constexpr int32_t kNew = -1;
  // [tracks of the new catalogue]: the row that the track had in the old table; the old number of
  // tracks plus a row of its retired IDs for a track that comes back; kNew.
  std::vector<int32_t> known;
  std::vector<int32_t> removed;  // old rows of tracks that are gone, rising
  int64_t num_survivors = 0, num_returning = 0, num_new = 0;
};

// `old_keys`: one a track of the table.
CatalogChange compare_catalogs(const IdTable& old, const data::StringTable& old_keys,
                               const data::StringTable& new_keys);

// The ID behind an entry of CatalogChange::known that is not kNew.
std::span<const int32_t> known_id(const IdTable& old, int32_t known);

// How many of the survivors have another ID than before.
struct Churn {
  int64_t survivors = 0;
  int64_t full = 0, prefix1 = 0, prefix2 = 0;  // another ID, another first token, other first two
};
Churn count_churn(const IdTable& old, const CatalogChange& change, const IdTable& table);

// Gives every track the last token of its ID. `codes` [num_tracks, L]; `keeps` [num_tracks]: the
// track stays on the ID that it is known by. Others take the lowest number that is free on their
// path, popular tracks first, then by key; numbers of IDs that were given out before, to tracks
// that moved or are gone, are not free, since models of this lineage know them. Retires the IDs
// that nobody has any more (a track that moves leaves no key). The suffix level never shrinks.
IdTable continue_table(const IdTable& old, const data::StringTable& old_keys,
                       const CatalogChange& change, const std::vector<int32_t>& codes,
                       const std::vector<uint8_t>& keeps, const std::vector<int32_t>& popularity,
                       const data::StringTable& keys);

}  // namespace tutti::ids
