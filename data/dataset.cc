#include "data/dataset.h"

#include <algorithm>
#include <list>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "data/dataset_files.h"
#include "data/hdf5.h"
#include "dist/runtime/errors.h"

namespace tutti::data {
namespace {

constexpr size_t kOpenShards = 4;  // each holds a chunk cache of at most 16 MiB a dataset

struct Shard {
  std::string file;
  int64_t first = 0, playlists = 0, entries = 0;
};

// Counts as the writer left them; anything else means that the manifest was edited.
int64_t count_of(const nlohmann::json& counts, const char* name, const std::string& manifest) {
  const auto found = counts.find(name);
  if (found != counts.end() && found->is_number_integer() && found->get<int64_t>() >= 0) {
    return found->get<int64_t>();
  }
  throw DataError({manifest, fmt::format("counts.{}", name),
                   found == counts.end() ? "nothing" : found->dump(), "a count", ""});
}

std::vector<Shard> shards_of(const Manifest& manifest, const std::string& name) {
  std::vector<Shard> shards;
  const auto list = manifest.counts.find("shards");
  if (list == manifest.counts.end() || !list->is_array()) {
    throw DataError({name, "counts.shards", "nothing", "a list of shards", ""});
  }
  int64_t first = 0;
  for (const nlohmann::json& entry : *list) {
    Shard shard;
    shard.file = shard_file(std::ssize(shards));
    shard.first = count_of(entry, "first", name);
    shard.playlists = count_of(entry, "playlists", name);
    shard.entries = count_of(entry, "entries", name);
    if (!manifest.files.contains(shard.file) || shard.first != first) {
      throw DataError({name, fmt::format("counts.shards[{}]", shards.size()), entry.dump(),
                       fmt::format("file {} from playlist {}", shard.file, first), ""});
    }
    first += shard.playlists;
    shards.push_back(std::move(shard));
  }
  return shards;
}

}  // namespace

struct Dataset::Impl {
  std::filesystem::path path;
  Manifest manifest;
  int64_t num_playlists = 0, num_entries = 0, num_tracks = 0, num_raw_titles = 0;
  std::vector<Shard> shards;

  std::optional<Catalog> catalog;
  std::optional<TitleTable> titles;
  std::optional<std::vector<Part>> parts;
  std::list<std::pair<size_t, Hdf5File>> open_shards;  // most recently used first

  void check_shape(const Hdf5File& file, const Shard& shard, const char* name, int64_t rows) const {
    const std::vector<int64_t> shape = file.shape(name);
    if (shape == std::vector<int64_t>{rows}) return;
    throw DataError({(path / shard.file).string(), fmt::format("dataset '{}'", name),
                     "shape " + shape_text(shape), fmt::format("[{}] as the manifest says", rows),
                     ""});
  }

  void check_num_tracks(const StringTable& keys) const {
    if (keys.size() == num_tracks) return;
    throw DataError({(path / kCatalogFile).string(), "dataset 'track_keys'",
                     fmt::format("{} tracks", keys.size()),
                     fmt::format("{} as the manifest says", num_tracks), ""});
  }

  const Hdf5File& shard(size_t index) {
    const auto found = std::ranges::find(open_shards, index, &std::pair<size_t, Hdf5File>::first);
    if (found != open_shards.end()) {
      open_shards.splice(open_shards.begin(), open_shards, found);
    } else {
      Hdf5File file = Hdf5File::open(path / shards[index].file);
      check_shape(file, shards[index], "offsets", shards[index].playlists + 1);
      check_shape(file, shards[index], "titles", shards[index].playlists);
      check_shape(file, shards[index], "parts", shards[index].playlists);
      check_shape(file, shards[index], "tracks", shards[index].entries);
      open_shards.emplace_front(index, std::move(file));
      if (open_shards.size() > kOpenShards) open_shards.pop_back();
    }
    return open_shards.front().second;
  }

  // Playlists [first, first + count) of a shard, behind those in `block`.
  void read_from_shard(size_t index, int64_t first, int64_t count, PlaylistBlock* block) {
    const Hdf5File& file = shard(index);
    const std::string name = (path / shards[index].file).string();
    std::vector<int64_t> offsets(static_cast<size_t>(count) + 1);
    file.read_rows("offsets", first, count + 1, offsets.data());
    // Relative to the first playlist wanted, the offsets have to be those of a small CSR array.
    const int64_t first_entry = offsets[0];
    if (first_entry < 0 || (first == 0 && first_entry != 0)) {
      throw DataError({name, fmt::format("dataset 'offsets', row {}", first),
                       std::to_string(first_entry), "an offset from 0", ""});
    }
    for (int64_t& offset : offsets) offset -= first_entry;
    check_offsets(offsets, offsets.back(), name, "offsets");
    const int64_t num_entries_here = offsets.back();
    std::vector<int32_t> tracks(static_cast<size_t>(num_entries_here)),
        titles_here(static_cast<size_t>(count));
    std::vector<uint8_t> parts_here(static_cast<size_t>(count));
    file.read_rows("tracks", first_entry, num_entries_here, tracks.data());
    file.read_rows("titles", first, count, titles_here.data());
    file.read_rows("parts", first, count, parts_here.data());
    check_rows(tracks, 0, num_tracks, name, "tracks");
    check_rows(titles_here, 0, num_raw_titles, name, "titles");
    append_parts(parts_here, name, &block->parts);

    const int64_t base = block->offsets.back();
    for (size_t i = 1; i < offsets.size(); ++i) block->offsets.push_back(base + offsets[i]);
    block->tracks.insert(block->tracks.end(), tracks.begin(), tracks.end());
    block->titles.insert(block->titles.end(), titles_here.begin(), titles_here.end());
  }

  static void append_parts(const std::vector<uint8_t>& values, const std::string& file,
                           std::vector<Part>* out) {
    for (size_t i = 0; i < values.size(); ++i) {
      if (values[i] > static_cast<uint8_t>(Part::kTest)) {
        throw DataError({file, fmt::format("dataset 'parts', row {}", i), std::to_string(values[i]),
                         "0, 1 or 2", ""});
      }
      out->push_back(static_cast<Part>(values[i]));
    }
  }
};

Dataset::Dataset(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Dataset::~Dataset() = default;
Dataset::Dataset(Dataset&&) noexcept = default;
Dataset& Dataset::operator=(Dataset&&) noexcept = default;

Dataset Dataset::open(const std::filesystem::path& path, bool verify) {
  auto impl = std::make_unique<Impl>();
  impl->path = path;
  impl->manifest = read_manifest(path, "dataset");
  if (verify) verify_files(path, impl->manifest);
  const std::string name = (path / "manifest.json").string();
  const nlohmann::json& counts = impl->manifest.counts;
  impl->num_playlists = count_of(counts, "playlists", name);
  impl->num_entries = count_of(counts, "entries", name);
  impl->num_tracks = count_of(counts, "tracks", name);
  impl->num_raw_titles = count_of(counts, "raw_titles", name);
  impl->shards = shards_of(impl->manifest, name);
  int64_t playlists = 0, entries = 0;
  for (const Shard& shard : impl->shards) {
    playlists += shard.playlists;
    entries += shard.entries;
  }
  if (playlists != impl->num_playlists || entries != impl->num_entries) {
    throw DataError({name, "counts.shards",
                     fmt::format("{} playlists and {} entries", playlists, entries),
                     fmt::format("{} and {}", impl->num_playlists, impl->num_entries), ""});
  }
  for (const char* file : {kCatalogFile, kTitlesFile}) {
    if (!impl->manifest.files.contains(file)) {
      throw DataError({name, "files", "no " + std::string(file), "all files of a dataset", ""});
    }
  }
  return Dataset(std::move(impl));
}

const std::filesystem::path& Dataset::path() const {
  return impl_->path;
}
const Manifest& Dataset::manifest() const {
  return impl_->manifest;
}
int64_t Dataset::num_playlists() const {
  return impl_->num_playlists;
}
int64_t Dataset::num_entries() const {
  return impl_->num_entries;
}
int64_t Dataset::num_tracks() const {
  return impl_->num_tracks;
}

const Catalog& Dataset::catalog() const {
  if (!impl_->catalog) {
    Catalog catalog = read_catalog(impl_->path / kCatalogFile);
    impl_->check_num_tracks(catalog.track_keys);
    impl_->catalog = std::move(catalog);
  }
  return *impl_->catalog;
}

StringTable Dataset::track_keys() const {
  if (impl_->catalog) return impl_->catalog->track_keys;
  StringTable keys = Hdf5File::open(impl_->path / kCatalogFile).read_strings("track_keys");
  impl_->check_num_tracks(keys);
  return keys;
}

const TitleTable& Dataset::titles() const {
  if (!impl_->titles) {
    TitleTable titles = read_titles(impl_->path / kTitlesFile);
    if (titles.raw.size() != impl_->num_raw_titles) {
      throw DataError({(impl_->path / kTitlesFile).string(), "dataset 'raw'",
                       fmt::format("{} titles", titles.raw.size()),
                       fmt::format("{} as the manifest says", impl_->num_raw_titles), ""});
    }
    impl_->titles = std::move(titles);
  }
  return *impl_->titles;
}

const std::vector<Part>& Dataset::parts() const {
  if (!impl_->parts) {
    std::vector<Part> parts;
    for (size_t i = 0; i < impl_->shards.size(); ++i) {
      Impl::append_parts(impl_->shard(i).read<uint8_t>("parts"),
                         (impl_->path / impl_->shards[i].file).string(), &parts);
    }
    impl_->parts = std::move(parts);
  }
  return *impl_->parts;
}

std::vector<int64_t> Dataset::playlists_in(Part part) const {
  std::vector<int64_t> playlists;
  for (int64_t i = 0; i < num_playlists(); ++i) {
    if (parts()[i] == part) playlists.push_back(i);
  }
  return playlists;
}

std::vector<int32_t> Dataset::train_counts() const {
  std::vector<int32_t> counts = read_train_counts(impl_->path / kCatalogFile);
  if (std::ssize(counts) != impl_->num_tracks) {
    throw DataError({(impl_->path / kCatalogFile).string(), "dataset 'train_counts'",
                     fmt::format("{} rows", counts.size()),
                     fmt::format("{} as the manifest says", impl_->num_tracks), ""});
  }
  return counts;
}

PlaylistBlock Dataset::read(int64_t first, int64_t last) const {
  TUTTI_CHECK(0 <= first && first <= last && last <= num_playlists());
  PlaylistBlock block;
  block.first = first;
  for (size_t i = 0; i < impl_->shards.size(); ++i) {
    const Shard& shard = impl_->shards[i];
    const int64_t begin = std::max(first, shard.first);
    const int64_t end = std::min(last, shard.first + shard.playlists);
    if (begin < end) impl_->read_from_shard(i, begin - shard.first, end - begin, &block);
  }
  return block;
}

StringTable Dataset::keys(int64_t first, int64_t last) const {
  TUTTI_CHECK(0 <= first && first <= last && last <= num_playlists());
  StringTable keys;
  for (size_t i = 0; i < impl_->shards.size(); ++i) {
    const Shard& shard = impl_->shards[i];
    const int64_t begin = std::max(first, shard.first);
    const int64_t end = std::min(last, shard.first + shard.playlists);
    if (begin >= end) continue;
    const StringTable all = impl_->shard(i).read_strings("keys");
    if (all.size() != shard.playlists) {
      throw DataError({(impl_->path / shard.file).string(), "dataset 'keys'",
                       fmt::format("{} rows", all.size()), std::to_string(shard.playlists), ""});
    }
    for (int64_t p = begin; p < end; ++p) keys.push_back(all[p - shard.first]);
  }
  return keys;
}

}  // namespace tutti::data
