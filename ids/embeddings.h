#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "data/string_table.h"
#include "dist/runtime/artefact.h"

namespace tutti::ids {

// One vector a track of the catalog: row t belongs to track t.
struct Embeddings {
  int64_t num_rows = 0;
  int64_t dim = 0;
  std::vector<float> values;     // [num_rows, dim]
  std::vector<int32_t> support;  // [num_rows], what the row rests on: training playlists of the
                                 // track, 1 for an imported vector; 0: the row is a prior

  std::span<const float> row(int64_t i) const { return std::span(values).subspan(i * dim, dim); }
};

// Writes an embeddings artefact (manifest.json, embeddings.h5) from rows that come in catalogue
// order, a piece at a time: nothing of its size is held. Without finish() nothing appears.
class EmbeddingsWriter {
 public:
  // UsageError when `out` exists and `overwrite` is not set.
  EmbeddingsWriter(const std::filesystem::path& out, int64_t dim, bool overwrite);
  ~EmbeddingsWriter();
  EmbeddingsWriter(const EmbeddingsWriter&) = delete;
  EmbeddingsWriter& operator=(const EmbeddingsWriter&) = delete;

  // The next rows. `values` [n, dim], `support` [n]. DataError naming the first row that is not
  // finite.
  void append(std::span<const float> values, std::span<const int32_t> support);
  // Where to write a further file of the artefact, before finish().
  std::filesystem::path file(const std::string& name) const;
  // `config`: the resolved options, `dataset`: whose catalogue the rows follow, `made_from`: what
  // else they were made from.
  Manifest finish(const Manifest& dataset, nlohmann::json config,
                  std::map<std::string, std::string> made_from = {});

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// The same at once.
Manifest write_embeddings(const std::filesystem::path& out, const Embeddings& embeddings,
                          const Manifest& dataset, nlohmann::json config, bool overwrite);

// An embeddings artefact, read in pieces. One thread of a process touches it (HDF5).
class EmbeddingsFile {
 public:
  // Checks kind, sizes and shapes: DataError that names what is wrong.
  static EmbeddingsFile open(const std::filesystem::path& path);
  ~EmbeddingsFile();
  EmbeddingsFile(EmbeddingsFile&&) noexcept;
  EmbeddingsFile& operator=(EmbeddingsFile&&) noexcept;

  const Manifest& manifest() const;
  int64_t num_rows() const;
  int64_t dim() const;

  // Rows [first, first + count) -> out [count, dim]. DataError naming the first row that holds NaN
  // or Inf; by its track's key too when `track_keys` are given.
  void read_rows(int64_t first, int64_t count, float* out,
                 const data::StringTable* track_keys = nullptr) const;
  std::vector<int32_t> read_support() const;  // [num_rows]

 private:
  struct Impl;
  explicit EmbeddingsFile(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// All of it in memory.
struct LoadedEmbeddings {
  Manifest manifest;
  Embeddings embeddings;
};
LoadedEmbeddings read_embeddings(const std::filesystem::path& path,
                                 const data::StringTable* track_keys = nullptr);

}  // namespace tutti::ids
