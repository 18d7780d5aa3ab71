#include "data/synth/generated_catalog.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <numeric>
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "data/dataset.h"
#include "data/normalizer.h"
#include "data/synth/names.h"
#include "data/synth/scene_playlists.h"
#include "data/synth/synthesize.h"
#include "dist/runtime/errors.h"
#include "tests/data/catalogs.h"
#include "tests/support/temp_folder.h"
#include "tests/support/thread_communicator.h"

namespace tutti::data {
namespace {

using testing::HasSubstr;

CatalogOptions tracks(int64_t num_tracks) {
  return {.num_tracks = num_tracks, .seed = 5};
}

SynthOptions playlists(int64_t num_playlists) {
  SynthOptions options;
  options.num_playlists = num_playlists;
  options.num_titles = 400;
  options.seed = 5;
  return options;
}

TEST(Apportion, GivesEachPartOneItemAndTheRestByWeight) {
  EXPECT_THAT(apportion(10, std::vector<double>{1, 2, 0}), testing::ElementsAre(0, 3, 9, 10));
  EXPECT_THAT(apportion(3, std::vector<double>{5, 1, 1}), testing::ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(apportion(4, std::vector<double>{1}), testing::ElementsAre(0, 4));
}

TEST(CatalogLayout, HasAsManyArtistsAndAlbumsAsRealCataloguesOfItsSize) {
  const auto layout = lay_out_catalog(tracks(100'000));
  EXPECT_EQ(layout.num_tracks(), 100'000);
  EXPECT_EQ(layout.num_artists(), 13'078);
  EXPECT_EQ(layout.num_albums(), 32'475);
  // Zipf sizes: most artists have a few tracks, one has hundreds.
  int64_t largest = 0, small = 0;
  for (int64_t a = 0; a < layout.num_artists(); ++a) {
    const int64_t size = layout.artist_tracks[a + 1] - layout.artist_tracks[a];
    EXPECT_GE(size, 1);
    EXPECT_GE(layout.artist_albums[a + 1] - layout.artist_albums[a], 1);
    largest = std::max(largest, size);
    small += size <= 3;
  }
  EXPECT_GT(largest, 500);
  EXPECT_GT(small, layout.num_artists() / 4);
}

TEST(CatalogLayout, GivesEveryTrackOneRowThatItsArtistAndAlbumShare) {
  const auto layout = lay_out_catalog(tracks(3'000));
  std::set<int32_t> rows;
  for (int64_t place = 0; place < 3'000; ++place) rows.insert(layout.row_of(place));
  EXPECT_EQ(rows.size(), 3'000U);
  EXPECT_EQ(*rows.begin(), 0);
  EXPECT_EQ(*rows.rbegin(), 2'999);
  const auto makers = makers_by_row(layout);
  // Artists come one after the other, albums too, all numbers are used.
  for (const auto* owner : {&makers.artists, &makers.albums}) {
    EXPECT_EQ(owner->front(), 0);
    for (size_t row = 1; row < owner->size(); ++row) {
      EXPECT_THAT((*owner)[row] - (*owner)[row - 1], testing::AnyOf(0, 1));
    }
  }
  EXPECT_EQ(makers.artists.back(), layout.num_artists() - 1);
  EXPECT_EQ(makers.albums.back(), layout.num_albums() - 1);
}

TEST(CatalogLayout, RefusesNoTracksAndMoreThanRowsCanCount) {
  for (const int64_t n : {int64_t{0}, int64_t{-3}, int64_t{1} << 31}) {
    EXPECT_THAT(message_of<UsageError>([&] { lay_out_catalog(tracks(n)); }),
                testing::AllOf(HasSubstr("--tracks"), HasSubstr(std::to_string(n))));
  }
}

TEST(PopularityLine, FindsTheTrackOfEveryPoint) {
  std::vector<double> weights = {5, 1e-9, 3, 0.5, 1e-12, 1.5};
  const PopularityLine line(weights);
  EXPECT_EQ(line.place_at(0), 0);
  EXPECT_EQ(line.place_at(0.4999), 0);
  EXPECT_EQ(line.place_at(0.51), 2);
  EXPECT_EQ(line.place_at(0.81), 3);
  EXPECT_EQ(line.place_at(0.9999999), 5);
  EXPECT_DOUBLE_EQ(line.start_of(6), 1);
  Rng rng(1, Purpose::kTest);
  for (int i = 0; i < 2000; ++i) {
    const double point = rng.uniform();
    const int64_t place = line.place_at(point);
    EXPECT_LE(line.start_of(place), point);
    EXPECT_GT(line.start_of(place + 1), point);
  }
}

TEST(GeneratedCatalog, HasKeysNamesAndTagsForEveryTrackOnAnyNumberOfThreads) {
  ThreadPool one(1), two(2);
  const GeneratedCatalog generated(tracks(20'000), one);
  const Catalog catalog = generated.catalog(one);
  ASSERT_EQ(catalog.num_tracks(), 20'000);
  EXPECT_EQ(catalog.artist_keys.size(), generated.layout().num_artists());
  EXPECT_EQ(catalog.album_names.size(), generated.layout().num_albums());
  EXPECT_EQ(catalog.tag_names.size(), 187);
  int64_t tagged = 0;
  std::set<std::string_view> keys;
  for (int64_t t = 0; t < catalog.num_tracks(); ++t) {
    keys.insert(catalog.track_keys[t]);
    tagged += !catalog.tags_of(t).empty();
    EXPECT_GE(catalog.track_names[t].size(), 2U);
    EXPECT_GE(catalog.track_duration_s[t], 1);
    EXPECT_TRUE(std::ranges::is_sorted(catalog.tags_of(t)));
  }
  EXPECT_EQ(keys.size(), 20'000U);
  EXPECT_NEAR(static_cast<double>(tagged) / 20'000, 0.9, 0.02);
  EXPECT_NEAR(static_cast<double>(catalog.tags.size()) / 20'000, 2.8, 0.3);

  const Catalog again = GeneratedCatalog(tracks(20'000), two).catalog(two);
  EXPECT_EQ(catalog.track_names.bytes, again.track_names.bytes);
  EXPECT_EQ(catalog.album_names.bytes, again.album_names.bytes);
  EXPECT_EQ(catalog.artist_names.bytes, again.artist_names.bytes);
  EXPECT_EQ(catalog.tags, again.tags);
  EXPECT_EQ(catalog.track_album, again.track_album);
}

TEST(Names, RepeatAsSeldomAsInLife) {
  ThreadPool pool(2);
  const Catalog catalog = GeneratedCatalog(tracks(50'000), pool).catalog(pool);
  const SharedNames shared = count_shared_names(catalog);
  EXPECT_GT(shared.tracks_of_artist, 0);
  EXPECT_LT(shared.tracks_of_artist, 50'000 / 20);
  EXPECT_LT(shared.artists, catalog.artist_keys.size() / 5);
}

TEST(Names, AreCountedByHand) {
  Catalog catalog;
  for (const char* name : {"A", "B", "A"}) catalog.artist_names.push_back(name);
  for (const char* name : {"x", "x", "x", "y"}) {
    catalog.track_names.push_back(name);
    catalog.track_keys.push_back(name);
  }
  catalog.track_artist = {0, 0, 1, 1};
  const SharedNames shared = count_shared_names(catalog);
  EXPECT_EQ(shared.artists, 2);
  EXPECT_EQ(shared.tracks_of_artist, 2);
}

TEST(SceneTitles, KeepBothMargins) {
  ThreadPool pool(1);
  const GeneratedCatalog catalog(tracks(20'000), pool);
  const TitlePool titles(catalog.scenes(), playlists(100));
  const SceneTitles of_scene(titles, catalog.scenes());
  ASSERT_GT(catalog.scenes().size(), 10);
  for (int64_t t = 0; t < titles.size(); ++t) {
    double frequency = 0;
    for (int64_t s = 0; s < catalog.scenes().size(); ++s) {
      frequency += catalog.scenes().share(s) * of_scene.chance(s, t);
    }
    EXPECT_NEAR(frequency, titles.frequency(t), 0.01 * titles.frequency(t)) << t;
  }
}

TEST(ScenePlaylists, AreAboutWhatTheirTitleSays) {
  ThreadPool pool(1);
  const GeneratedCatalog generated(tracks(20'000), pool);
  const Catalog catalog = generated.catalog(pool);
  const ScenePlaylists source(generated, playlists(2'000));
  int64_t entries = 0, carrying = 0, expected = 0;
  std::vector<int64_t> tracks_with(catalog.tag_names.size());
  for (const int32_t tag : catalog.tags) ++tracks_with[tag];
  for (int64_t i = 0; i < 2'000; ++i) {
    const auto playlist = source.playlist(i);
    EXPECT_EQ(source.title(i).text, playlist.title);
    EXPECT_EQ(source.title(i).row, playlist.title_row);
    const auto& meanings = source.titles().title(playlist.title_row).meanings;
    if (meanings.size() != 1 || meanings[0].tags.size() != 1) continue;
    const int32_t tag = meanings[0].tags[0];
    for (const int32_t track : playlist.tracks) {
      ++entries;
      carrying += std::ranges::binary_search(catalog.tags_of(track), tag);
      expected += tracks_with[tag];
    }
  }
  ASSERT_GT(entries, 3'000);
  const double share = static_cast<double>(carrying) / static_cast<double>(entries);
  const double by_chance = static_cast<double>(expected) / static_cast<double>(entries) / 20'000;
  EXPECT_GT(share, 3 * by_chance);
  EXPECT_GT(share, 0.3);
}

TEST(ScenePlaylists, HoldNearlyEveryTrackAndLookLikeRealOnes) {
  ThreadPool pool(2);
  // A hundredth of the Million Playlist Dataset.
  const GeneratedCatalog catalog(tracks(22'623), pool);
  SynthOptions options = playlists(10'000);
  options.num_titles = 17'381;
  const ScenePlaylists source(catalog, options);
  const auto makers = makers_by_row(catalog.layout());
  SynthCounter counter({makers.artists, makers.albums, catalog.layout().num_artists(),
                        catalog.layout().num_albums()},
                       source.num_titles(), 10'000);
  for (int64_t i = 0; i < 10'000; ++i) counter.add(i, source.playlist(i));
  const SynthStatistics s = counter.statistics(0);
  EXPECT_NEAR(s.mean_length, 66.35, 1.5);
  EXPECT_GE(s.shortest, 5);
  EXPECT_LE(s.longest, 250);
  EXPECT_GT(s.all.tracks, 22'200);
  EXPECT_GT(s.all.artists, 0.99 * static_cast<double>(catalog.layout().num_artists()));
  EXPECT_GT(s.in_one_playlist, 0.20);
  EXPECT_LT(s.in_one_playlist, 0.65);
  EXPECT_GT(s.artists_a_playlist, 20);
  EXPECT_LT(s.artists_a_playlist, 50);
  EXPECT_GT(s.albums_a_playlist, s.artists_a_playlist);
  EXPECT_NEAR(s.top_20_titles, 0.12, 0.02);
}

TEST(ScenePlaylists, NeverRepeatATrackInTheSmallestCatalogues) {
  ThreadPool pool(1);
  for (const int64_t n : {1, 2, 3, 17}) {
    const GeneratedCatalog catalog(tracks(n), pool);
    const ScenePlaylists source(catalog, playlists(40));
    for (int64_t i = 0; i < 40; ++i) {
      const auto playlist = source.playlist(i);
      const std::set distinct(playlist.tracks.begin(), playlist.tracks.end());
      EXPECT_EQ(distinct.size(), playlist.tracks.size());
      EXPECT_EQ(std::ssize(playlist.tracks) >= 1, true);
      EXPECT_GE(*distinct.begin(), 0);
      EXPECT_LT(*distinct.rbegin(), n);
    }
  }
}

TEST(ScenePlaylists, RefuseAMeanLengthThatCannotBeHad) {
  ThreadPool pool(1);
  const GeneratedCatalog catalog(tracks(100), pool);
  SynthOptions options = playlists(10);
  options.mean_length = 240;
  EXPECT_THAT(message_of<UsageError>([&] { ScenePlaylists(catalog, options); }),
              HasSubstr("--mean-length"));
}

class SynthesizeGenerated : public testing::Test {
 protected:
  SynthResult make(int64_t num_tracks, int64_t num_playlists, const std::string& out, int threads,
                   Communicator& comm) {
    ThreadPool pool(threads);
    return synthesize(tracks(num_tracks), playlists(num_playlists),
                      {.out = folder_ / out,
                       .split = {},
                       .comm = comm,
                       .pool = pool,
                       .playlists_per_shard = 250});
  }
  SynthResult make(int64_t num_tracks, int64_t num_playlists, const std::string& out) {
    const auto comm = make_single_communicator();
    return make(num_tracks, num_playlists, out, 1, *comm);
  }

  ScratchFolder folder_{"synthesize_generated"};
};

TEST_F(SynthesizeGenerated, GivesTheSameBytesAtAnyWorldSizeAndThreadCount) {
  // Three shards of 250, so that four ranks leave one without.
  const auto alone = make(500, 700, "alone");
  for (const int ranks : {1, 2, 3, 4}) {
    for (const int threads : {1, 2}) {
      if (ranks == 1 && threads == 1) continue;
      const std::string out = fmt::format("{} x {}", ranks, threads);
      run_ranks(ranks, [&](Communicator& comm) {
        const auto result = make(500, 700, out, threads, comm);
        EXPECT_EQ(result.manifest.hash, alone.manifest.hash) << out;
        EXPECT_EQ(result.manifest.counts, alone.manifest.counts) << out;
        EXPECT_EQ(to_table(result.statistics), to_table(alone.statistics)) << out;
      });
      std::filesystem::remove_all(folder_ / out);
    }
  }
}

TEST_F(SynthesizeGenerated, WritesADatasetThatCanBeReadInRanges) {
  const auto result = make(300, 1'000, "out");
  const auto dataset = Dataset::open(folder_ / "out", true);
  EXPECT_EQ(dataset.num_playlists(), 1'000);
  EXPECT_EQ(dataset.num_tracks(), 300);
  EXPECT_EQ(dataset.manifest().config.at("simulated"), true);
  EXPECT_EQ(dataset.manifest().config.at("catalog").at("num_tracks"), 300);
  EXPECT_EQ(dataset.titles().raw.size(), result.statistics.raw_titles);
  ThreadPool pool(1);
  const GeneratedCatalog catalog(tracks(300), pool);
  const ScenePlaylists source(catalog, playlists(1'000));
  const auto block = dataset.read(700, 710);
  for (int64_t i = 0; i < 10; ++i) {
    const auto playlist = source.playlist(700 + i);
    EXPECT_THAT(playlist.tracks, testing::ElementsAreArray(block.tracks_of(i)));
    EXPECT_EQ(dataset.titles().raw[block.titles[i]], playlist.title);
  }
  EXPECT_EQ(dataset.keys(700, 701)[0], "synth-700");
  // The split of DESIGN section 7: whole titles, then single playlists.
  const auto& titles = dataset.titles();
  int64_t unseen = 0;
  for (const int32_t n : titles.train_playlists_of) unseen += n == 0;
  EXPECT_NEAR(static_cast<double>(unseen) / static_cast<double>(titles.normalized.size()), 0.11,
              0.06);
  EXPECT_NEAR(static_cast<double>(dataset.playlists_in(Part::kTrain).size()), 855, 60);
}

TEST_F(SynthesizeGenerated, TakesTheSmallestSizesAndMoreRanksThanPlaylists) {
  for (const auto& [num_tracks, num_playlists] :
       std::vector<std::pair<int64_t, int64_t>>{{1, 1}, {1, 3}, {5, 1}}) {
    const std::string out = fmt::format("{} {}", num_tracks, num_playlists);
    run_ranks(3, [&, tracks = num_tracks, playlists = num_playlists](Communicator& comm) {
      make(tracks, playlists, out, 1, comm);
    });
    const auto dataset = Dataset::open(folder_ / out, true);
    EXPECT_EQ(dataset.num_playlists(), num_playlists);
    EXPECT_EQ(dataset.num_tracks(), num_tracks);
    EXPECT_GE(dataset.num_entries(), num_playlists);
  }
}

TEST_F(SynthesizeGenerated, FailsOnAllRanksAndLeavesNothing) {
  for (const auto& [num_tracks, out] : std::vector<std::pair<int64_t, std::string>>{
           {0, "bad"}, {int64_t{1} << 33, "bad"}, {10, "taken"}}) {
    if (out == "taken") std::filesystem::create_directories(folder_ / out / "x");
    int failed[2] = {0, 0};
    EXPECT_THROW(run_ranks(2,
                           [&, tracks = num_tracks, folder = out](Communicator& comm) {
                             try {
                               make(tracks, 100, folder, 1, comm);
                             } catch (const Error& error) {
                               EXPECT_EQ(error.code(), ExitCode::kUsage);
                               failed[comm.rank()] = 1;
                               throw;
                             }
                           }),
                 Error);
    EXPECT_EQ(failed[0] + failed[1], 2);
  }
  EXPECT_FALSE(std::filesystem::exists(folder_ / "bad"));
  // Hidden folders too: only what was there.
  const std::filesystem::path parent = (folder_ / "x").parent_path();
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(parent), {}), 1);
}

}  // namespace
}  // namespace tutti::data
