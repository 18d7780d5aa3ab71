#include "data/sharded_writer.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "data/dataset_counts.h"
#include "data/dataset_files.h"
#include "data/dataset_writer.h"
#include "data/normalizer.h"
#include "data/string_index.h"
#include "dist/runtime/errors.h"
#include "dist/together.h"

namespace tutti::data {
namespace {

std::string broadcast_text(std::string text, Communicator& comm) {
  auto size = static_cast<int64_t>(text.size());
  comm.broadcast(&size, sizeof(size), 0);
  text.resize(static_cast<size_t>(size));
  comm.broadcast(text.data(), size, 0);
  return text;
}

// Every rank's rows, in rank order.
StringTable all_gather_strings(const StringTable& mine, Communicator& comm) {
  std::vector<int64_t> sizes;
  sizes.reserve(static_cast<size_t>(mine.size()));
  for (int64_t i = 0; i < mine.size(); ++i) sizes.push_back(std::ssize(mine[i]));
  const auto all_sizes = comm.all_gather(std::span<const int64_t>(sizes));
  const auto bytes = comm.all_gather(std::span<const char>(mine.bytes));
  StringTable all;
  all.bytes.assign(bytes.begin(), bytes.end());
  for (const int64_t size : all_sizes) all.offsets.push_back(all.offsets.back() + size);
  return all;
}

}  // namespace

struct ShardedDatasetWriter::Impl {
  Impl(ShardedDatasetOptions given, Communicator& communicator)
      : options(std::move(given)),
        comm(communicator),
        own(owned_range(options.num_playlists, options.playlists_per_shard, comm.rank(),
                        comm.size())) {
    TUTTI_CHECK(options.num_playlists > 0 && options.playlists_per_shard > 0);
    run_together(comm, [&] {
      if (comm.is_root()) artefact.emplace(options.out, "dataset", options.overwrite);
    });
    folder = broadcast_text(
        comm.is_root() ? artefact->file(shard_file(0)).parent_path().string() : "", comm);
    train_counts.assign(static_cast<size_t>(options.num_tracks), 0);
    block.first = own.first;
  }

  void write_block() {
    if (block.size() == 0) return;
    const int64_t first = block.first, entries = std::ssize(block.tracks);
    write_shard(std::filesystem::path(folder) / shard_file(first / options.playlists_per_shard),
                block, details);
    shards.insert(shards.end(), {first, block.size(), entries});
    const int64_t next = first + block.size();
    block = PlaylistBlock();
    block.first = next;
    details = PlaylistDetails();
  }

  // Sums over all ranks, and the shards of all ranks in order.
  DatasetTotals share_totals() {
    comm.all_reduce(train_counts.data(), std::ssize(train_counts), DType::kInt32, ReduceOp::kSum);
    auto& of_titles = titles.train_playlists_of;
    comm.all_reduce(of_titles.data(), std::ssize(of_titles), DType::kInt32, ReduceOp::kSum);
    DatasetTotals totals;
    totals.playlists_in = playlists_in;
    comm.all_reduce_sum(std::span<int64_t>(totals.playlists_in));
    const auto all = comm.all_gather(std::span<const int64_t>(shards));
    for (size_t i = 0; i < all.size(); i += 3) {
      totals.shards.push_back(
          {{"first", all[i]}, {"playlists", all[i + 1]}, {"entries", all[i + 2]}});
      totals.entries += all[i + 2];
    }
    return totals;
  }

  ShardedDatasetOptions options;
  Communicator& comm;
  Range own;
  std::optional<ArtefactWriter> artefact;  // rank 0
  std::string folder;                      // where rank 0 collects the files

  TitleTable titles;
  StringIndex raw_index;
  bool titles_are_shared = false;

  std::vector<int32_t> train_counts;  // [num_tracks]
  std::array<int64_t, 3> playlists_in{};
  std::vector<int64_t> shards;  // first, playlists, entries of each shard of this rank
  PlaylistBlock block;          // the shard being filled
  PlaylistDetails details;
};

ShardedDatasetWriter::ShardedDatasetWriter(ShardedDatasetOptions options, Communicator& comm)
    : impl_(std::make_unique<Impl>(std::move(options), comm)) {}
ShardedDatasetWriter::~ShardedDatasetWriter() = default;

Range ShardedDatasetWriter::own() const {
  return impl_->own;
}
const TitleTable& ShardedDatasetWriter::titles() const {
  return impl_->titles;
}

void ShardedDatasetWriter::declare_title(std::string_view raw) {
  TUTTI_CHECK(!impl_->titles_are_shared);
  impl_->raw_index.add(impl_->titles.raw, raw);
}

// The parts of the ranks follow one another, so the titles in order of first occurrence are those
// of rank 0, then what rank 1 adds, and so on.
void ShardedDatasetWriter::share_titles() {
  Impl& w = *impl_;
  TUTTI_CHECK(!w.titles_are_shared);
  const StringTable all = all_gather_strings(w.titles.raw, w.comm);
  w.titles = TitleTable();
  w.raw_index = StringIndex();
  StringIndex normalized_index;
  for (int64_t i = 0; i < all.size(); ++i) {
    const int32_t row = w.raw_index.add(w.titles.raw, all[i]);
    if (row < std::ssize(w.titles.normalized_of)) continue;
    const std::string normalized = normalize_title(all[i]);
    TUTTI_CHECK(!normalized.empty(), std::string(all[i]));
    w.titles.normalized_of.push_back(normalized_index.add(w.titles.normalized, normalized));
  }
  w.titles.train_playlists_of.assign(static_cast<size_t>(w.titles.normalized.size()), 0);
  w.titles_are_shared = true;
}

void ShardedDatasetWriter::add_playlist(std::string_view key, std::string_view title,
                                        std::span<const int32_t> tracks, int64_t modified_at) {
  Impl& w = *impl_;
  TUTTI_CHECK(w.titles_are_shared && w.block.first + w.block.size() < w.own.last);
  const int32_t raw = w.raw_index.find(w.titles.raw, title);
  TUTTI_CHECK(raw >= 0, std::string(title));
  const int32_t normalized = w.titles.normalized_of[raw];
  const Part part = part_of(w.options.split, w.titles.normalized[normalized], key);
  if (part == Part::kTrain) {
    ++w.titles.train_playlists_of[normalized];
    for (const int32_t track : tracks) ++w.train_counts[track];
  }
  ++w.playlists_in[static_cast<size_t>(part)];
  w.block.tracks.insert(w.block.tracks.end(), tracks.begin(), tracks.end());
  w.block.offsets.push_back(std::ssize(w.block.tracks));
  w.block.titles.push_back(raw);
  w.block.parts.push_back(part);
  w.details.keys.push_back(key);
  w.details.modified_at.push_back(modified_at);
  const int64_t next = w.block.first + w.block.size();
  if (next == w.own.last || next % w.options.playlists_per_shard == 0) w.write_block();
}

Manifest ShardedDatasetWriter::finish(const Catalog* catalog,
                                      std::map<std::string, std::string> made_from) {
  Impl& w = *impl_;
  TUTTI_CHECK(w.block.size() == 0 && (w.own.size() == 0 || w.block.first == w.own.last));
  const DatasetTotals totals = w.share_totals();
  std::string text;
  run_together(w.comm, [&] {
    if (!w.comm.is_root()) return;
    TUTTI_CHECK(catalog != nullptr && catalog->num_tracks() == w.options.num_tracks);
    write_titles(w.artefact->file(kTitlesFile), w.titles);
    write_catalog(w.artefact->file(kCatalogFile), *catalog, w.train_counts);
    Manifest manifest;
    manifest.config = w.options.config;
    manifest.made_from = std::move(made_from);
    manifest.counts = dataset_counts(*catalog, w.titles, totals);
    CleaningReport cleaning;
    cleaning.playlists_read = cleaning.playlists_kept = w.options.num_playlists;
    manifest.counts["cleaning"] = to_json(cleaning);
    w.artefact->commit(std::move(manifest));
  });
  return read_manifest(w.options.out, "dataset");
}

void ShardedDatasetWriter::give_up() {
  impl_->comm.barrier();  // nobody writes any more
  impl_->artefact.reset();
  impl_->comm.barrier();  // what one rank reports is gone
}

}  // namespace tutti::data
