#include "ids/embeddings.h"

#include <utility>

#include <fmt/format.h>

#include "data/hdf5.h"
#include "dist/runtime/errors.h"
#include "ids/vector_ops.h"

namespace tutti::ids {
namespace {

constexpr const char* kKind = "embeddings";
constexpr const char* kFile = "embeddings.h5";
constexpr const char* kCure = "make the embeddings again";

// Values [count, dim] of the rows from `first` on. `tracks`: the keys, when at hand.
void check_finite(const std::string& file, int64_t first, std::span<const float> values,
                  int64_t dim, const data::StringTable* track_keys) {
  const int64_t at = find_non_finite(values.data(), std::ssize(values));
  if (at < 0) return;
  const int64_t row = first + at / dim;
  const std::string track =
      track_keys && row < track_keys->size() ? fmt::format(" (track {})", (*track_keys)[row]) : "";
  throw DataError({file, fmt::format("row {}{}, column {}", row, track, at % dim),
                   fmt::format("{}", values[at]), "finite values", kCure});
}

}  // namespace

struct EmbeddingsWriter::Impl {
  Impl(const std::filesystem::path& out, int64_t columns, bool overwrite)
      : dim(columns),
        writer(out, kKind, overwrite),
        file(data::Hdf5File::create(writer.file(kFile))) {}

  int64_t dim;
  int64_t num_rows = 0;
  ArtefactWriter writer;
  data::Hdf5File file;
};

EmbeddingsWriter::EmbeddingsWriter(const std::filesystem::path& out, int64_t dim, bool overwrite)
    : impl_(std::make_unique<Impl>(out, dim, overwrite)) {
  TUTTI_CHECK(dim > 0);
}
EmbeddingsWriter::~EmbeddingsWriter() = default;

void EmbeddingsWriter::append(std::span<const float> values, std::span<const int32_t> support) {
  TUTTI_CHECK(std::ssize(values) == std::ssize(support) * impl_->dim,
              "embeddings of consistent sizes");
  check_finite("embeddings", impl_->num_rows, values, impl_->dim, nullptr);
  impl_->file.append("values", values, impl_->dim, data::Storage::kRaw);
  impl_->file.append("support", support);
  impl_->num_rows += std::ssize(support);
}

std::filesystem::path EmbeddingsWriter::file(const std::string& name) const {
  return impl_->writer.file(name);
}

Manifest EmbeddingsWriter::finish(const Manifest& dataset, nlohmann::json config,
                                  std::map<std::string, std::string> made_from) {
  impl_->file.close();
  Manifest manifest;
  manifest.counts = {{"rows", impl_->num_rows}, {"dim", impl_->dim}};
  manifest.config = std::move(config);
  manifest.made_from = std::move(made_from);
  manifest.made_from["dataset"] = dataset.hash;
  return impl_->writer.commit(std::move(manifest));
}

Manifest write_embeddings(const std::filesystem::path& out, const Embeddings& embeddings,
                          const Manifest& dataset, nlohmann::json config, bool overwrite) {
  TUTTI_CHECK(std::ssize(embeddings.support) == embeddings.num_rows, "a support a row");
  EmbeddingsWriter writer(out, embeddings.dim, overwrite);
  writer.append(embeddings.values, embeddings.support);
  return writer.finish(dataset, std::move(config));
}

struct EmbeddingsFile::Impl {
  Manifest manifest;
  std::string name;  // of the HDF5 file
  data::Hdf5File file;
  int64_t num_rows = 0, dim = 0;
};

EmbeddingsFile::EmbeddingsFile(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
EmbeddingsFile::~EmbeddingsFile() = default;
EmbeddingsFile::EmbeddingsFile(EmbeddingsFile&&) noexcept = default;
EmbeddingsFile& EmbeddingsFile::operator=(EmbeddingsFile&&) noexcept = default;

EmbeddingsFile EmbeddingsFile::open(const std::filesystem::path& path) {
  Manifest manifest = read_manifest(path, kKind);
  const std::string name = (path / kFile).string();
  auto impl = std::make_unique<Impl>(
      Impl{std::move(manifest), name, data::Hdf5File::open(path / kFile), 0, 0});
  const auto shape = impl->file.shape("values");
  if (shape.size() != 2 || shape[1] < 1) {
    throw DataError({name, "'values'", "shape " + data::shape_text(shape), "[rows, dim]", kCure});
  }
  impl->num_rows = shape[0];
  impl->dim = shape[1];
  const auto support = impl->file.shape("support");
  if (support != std::vector<int64_t>{impl->num_rows}) {
    throw DataError({name, "'support'", "shape " + data::shape_text(support),
                     fmt::format("one value a row, [{}]", impl->num_rows), kCure});
  }
  return EmbeddingsFile(std::move(impl));
}

const Manifest& EmbeddingsFile::manifest() const {
  return impl_->manifest;
}
int64_t EmbeddingsFile::num_rows() const {
  return impl_->num_rows;
}
int64_t EmbeddingsFile::dim() const {
  return impl_->dim;
}

void EmbeddingsFile::read_rows(int64_t first, int64_t count, float* out,
                               const data::StringTable* track_keys) const {
  impl_->file.read_rows("values", first, count, out);
  check_finite(impl_->name, first, std::span(out, count * impl_->dim), impl_->dim, track_keys);
}

std::vector<int32_t> EmbeddingsFile::read_support() const {
  return impl_->file.read<int32_t>("support");
}

LoadedEmbeddings read_embeddings(const std::filesystem::path& path,
                                 const data::StringTable* track_keys) {
  const auto file = EmbeddingsFile::open(path);
  LoadedEmbeddings loaded{file.manifest(), {file.num_rows(), file.dim(), {}, file.read_support()}};
  auto& values = loaded.embeddings.values;
  values.resize(file.num_rows() * file.dim());
  file.read_rows(0, file.num_rows(), values.data(), track_keys);
  return loaded;
}

}  // namespace tutti::ids
