#include "data/synth/synthesize.h"

#include <gmock/gmock.h>

#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "data/dataset_writer.h"
#include "data/synth/playlist_generator.h"
#include "dist/runtime/errors.h"
#include "tests/data/catalogs.h"
#include "tests/support/thread_communicator.h"

namespace tutti::data {
namespace {

using testing::HasSubstr;

SynthOptions small_options() {
  SynthOptions options;
  options.num_playlists = 300;
  options.mean_length = 20;
  options.num_titles = 200;
  options.seed = 3;
  return options;
}

class Synthesize : public testing::Test {
 protected:
  Synthesize() {
    DatasetWriter writer(folder_ / "catalog", {}, {}, false);
    writer.set_catalog(small_catalog(600));
    writer.finish();
  }

  SynthResult make(const SynthOptions& options, const std::string& out, int threads = 1) {
    const auto comm = make_single_communicator();
    return make(options, out, threads, *comm);
  }
  SynthResult make(const SynthOptions& options, const std::string& out, int threads,
                   Communicator& comm) {
    ThreadPool pool(threads);
    return synthesize(Dataset::open(folder_ / "catalog"), options,
                      {.out = folder_ / out, .split = {}, .comm = comm, .pool = pool});
  }

  ScratchFolder folder_{"synth_test"};
};

TEST_F(Synthesize, GivesTheSameBytesForTheSameSeedOnAnyNumberOfThreads) {
  const auto one = make(small_options(), "one").manifest;
  std::this_thread::sleep_for(std::chrono::milliseconds(1100));  // a time stamp would show
  EXPECT_EQ(one.hash, make(small_options(), "two", 3).manifest.hash);
  SynthOptions other_seed = small_options();
  other_seed.seed = 4;
  EXPECT_NE(one.hash, make(other_seed, "three").manifest.hash);
}

TEST_F(Synthesize, GivesTheBytesThatWritingOneByOneGives) {
  const auto result = make(small_options(), "at once");
  const auto source = Dataset::open(folder_ / "catalog");
  DatasetWriter writer(folder_ / "one by one", {}, {}, false);
  writer.set_catalog(source.catalog());
  const PlaylistGenerator generator(source.catalog(), small_options());
  for (int64_t i = 0; i < 300; ++i) {
    const auto playlist = generator.playlist(i);
    writer.add_playlist(fmt::format("synth-{}", i), playlist.title,
                        std::span<const int32_t>(playlist.tracks), playlist.modified_at);
  }
  const auto manifest = writer.finish({{"catalog", source.manifest().hash}});
  EXPECT_EQ(result.manifest.hash, manifest.hash);
  EXPECT_EQ(result.manifest.counts, manifest.counts);
}

TEST_F(Synthesize, GivesTheSameBytesAtAnyWorldSize) {
  const auto alone = make(small_options(), "one").manifest;
  for (const int ranks : {2, 3}) {  // ranks without a shard: there is one of 25,000
    run_ranks(ranks, [&](Communicator& comm) {
      const auto result = make(small_options(), fmt::format("of {}", ranks), 1, comm);
      EXPECT_EQ(result.manifest.hash, alone.hash);
    });
  }
}

TEST_F(Synthesize, WritesWhatTheGeneratorMakes) {
  const auto result = make(small_options(), "out");
  const auto dataset = Dataset::open(folder_ / "out", true);
  ASSERT_EQ(dataset.num_playlists(), 300);
  EXPECT_EQ(dataset.num_entries(), result.statistics.entries);
  EXPECT_EQ(dataset.titles().normalized.size(), result.statistics.normalized_titles);
  EXPECT_EQ(dataset.titles().raw.size(), result.statistics.raw_titles);
  const Catalog catalog = small_catalog(600);
  const PlaylistGenerator generator(catalog, small_options());
  const auto block = dataset.read(0, 300);
  for (int64_t i = 0; i < 300; ++i) {
    const auto playlist = generator.playlist(i);
    EXPECT_EQ(generator.title(i).text, playlist.title);
    const auto tracks = block.tracks_of(i);
    EXPECT_TRUE(
        std::equal(tracks.begin(), tracks.end(), playlist.tracks.begin(), playlist.tracks.end()));
    EXPECT_EQ(dataset.titles().raw[block.titles[i]], playlist.title);
  }
  EXPECT_GT(dataset.playlists_in(Part::kTest).size(), 0U);
}

TEST_F(Synthesize, NamesTheCatalogueItWasMadeFromAndKeepsItsConfig) {
  const auto result = make(small_options(), "out");
  EXPECT_EQ(result.manifest.made_from.at("catalog"),
            Dataset::open(folder_ / "catalog").manifest().hash);
  EXPECT_EQ(result.manifest.config.at("seed"), 3);
  EXPECT_EQ(result.manifest.config.at("off_theme"), SynthOptions{}.off_theme);
}

TEST_F(Synthesize, LeavesNothingBehindWhenTheCatalogueIsRefused) {
  SynthOptions options = small_options();
  options.mean_length = 1;
  EXPECT_THROW(make(options, "out"), UsageError);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "out"));
}

TEST(SynthStatistics, CountByHandAndShowThePublishedFiguresBesideThem) {
  const std::vector<int32_t> artist = {0, 0, 1, -1}, album = {0, 1, 2, -1};
  SynthCounter counter({artist, album, 2, 3}, 3, 11);
  counter.add(0, {"Chill", 0, {0, 1}, 0});
  counter.add(1, {"chill", 0, {1}, 0});
  counter.add(2, {"rock", 2, {1, 3, 2}, 0});
  const auto s = counter.statistics(3);
  EXPECT_EQ(s.playlists, 3);
  EXPECT_EQ(s.entries, 6);
  EXPECT_EQ(s.shortest, 1);
  EXPECT_EQ(s.median_length, 2);
  EXPECT_EQ(s.longest, 3);
  EXPECT_EQ(s.all.tracks, 4);
  EXPECT_EQ(s.all.artists, 2);
  EXPECT_EQ(s.all.albums, 3);
  EXPECT_EQ(s.first_tenth.tracks, 2);  // of playlists 0 and 1
  EXPECT_EQ(s.first_tenth.artists, 1);
  EXPECT_EQ(s.first_tenth.albums, 2);
  EXPECT_DOUBLE_EQ(s.artists_a_playlist, (1 + 1 + 2) / 3.0);
  EXPECT_DOUBLE_EQ(s.albums_a_playlist, (2 + 1 + 2) / 3.0);
  EXPECT_DOUBLE_EQ(s.in_one_playlist, 3 / 4.0);
  EXPECT_DOUBLE_EQ(s.in_two, 0);
  EXPECT_EQ(s.normalized_titles, 2);
  EXPECT_EQ(s.raw_titles, 3);
  EXPECT_DOUBLE_EQ(s.top_track, 1.0);
  EXPECT_DOUBLE_EQ(s.popularity_hits, 2.0);
  EXPECT_DOUBLE_EQ(s.top_artist, 4 / 6.0);
  EXPECT_DOUBLE_EQ(s.top_title, 2.0 / 3);
  EXPECT_THAT(to_table(s),
              testing::AllOf(HasSubstr("simulated"), HasSubstr("66.35"), HasSubstr("17381")));
}

TEST(SynthStatistics, AreThoseOfAllRanksTogether) {
  const std::vector<int32_t> artist = {0, 0, 1, -1}, album = {0, 1, 2, -1};
  const std::vector<SynthPlaylist> playlists = {
      {"Chill", 0, {0, 1}, 0}, {"chill", 0, {1}, 0}, {"rock", 2, {1, 3, 2}, 0}};
  SynthCounter alone({artist, album, 2, 3}, 3, 3);
  for (int64_t i = 0; i < 3; ++i) alone.add(i, playlists[i]);
  run_ranks(2, [&](Communicator& comm) {
    SynthCounter counter({artist, album, 2, 3}, 3, 3);
    if (comm.is_root()) counter.add(0, playlists[0]);
    if (!comm.is_root()) counter.add(1, playlists[1]);
    if (!comm.is_root()) counter.add(2, playlists[2]);
    counter.merge(comm);
    EXPECT_EQ(to_table(counter.statistics(3)), to_table(alone.statistics(3)));
  });
}

}  // namespace
}  // namespace tutti::data
