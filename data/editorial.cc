#include "data/editorial.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include "data/normalizer.h"
#include "data/synth/tag_words.h"
#include "dist/runtime/rng.h"

namespace tutti::data {
namespace {

using TagSet = std::array<int32_t, 3>;  // ascending; a pair has -1 in front

// All pairs (or triples) of tags that at least min_relevant tracks carry, in ascending order.
std::vector<TagSet> frequent_sets(const Catalog& catalog, int size, int64_t min_relevant) {
  std::vector<TagSet> found;
  for (int64_t t = 0; t < catalog.num_tracks(); ++t) {
    const auto tags = catalog.tags_of(t);
    for (size_t i = 0; i < tags.size(); ++i) {
      for (size_t j = i + 1; j < tags.size(); ++j) {
        if (size == 2) {
          found.push_back({-1, tags[i], tags[j]});
        } else {
          for (size_t k = j + 1; k < tags.size(); ++k) found.push_back({tags[i], tags[j], tags[k]});
        }
      }
    }
  }
  std::sort(found.begin(), found.end());
  std::vector<TagSet> frequent;
  for (size_t first = 0; first < found.size();) {
    size_t last = first;
    while (last < found.size() && found[last] == found[first]) ++last;
    if (static_cast<int64_t>(last - first) >= min_relevant) frequent.push_back(found[first]);
    first = last;
  }
  return frequent;
}

EditorialQuery make_query(const Catalog& catalog, const TagSet& set) {
  EditorialQuery query;
  for (const int32_t tag : set) {
    if (tag >= 0) query.tags.push_back(tag);
  }
  std::stable_sort(query.tags.begin(), query.tags.end(), [&](int32_t a, int32_t b) {
    return kind_of_tag(catalog.tag_names[a]) < kind_of_tag(catalog.tag_names[b]);
  });
  for (const int32_t tag : query.tags) {
    if (!query.prompt.empty()) query.prompt.push_back(' ');
    query.prompt += plain_words_of_tag(catalog.tag_names[tag]);
  }
  return query;
}

std::vector<int32_t> tracks_that_carry(const Catalog& catalog, std::vector<int32_t> tags) {
  std::sort(tags.begin(), tags.end());
  std::vector<int32_t> tracks;
  for (int64_t t = 0; t < catalog.num_tracks(); ++t) {
    const auto of_track = catalog.tags_of(t);
    if (std::includes(of_track.begin(), of_track.end(), tags.begin(), tags.end())) {
      tracks.push_back(static_cast<int32_t>(t));
    }
  }
  return tracks;
}

}  // namespace

std::vector<EditorialQuery> make_editorial_queries(const Catalog& catalog,
                                                   const EditorialOptions& options) {
  std::vector<EditorialQuery> queries;
  std::set<std::string> prompts;
  const auto num_triples =
      std::llround(options.three_tags * static_cast<double>(options.num_queries));
  for (const int size : {2, 3}) {
    const auto sets = frequent_sets(catalog, size, options.min_relevant);
    const int64_t wanted = size == 2 ? options.num_queries - num_triples : num_triples;
    int64_t made = 0;
    if (sets.empty()) continue;
    const Permutation order(sets.size(), options.seed, Purpose::kEditorial, size);
    for (uint64_t i = 0; i < sets.size() && made < wanted; ++i) {
      EditorialQuery query = make_query(catalog, sets[order(i)]);
      if (!prompts.insert(normalize_title(query.prompt)).second) continue;
      query.relevant = tracks_that_carry(catalog, query.tags);
      queries.push_back(std::move(query));
      ++made;
    }
  }
  return queries;
}

}  // namespace tutti::data
