#include "ids/catalog_change.h"

#include <algorithm>
#include <cstdint>

#include "data/string_index.h"
#include "dist/runtime/errors.h"
#include "ids/uniqueness.h"

namespace tutti::ids {
namespace {

// The suffixes that are taken, by code path: sorted, so that the numbers of a path are one run.
class TakenSuffixes {
 public:
  explicit TakenSuffixes(int64_t num_levels) : num_levels_(num_levels) {}

  void add(std::span<const int32_t> id) { ids_.insert(ids_.end(), id.begin(), id.end()); }
  void sort() {
    order_.resize(ids_.size() / (num_levels_ + 1));
    for (size_t i = 0; i < order_.size(); ++i) order_[i] = static_cast<int64_t>(i);
    std::ranges::sort(order_, [&](int64_t a, int64_t b) {
      return std::ranges::lexicographical_compare(id(a), id(b));
    });
  }

  // Last tokens of the IDs on this path (tokens), rising.
  std::vector<int32_t> on_path(std::span<const int32_t> path) const {
    const auto before = [&](int64_t i, std::span<const int32_t> wanted) {
      return std::ranges::lexicographical_compare(id(i).first(num_levels_), wanted);
    };
    auto at = std::lower_bound(order_.begin(), order_.end(), path, before);
    std::vector<int32_t> suffixes;
    for (; at != order_.end() && std::ranges::equal(id(*at).first(num_levels_), path); ++at) {
      suffixes.push_back(id(*at).back());
    }
    return suffixes;
  }

 private:
  std::span<const int32_t> id(int64_t i) const {
    return std::span(ids_).subspan(i * (num_levels_ + 1), num_levels_ + 1);
  }

  int64_t num_levels_;
  std::vector<int32_t> ids_;
  std::vector<int64_t> order_;
};

}  // namespace

CatalogChange compare_catalogs(const IdTable& old, const data::StringTable& old_keys,
                               const data::StringTable& new_keys) {
  TUTTI_CHECK(old_keys.size() == old.num_tracks(), "a key a track of the table");
  CatalogChange change;
  const data::StringIndex tracks(old_keys), retired(old.retired.keys);
  std::vector<uint8_t> is_there(old_keys.size());
  change.known.reserve(new_keys.size());
  for (int64_t t = 0; t < new_keys.size(); ++t) {
    int32_t known = tracks.find(old_keys, new_keys[t]);
    if (known >= 0) {
      is_there[known] = 1;
      ++change.num_survivors;
    } else if (const int32_t row =
                   new_keys[t].empty() ? -1 : retired.find(old.retired.keys, new_keys[t]);
               row >= 0) {
      known = static_cast<int32_t>(old.num_tracks()) + row;
      ++change.num_returning;
    } else {
      known = CatalogChange::kNew;
      ++change.num_new;
    }
    change.known.push_back(known);
  }
  for (int32_t row = 0; row < old_keys.size(); ++row) {
    if (!is_there[row]) change.removed.push_back(row);
  }
  return change;
}

std::span<const int32_t> known_id(const IdTable& old, int32_t known) {
  return known < old.num_tracks() ? old.id_of(known)
                                  : old.retired.id_of(known - old.num_tracks(), old.id_length());
}

Churn count_churn(const IdTable& old, const CatalogChange& change, const IdTable& table) {
  Churn churn;
  for (int64_t t = 0; t < table.num_tracks(); ++t) {
    if (change.known[t] < 0 || change.known[t] >= old.num_tracks()) continue;
    const auto before = old.id_of(change.known[t]), after = table.id_of(t);
    const auto [at, ignored] = std::ranges::mismatch(before, after);
    const auto equal = at - before.begin();
    ++churn.survivors;
    churn.full += equal < std::ssize(before) ? 1 : 0;
    churn.prefix1 += equal < 1 ? 1 : 0;
    churn.prefix2 += equal < std::min<int64_t>(2, std::ssize(before)) ? 1 : 0;
  }
  return churn;
}

IdTable continue_table(const IdTable& old, const data::StringTable& old_keys,
                       const CatalogChange& change, const std::vector<int32_t>& codes,
                       const std::vector<uint8_t>& keeps, const std::vector<int32_t>& popularity,
                       const data::StringTable& keys) {
  const int64_t length = old.id_length(), num_levels = length - 1;
  const auto num_tracks = std::ssize(change.known);
  IdTable table;
  table.strategy = old.strategy;
  table.space = old.space;
  table.levels = old.levels;
  table.tokens.resize(num_tracks * length);
  for (int64_t t = 1; t <= num_tracks; ++t) table.offsets.push_back(t * length);

  // IDs that are given out: those of the old table, live and retired.
  TakenSuffixes taken(num_levels);
  for (int64_t t = 0; t < old.num_tracks(); ++t) taken.add(old.id_of(t));
  for (int64_t r = 0; r < old.retired.size(); ++r) taken.add(old.retired.id_of(r, length));
  taken.sort();

  // Those who take a new ID: as groups of one path each, in the order in which they choose.
  std::vector<int32_t> movers, mover_codes, mover_popularity;
  data::StringTable mover_keys;
  for (int64_t t = 0; t < num_tracks; ++t) {
    if (keeps[t]) {
      std::ranges::copy(known_id(old, change.known[t]), table.tokens.begin() + t * length);
      continue;
    }
    movers.push_back(static_cast<int32_t>(t));
    mover_codes.insert(mover_codes.end(), &codes[t * num_levels],
                       &codes[t * num_levels] + num_levels);
    mover_popularity.push_back(popularity[t]);
    mover_keys.push_back(keys[t]);
  }
  const CodeGroups groups(mover_codes, num_levels, mover_popularity, mover_keys);
  auto& suffixes = table.levels.back();
  std::vector<int32_t> path(num_levels);
  for (int64_t g = 0; g < groups.num_groups(); ++g) {
    const auto group = groups.tracks_of(g);
    for (int64_t l = 0; l < num_levels; ++l) {
      path[l] = table.levels[l].first_token + mover_codes[group[0] * num_levels + l];
    }
    const auto used = taken.on_path(path);
    auto next_used = used.begin();
    int32_t suffix = suffixes.first_token;
    for (const int32_t mover : group) {
      for (; next_used != used.end() && *next_used <= suffix; ++next_used) {
        if (*next_used == suffix) ++suffix;
      }
      TUTTI_CHECK(suffix < INT32_MAX, "tokens of 32 bits");
      auto* id = &table.tokens[movers[mover] * length];
      std::ranges::copy(path, id);
      id[num_levels] = suffix++;
      suffixes.num_tokens = std::max(suffixes.num_tokens, suffix - suffixes.first_token);
    }
  }

  // What nobody has any more. Who comes back leaves the list; who moves away joins it.
  std::vector<uint8_t> returned(old.retired.size());
  std::vector<int32_t> moved;
  for (int64_t t = 0; t < num_tracks; ++t) {
    const int32_t known = change.known[t];
    if (known >= old.num_tracks() && keeps[t]) returned[known - old.num_tracks()] = 1;
    if (known >= 0 && known < old.num_tracks() && !keeps[t]) moved.push_back(known);
  }
  for (int64_t r = 0; r < old.retired.size(); ++r) {
    if (!returned[r]) table.retired.add(old.retired.id_of(r, length), old.retired.keys[r]);
  }
  for (const int32_t row : change.removed) table.retired.add(old.id_of(row), old_keys[row]);
  std::ranges::sort(moved);
  for (const int32_t row : moved) table.retired.add(old.id_of(row), "");
  return table;
}

}  // namespace tutti::ids
