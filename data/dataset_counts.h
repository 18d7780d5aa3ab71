#pragma once

#include <array>
#include <cstdint>

#include <nlohmann/json.hpp>

#include "data/catalog.h"
#include "data/dataset.h"

namespace tutti::data {

// What a writer counted; the rest of a dataset's counts are sizes of its tables.
struct DatasetTotals {
  int64_t entries = 0;
  std::array<int64_t, 3> playlists_in{};            // by Part
  nlohmann::json shards = nlohmann::json::array();  // {first, playlists, entries} each
};

// manifest.counts of a dataset, but for "cleaning".
nlohmann::json dataset_counts(const Catalog& catalog, const TitleTable& titles,
                              const DatasetTotals& totals);

}  // namespace tutti::data
