#include "data/synth/synthesize.h"

#include <algorithm>
#include <exception>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "data/sharded_writer.h"
#include "data/synth/playlist_generator.h"
#include "data/synth/scene_playlists.h"
#include "dist/together.h"

namespace tutti::data {
namespace {

constexpr int64_t kPlaylistsPerRound = 8192;  // held in memory at once
constexpr int64_t kPlaylistsPerBlock = 128;

nlohmann::json manifest_config(const SynthOptions& options, const SplitOptions& split) {
  nlohmann::json config = to_json(options);
  config["simulated"] = true;  // reports must say so
  config["unseen_titles"] = split.unseen_titles;
  config["held_out"] = split.held_out;
  config["split_seed"] = split.seed;
  return config;
}

// Calls make(i) for every playlist of `own` on the threads, and take(i) in order on this one.
template <typename Make, typename Take>
void in_rounds(Range own, ThreadPool& pool, const Make& make, const Take& take) {
  for (int64_t first = own.first; first < own.last; first += kPlaylistsPerRound) {
    const int64_t size = std::min(kPlaylistsPerRound, own.last - first);
    pool.for_each_block((size + kPlaylistsPerBlock - 1) / kPlaylistsPerBlock,
                        [&](int64_t block, int) {
                          const int64_t begin = block * kPlaylistsPerBlock;
                          const int64_t end = std::min(begin + kPlaylistsPerBlock, size);
                          for (int64_t i = begin; i < end; ++i) make(i, first + i);
                        });
    for (int64_t i = 0; i < size; ++i) take(i, first + i);
  }
}

void declare_titles(const PlaylistSource& source, const SynthRun& run,
                    ShardedDatasetWriter* writer) {
  std::vector<std::string> round(kPlaylistsPerRound);
  in_rounds(
      writer->own(), run.pool,
      [&](int64_t i, int64_t index) { round[i] = source.title(index).text; },
      [&](int64_t i, int64_t) { writer->declare_title(round[i]); });
  writer->share_titles();
}

void add_playlists(const PlaylistSource& source, const TrackMakers& makers, const SynthRun& run,
                   ShardedDatasetWriter* writer, SynthCounter* counter) {
  std::vector<SynthPlaylist> round(kPlaylistsPerRound);
  std::vector<Variety> varieties(kPlaylistsPerRound);
  int64_t done = 0;
  in_rounds(
      writer->own(), run.pool,
      [&](int64_t i, int64_t index) {
        round[i] = source.playlist(index);
        varieties[i] = variety_of(round[i].tracks, makers);
      },
      [&](int64_t i, int64_t index) {
        const SynthPlaylist& playlist = round[i];
        writer->add_playlist(fmt::format("synth-{}", index), playlist.title, playlist.tracks,
                             playlist.modified_at);
        counter->add(index, playlist, varieties[i]);
        if (++done % kPlaylistsPerRound == 0 && run.on_progress) {
          run.on_progress(done * run.comm.size());
        }
      });
}

// `make_catalog` is called on rank 0, when all playlists are written.
SynthResult write_playlists(const PlaylistSource& source, const TrackMakers& makers,
                            const SynthOptions& options,
                            const std::function<const Catalog&()>& make_catalog,
                            std::map<std::string, std::string> made_from,
                            ShardedDatasetWriter* writer, const SynthRun& run) {
  SynthResult result;
  SynthCounter counter(makers, source.num_titles(), options.num_playlists);
  declare_titles(source, run, writer);
  const Catalog* catalog = nullptr;
  run_together(run.comm, [&] {
    add_playlists(source, makers, run, writer, &counter);
    if (run.comm.is_root()) catalog = &make_catalog();
  });
  result.manifest = writer->finish(catalog, std::move(made_from));
  counter.merge(run.comm);
  result.statistics = counter.statistics(writer->titles().raw.size());
  return result;
}

ShardedDatasetOptions sharded(const SynthRun& run, nlohmann::json config,
                              const SynthOptions& options, int64_t num_tracks) {
  return {.out = run.out,
          .overwrite = run.overwrite,
          .config = std::move(config),
          .split = run.split,
          .num_playlists = options.num_playlists,
          .num_tracks = num_tracks,
          .playlists_per_shard = run.playlists_per_shard};
}

}  // namespace

SynthResult synthesize(const Dataset& source, const SynthOptions& options, const SynthRun& run) {
  const Catalog& catalog = source.catalog();
  // First the writer: a destination that cannot be had is said before the work starts.
  ShardedDatasetWriter writer(
      sharded(run, manifest_config(options, run.split), options, source.num_tracks()), run.comm);
  try {
    std::optional<PlaylistGenerator> generator;
    run_together(run.comm, [&] { generator.emplace(catalog, options); });
    const TrackMakers makers{catalog.track_artist, catalog.track_album, catalog.artist_keys.size(),
                             catalog.album_keys.size()};
    return write_playlists(
        *generator, makers, options, [&]() -> const Catalog& { return catalog; },
        {{"catalog", source.manifest().hash}}, &writer, run);
  } catch (...) {
    writer.give_up();
    throw;
  }
}

SynthResult synthesize(const CatalogOptions& catalog_options, const SynthOptions& options,
                       const SynthRun& run) {
  check_num_tracks(catalog_options);
  nlohmann::json config = manifest_config(options, run.split);
  config["catalog"] = to_json(catalog_options);
  config["catalog_simulated"] = true;
  ShardedDatasetWriter writer(sharded(run, std::move(config), options, catalog_options.num_tracks),
                              run.comm);
  try {
    std::optional<GeneratedCatalog> generated;
    std::optional<ScenePlaylists> playlists;
    run_together(run.comm, [&] {
      generated.emplace(catalog_options, run.pool);
      playlists.emplace(*generated, options);
    });
    const auto [artists, albums] = makers_by_row(generated->layout());
    const TrackMakers makers{artists, albums, generated->layout().num_artists(),
                             generated->layout().num_albums()};
    Catalog catalog;
    SynthResult result = write_playlists(
        *playlists, makers, options,
        [&]() -> const Catalog& { return catalog = generated->catalog(run.pool); }, {}, &writer,
        run);
    if (run.comm.is_root()) result.shared_names = count_shared_names(catalog);
    return result;
  } catch (...) {
    writer.give_up();
    throw;
  }
}

}  // namespace tutti::data
