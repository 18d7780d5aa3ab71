#include "ids/embeddings.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "data/hdf5.h"
#include "dist/runtime/errors.h"
#include "ids/vector_ops.h"

namespace tutti::ids {
namespace {

constexpr const char* kKind = "embeddings";
constexpr const char* kFile = "embeddings.h5";

// A non-finite value in row `row` of the catalog's vectors. `tracks`: the keys, when at hand.
void check_finite(const std::string& file, const Embeddings& embeddings,
                  const data::StringTable* track_keys) {
  const int64_t at = find_non_finite(embeddings.values.data(), std::ssize(embeddings.values));
  if (at < 0) return;
  const int64_t row = at / embeddings.dim;
  const std::string track =
      track_keys && row < track_keys->size() ? fmt::format(" (track {})", (*track_keys)[row]) : "";
  throw DataError({file, fmt::format("row {}{}, column {}", row, track, at % embeddings.dim),
                   fmt::format("{}", embeddings.values[at]), "finite values",
                   "make the embeddings again"});
}

}  // namespace

Manifest write_embeddings(const std::filesystem::path& out, const Embeddings& embeddings,
                          const Manifest& dataset, nlohmann::json config, bool overwrite) {
  TUTTI_CHECK(std::ssize(embeddings.values) == embeddings.num_rows * embeddings.dim &&
                  std::ssize(embeddings.support) == embeddings.num_rows,
              "embeddings of consistent sizes");
  check_finite("embeddings", embeddings, nullptr);
  ArtefactWriter writer(out, kKind, overwrite);
  auto file = data::Hdf5File::create(writer.file(kFile));
  file.write_matrix<float>("values", embeddings.values, embeddings.dim);
  file.write<int32_t>("support", embeddings.support);
  file.close();
  Manifest manifest;
  manifest.counts = {{"rows", embeddings.num_rows}, {"dim", embeddings.dim}};
  manifest.config = std::move(config);
  manifest.made_from["dataset"] = dataset.hash;
  return writer.commit(std::move(manifest));
}

LoadedEmbeddings read_embeddings(const std::filesystem::path& path,
                                 const data::StringTable* track_keys) {
  LoadedEmbeddings loaded{read_manifest(path, kKind), {}};
  const std::string file_name = (path / kFile).string();
  const auto file = data::Hdf5File::open(path / kFile);
  const auto shape = file.shape("values");
  auto& embeddings = loaded.embeddings;
  if (shape.size() != 2 || shape[1] < 1) {
    throw DataError({file_name, "'values'", fmt::format("shape [{}]", fmt::join(shape, ", ")),
                     "[rows, dim]", "make the embeddings again"});
  }
  embeddings.num_rows = shape[0];
  embeddings.dim = shape[1];
  embeddings.values = file.read<float>("values");
  embeddings.support = file.read<int32_t>("support");
  if (std::ssize(embeddings.support) != embeddings.num_rows) {
    throw DataError({file_name, "'support'", fmt::format("{} values", embeddings.support.size()),
                     fmt::format("one a row, {}", embeddings.num_rows),
                     "make the embeddings again"});
  }
  check_finite(file_name, embeddings, track_keys);
  return loaded;
}

LoadedEmbeddings read_embeddings(const std::filesystem::path& path) {
  return read_embeddings(path, nullptr);
}

}  // namespace tutti::ids
