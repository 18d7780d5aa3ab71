#include "data/dataset_writer.h"

#include <fmt/format.h>

#include "data/dataset.h"
#include "dist/runtime/errors.h"
#include "tests/data/damage.h"

namespace tutti::data {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// Playlists of every kind of dirt, through the overload with rows.
void add_dirty_playlists(DatasetWriter* writer) {
  const auto add = [&](std::string_view key, std::string_view title,
                       const std::vector<std::string>& tracks) {
    std::vector<TrackRow> rows;
    rows.reserve(tracks.size());
    for (const std::string& track : tracks) rows.push_back({.key = track});
    writer->add_playlist(key, title, rows);
  };
  add("1", "Good one", {"a", "b", "c"});
  add("2", "twice twice", {"b", "b", "d", "b"});
  add("3", "...", {"x", "y"});
  add("4", "short after all", {"x", "x"});
  add("5", "🔥", {"a", "d"});
  add("6", "empty list", {});
  add("7", "Good  ONE", {"a", "e"});
}

void add_track_and_playlist(DatasetWriter* writer) {
  const std::vector<int32_t> tracks = {writer->add_track({.key = "a"}),
                                       writer->add_track({.key = "b"})};
  writer->add_playlist("1", "title", tracks);
}

TEST(DatasetWriter, CleansByRuleAndCounts) {
  TempFolder folder;
  DatasetWriter writer(folder / "d", {}, {}, false);
  add_dirty_playlists(&writer);
  const Manifest manifest = writer.finish();
  const nlohmann::json& cleaning = manifest.counts.at("cleaning");
  EXPECT_EQ(cleaning.at("playlists_read"), 7);
  EXPECT_EQ(cleaning.at("playlists_kept"), 4);
  EXPECT_EQ(cleaning.at("playlists_repeating_a_track"), 2);
  EXPECT_EQ(cleaning.at("repeated_tracks_removed"), 3);
  EXPECT_EQ(cleaning.at("dropped_empty_title"), 1);
  EXPECT_EQ(cleaning.at("dropped_few_tracks"), 1);
  EXPECT_EQ(cleaning.at("dropped_no_tracks"), 1);

  const Dataset dataset = Dataset::open(folder / "d");
  const PlaylistBlock block = dataset.read(0, 4);
  EXPECT_EQ(dataset.num_tracks(), 5);  // x and y occur in dropped playlists only
  EXPECT_THAT(block.tracks_of(1), ElementsAre(1, 3));
  EXPECT_EQ(dataset.titles().raw.size(), 4);
  EXPECT_EQ(dataset.titles().normalized.size(), 3);  // "good one" twice
  EXPECT_EQ(dataset.titles().raw[2], "🔥");
}

TEST(DatasetWriter, RefusesDirtWhenStrict) {
  TempFolder folder;
  DatasetOptions options;
  options.strict = true;
  DatasetWriter writer(folder / "d", options, {}, false);
  writer.set_source("list.csv");
  const TrackRow a{.key = "a"}, b{.key = "b"};
  writer.add_playlist("1", "fine", std::vector<TrackRow>{a, b});
  const auto message = [&](std::string_view title, const std::vector<TrackRow>& tracks) {
    return message_of<DataError>([&] { writer.add_playlist("7", title, tracks); });
  };
  EXPECT_THAT(message("x", {a, b, a}),
              HasSubstr("list.csv: playlist '7': found 1 repeated tracks"));
  EXPECT_THAT(message("?!", {a, b}), HasSubstr("playlist '7': found title '?!' has no letter"));
  EXPECT_THAT(message("x", {}), HasSubstr("playlist '7': found no tracks"));
  EXPECT_THAT(message("caf\xe9", {a, b}), HasSubstr("is not UTF-8"));
}

TEST(DatasetWriter, DropsWhatTheUserFiltersOut) {
  TempFolder folder;
  DatasetOptions options;
  options.strict = true;  // filters are no dirt
  options.min_tracks = 3;
  options.min_title_words = 2;
  options.stop_titles = {"my playlist"};
  DatasetWriter writer(folder / "d", options, {}, false);
  const TrackRow a{.key = "a"}, b{.key = "b"}, c{.key = "c"};
  const std::vector<TrackRow> three = {a, b, c}, two = {a, b};
  writer.add_playlist("1", "one word", three);
  writer.add_playlist("2", "word", three);
  writer.add_playlist("3", "My playlist!", three);
  writer.add_playlist("4", "too short", two);
  const nlohmann::json cleaning = writer.finish().counts.at("cleaning");
  EXPECT_EQ(cleaning.at("playlists_kept"), 1);
  EXPECT_EQ(cleaning.at("dropped_few_title_words"), 1);
  EXPECT_EQ(cleaning.at("dropped_stop_title"), 1);
  EXPECT_EQ(cleaning.at("dropped_few_tracks"), 1);
}

TEST(DatasetWriter, RepairsTextThatIsNotUtf8) {
  TempFolder folder;
  DatasetWriter writer(folder / "d", {}, {}, false);
  const std::vector<TrackRow> tracks = {{.key = "a", .name = "caf\xe9"}, {.key = "b"}};
  writer.add_playlist("1", "na\xefve", tracks);
  EXPECT_EQ(writer.finish().counts.at("cleaning").at("invalid_utf8_replaced"), 2);
  const Dataset dataset = Dataset::open(folder / "d");
  EXPECT_EQ(dataset.catalog().track_names[0], "caf\uFFFD");
  EXPECT_EQ(dataset.titles().raw[0], "na\uFFFDve");
}

TEST(DatasetWriter, KnowsArtistsAndAlbumsByKeyOrName) {
  TempFolder folder;
  DatasetWriter writer(folder / "d", {}, {}, false);
  writer.add_track({.key = "a", .artist_key = "k1", .artist_name = "X", .album_key = "z"});
  writer.add_track({.key = "b", .artist_key = "k1", .artist_name = "other"});
  writer.add_track({.key = "c", .artist_name = "X", .album_name = "Best of"});
  writer.add_track({.key = "d", .artist_name = "Y", .album_name = "Best of"});
  writer.add_track({.key = "e"});
  EXPECT_EQ(writer.add_track({.key = "a", .name = "late"}), 0);
  const Catalog& catalog = writer.catalog();
  EXPECT_THAT(catalog.track_artist, ElementsAre(0, 0, 1, 2, -1));
  EXPECT_THAT(catalog.track_album, ElementsAre(0, -1, 1, 2, -1));
  EXPECT_EQ(catalog.artist_names[0], "X");
  EXPECT_EQ(catalog.artist_keys[1], "X");
  EXPECT_EQ(catalog.album_names[2], "Best of");
  EXPECT_EQ(catalog.track_names[0], "");
}

TEST(DatasetWriter, StartsFromACatalog) {
  TempFolder folder;
  Catalog catalog;
  {
    DatasetWriter writer(folder / "c", {}, {}, false);
    const std::string_view tags[] = {"genre:pop"};
    writer.add_track({.key = "a", .artist_key = "x", .tags = tags});
    writer.add_track({.key = "b", .artist_key = "y"});
    writer.finish();
    catalog = Dataset::open(folder / "c").catalog();
  }
  DatasetWriter writer(folder / "d", {}, {}, false);
  writer.set_catalog(catalog);
  EXPECT_TRUE(writer.has_track("b"));
  EXPECT_EQ(writer.add_track({.key = "b"}), 1);
  EXPECT_EQ(writer.add_track({.key = "c", .artist_key = "y"}), 2);
  writer.add_playlist("1", "some title", std::vector<int32_t>{1, 2, 1});
  const Manifest manifest = writer.finish({{"catalog", "hash"}});
  EXPECT_EQ(manifest.made_from.at("catalog"), "hash");
  const Dataset dataset = Dataset::open(folder / "d");
  EXPECT_EQ(dataset.catalog().tags_of(0).size(), 1);
  EXPECT_EQ(dataset.catalog().track_artist[2], 1);
  EXPECT_THAT(dataset.read(0, 1).tracks_of(0), ElementsAre(1, 2));
}

TEST(DatasetWriter, FollowsAGivenSplit) {
  TempFolder folder;
  const auto file =
      write_bytes(folder / "s.csv", "playlist_id,part\np0,test\np1,validation\np2,train\n");
  DatasetOptions options;
  options.given_split = std::make_shared<const SplitFile>(SplitFile::read(file));
  DatasetWriter writer(folder / "d", options, {}, false);
  const std::vector<TrackRow> tracks = {{.key = "a"}, {.key = "b"}};
  for (int p = 0; p < 4; ++p) writer.add_playlist(fmt::format("p{}", p), "title", tracks);
  EXPECT_EQ(writer.finish().counts.at("cleaning").at("not_in_split_file"), 1);
  EXPECT_THAT(Dataset::open(folder / "d").parts(),
              ElementsAre(Part::kTest, Part::kValidation, Part::kTrain, Part::kTrain));

  options.strict = true;
  DatasetWriter strict(folder / "e", options, {}, false);
  EXPECT_THAT(message_of<DataError>([&] { strict.add_playlist("p3", "title", tracks); }),
              HasSubstr("s.csv: found no playlist 'p3'"));
}

TEST(DatasetWriter, RefusesASplitOfOtherPlaylists) {
  TempFolder folder;
  const auto file = write_bytes(folder / "s.csv", "playlist_id,part\nq,test\n");
  DatasetOptions options;
  options.given_split = std::make_shared<const SplitFile>(SplitFile::read(file));
  DatasetWriter writer(folder / "d", options, {}, false);
  add_track_and_playlist(&writer);
  EXPECT_THAT(message_of<DataError>([&] { writer.finish(); }),
              HasSubstr("s.csv: found no playlist of the input"));
  EXPECT_FALSE(std::filesystem::exists(folder / "d"));
}

TEST(DatasetWriter, GivesTheSameHashForTheSameCalls) {
  TempFolder folder;
  std::string hashes[2];
  for (int i = 0; i < 2; ++i) {
    DatasetWriter writer(folder / std::to_string(i), {}, {}, false);
    add_dirty_playlists(&writer);
    hashes[i] = writer.finish().hash;
  }
  EXPECT_EQ(hashes[0], hashes[1]);
  for (const char* name : {"manifest.json", "catalog.h5", "titles.h5", "playlists-00000.h5"}) {
    EXPECT_TRUE(read_bytes(folder / "0" / name) == read_bytes(folder / "1" / name)) << name;
  }
}

TEST(DatasetWriter, LeavesNothingWhenItIsNotFinished) {
  TempFolder folder;
  {
    DatasetOptions options;
    options.playlists_per_shard = 1;
    DatasetWriter writer(folder / "d", options, {}, false);
    add_dirty_playlists(&writer);  // shards are on disk
  }
  EXPECT_TRUE(folder.is_empty());
}

TEST(DatasetWriter, LeavesNothingWhenTheDiskIsFull) {
  TempFolder folder;
  {
    DatasetOptions options;
    options.playlists_per_shard = 50;
    DatasetWriter writer(folder / "d", options, {}, false);
    const FullDisk disk(2 << 10);
    EXPECT_THAT(message_of<StorageError>([&] {
                  for (int i = 0; i < 50; ++i) {
                    const std::string key = fmt::format("{}", i * 7919);
                    writer.add_playlist(
                        key, "title " + key,
                        std::vector<TrackRow>{{.key = key}, {.key = "other " + key}});
                  }
                  writer.finish();
                }),
                HasSubstr("write failed"));
  }
  EXPECT_TRUE(folder.is_empty());
}

TEST(DatasetWriter, ReplacesADatasetOnlyWhenAskedTo) {
  TempFolder folder;
  DatasetWriter first(folder / "d", {}, {}, false);
  add_track_and_playlist(&first);
  const std::string hash = first.finish().hash;
  EXPECT_THROW(DatasetWriter(folder / "d", {}, {}, false), UsageError);
  { const DatasetWriter abandoned(folder / "d", {}, {}, true); }
  EXPECT_EQ(Dataset::open(folder / "d").manifest().hash, hash);
  DatasetWriter second(folder / "d", {}, {}, true);
  add_dirty_playlists(&second);
  second.finish();
  EXPECT_EQ(Dataset::open(folder / "d").num_playlists(), 4);
}

TEST(DatasetWriter, ReportsAnOutputBelowAFile) {
  TempFolder folder;
  write_bytes(folder / "file", "");
  EXPECT_THROW(DatasetWriter(folder / "file/d", {}, {}, false), StorageError);
}

}  // namespace
}  // namespace tutti::data
