#include "data/dataset_counts.h"

#include <numeric>

namespace tutti::data {

nlohmann::json dataset_counts(const Catalog& catalog, const TitleTable& titles,
                              const DatasetTotals& totals) {
  const auto& parts = totals.playlists_in;
  return {{"playlists", std::accumulate(parts.begin(), parts.end(), int64_t{0})},
          {"entries", totals.entries},
          {"tracks", catalog.num_tracks()},
          {"artists", catalog.artist_keys.size()},
          {"albums", catalog.album_keys.size()},
          {"tags", catalog.tag_names.size()},
          {"raw_titles", titles.raw.size()},
          {"normalized_titles", titles.normalized.size()},
          {"train", parts[0]},
          {"validation", parts[1]},
          {"test", parts[2]},
          {"shards", totals.shards}};
}

}  // namespace tutti::data
