#include "data/synth/synthesize.h"

#include <algorithm>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "dist/runtime/thread_pool.h"

namespace tutti::data {
namespace {

constexpr int64_t kPlaylistsPerRound = 8192;  // held in memory at once
constexpr int64_t kPlaylistsPerBlock = 128;

}  // namespace

SynthResult synthesize(const Dataset& source, const SynthOptions& options,
                       const DatasetOptions& dataset_options, const std::filesystem::path& out,
                       bool overwrite, int num_threads,
                       const std::function<void(int64_t)>& on_progress) {
  // First the writer: a destination that cannot be had is said before the work starts.
  nlohmann::json config = to_json(options);
  config["simulated"] = true;  // reports must say so
  config["unseen_titles"] = dataset_options.split.unseen_titles;
  config["held_out"] = dataset_options.split.held_out;
  config["split_seed"] = dataset_options.split.seed;
  DatasetWriter writer(out, dataset_options, std::move(config), overwrite);
  const PlaylistGenerator generator(source.catalog(), options);
  writer.set_catalog(source.catalog());
  SynthCounter counter(source.num_tracks(), generator.titles().size());
  ThreadPool pool(num_threads);
  std::vector<SynthPlaylist> round;
  for (int64_t first = 0; first < options.num_playlists; first += kPlaylistsPerRound) {
    const int64_t size = std::min(kPlaylistsPerRound, options.num_playlists - first);
    round.resize(size);
    pool.for_each_block((size + kPlaylistsPerBlock - 1) / kPlaylistsPerBlock,
                        [&](int64_t block, int) {
                          const int64_t begin = block * kPlaylistsPerBlock;
                          const int64_t end = std::min(begin + kPlaylistsPerBlock, size);
                          for (int64_t i = begin; i < end; ++i) {
                            round[i] = generator.playlist(first + i);
                          }
                        });
    for (int64_t i = 0; i < size; ++i) {
      writer.add_playlist(fmt::format("synth-{}", first + i), round[i].title,
                          std::span<const int32_t>(round[i].tracks), round[i].modified_at);
      counter.add(round[i]);
    }
    if (on_progress) on_progress(first + size);
  }
  return {writer.finish({{"catalog", source.manifest().hash}}), counter.statistics()};
}

nlohmann::json to_json(const SynthOptions& o) {
  return {
      {"num_playlists", o.num_playlists},
      {"seed", o.seed},
      {"mean_length", o.mean_length},
      {"length_sigma", o.length_sigma},
      {"min_length", o.min_length},
      {"max_length", o.max_length},
      {"min_theme_tracks", o.min_theme_tracks},
      {"popularity_exponent", o.popularity_exponent},
      {"popularity_offset", o.popularity_offset},
      {"artist_share", o.artist_share},
      {"theme_flatness", o.theme_flatness},
      {"num_titles", o.num_titles},
      {"title_exponent", o.title_exponent},
      {"title_offset", o.title_offset},
      {"vague_titles", o.vague_titles},
      {"context_titles", o.context_titles},
      {"two_tags", o.two_tags},
      {"three_tags", o.three_tags},
      {"hidden_tag", o.hidden_tag},
      {"vague_theme", o.vague_theme},
      {"partial_theme", o.partial_theme},
      {"artist_run", o.artist_run},
      {"album_run", o.album_run},
      {"off_theme", o.off_theme},
  };
}

}  // namespace tutti::data
