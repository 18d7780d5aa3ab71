#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include <nlohmann/json.hpp>

#include "data/string_table.h"
#include "dist/runtime/artefact.h"

namespace tutti::ids {

// One vector a track of the catalog: row t belongs to track t.
struct Embeddings {
  int64_t num_rows = 0;
  int64_t dim = 0;
  std::vector<float> values;  // [num_rows, dim]
  std::vector<int32_t>
      support;  // [num_rows], training playlists behind the row; 0: the row is a prior

  std::span<const float> row(int64_t i) const { return std::span(values).subspan(i * dim, dim); }
};

// Writes / reads an embeddings artefact (manifest.json, embeddings.h5). `config`: the resolved
// options, `dataset`: what it was made from. Reading checks kind, shapes and that every value is
// finite: DataError naming the first bad row.
Manifest write_embeddings(const std::filesystem::path& out, const Embeddings& embeddings,
                          const Manifest& dataset, nlohmann::json config, bool overwrite);
struct LoadedEmbeddings {
  Manifest manifest;
  Embeddings embeddings;
};
LoadedEmbeddings read_embeddings(const std::filesystem::path& path);
// The same, and a bad row is named by its track's key too.
LoadedEmbeddings read_embeddings(const std::filesystem::path& path,
                                 const data::StringTable* track_keys);

}  // namespace tutti::ids
