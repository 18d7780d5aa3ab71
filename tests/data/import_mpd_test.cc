#include <fmt/format.h>

#include "data/dataset.h"
#include "data/import/mpd.h"
#include "dist/runtime/errors.h"
#include "tests/data/damage.h"

namespace tutti::data {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

json track_json(int pos, int id) {
  return {{"pos", pos},
          {"artist_name", fmt::format("Artist {}", id % 2)},
          {"track_uri", fmt::format("spotify:track:{}", id)},
          {"artist_uri", fmt::format("spotify:artist:{}", id % 2)},
          {"track_name", fmt::format("Song {}", id)},
          {"album_uri", "spotify:album:0"},
          {"duration_ms", 226863},
          {"album_name", "Album"}};
}

json playlist_json(int pid, const std::string& name, const std::vector<int>& ids) {
  json tracks = json::array();
  for (const int id : ids) tracks.push_back(track_json(static_cast<int>(tracks.size()), id));
  return {{"name", name},
          {"collaborative", "false"},
          {"pid", pid},
          {"modified_at", 1493424000},
          {"num_tracks", ids.size()},
          {"num_albums", 1},
          {"num_followers", 1},
          {"tracks", tracks},
          {"num_edits", 6},
          {"duration_ms", 11532414},
          {"num_artists", 2}};
}

json slice_json(const std::vector<json>& playlists) {
  return {{"info", {{"generated_on", "2017-12-03 08:41:42.057563"}, {"slice", "0-999"}}},
          {"playlists", playlists}};
}

// Three slices of the real schema, with repeated tracks, an emoji title and an empty one.
void write_slices(const std::filesystem::path& folder) {
  write_bytes(
      folder / "mpd.slice.0-999.json",
      slice_json({playlist_json(0, "Throwbacks", {1, 2, 3}), playlist_json(1, "😎🔥", {3, 3, 4})})
          .dump());
  write_bytes(
      folder / "mpd.slice.1000-1999.json",
      slice_json({playlist_json(1000, " throwbacks! ", {2, 5}), playlist_json(1001, ":-)", {1, 2})})
          .dump(2));
  write_bytes(folder / "mpd.slice.10000-10999.json",
              slice_json({playlist_json(10000, "Country Roads", {7, 7})}).dump());
  write_bytes(folder / "README.txt", "not a slice");
}

Manifest import(const std::filesystem::path& folder, const std::filesystem::path& out,
                const ImportOptions& options = {}) {
  return import_playlists([&](const PlaylistSink& sink) { read_mpd(folder, sink); }, out, options);
}

std::string import_error(const std::string& slice) {
  TempFolder folder;
  write_bytes(folder / "mpd/mpd.slice.0-999.json", slice);
  std::string message = message_of<DataError>([&] { import(folder / "mpd", folder / "out"); });
  std::filesystem::remove_all(folder / "mpd");
  EXPECT_TRUE(folder.is_empty());  // nothing half-written
  return message;
}

TEST(NaturalLess, OrdersNumbersInNames) {
  EXPECT_TRUE(natural_less("mpd.slice.0-999.json", "mpd.slice.1000-1999.json"));
  EXPECT_TRUE(natural_less("mpd.slice.2000-2999.json", "mpd.slice.10000-10999.json"));
  EXPECT_FALSE(natural_less("mpd.slice.10000-10999.json", "mpd.slice.2000-2999.json"));
  EXPECT_TRUE(natural_less("a2", "a10"));
  EXPECT_FALSE(natural_less("a10", "a010"));
  EXPECT_FALSE(natural_less("a010", "a10"));
  EXPECT_TRUE(natural_less("a", "a1"));
}

TEST(ImportMpd, MakesADatasetOfSlices) {
  TempFolder folder;
  write_slices(folder / "mpd");
  const Manifest manifest = import(folder / "mpd", folder / "out");
  const json& cleaning = manifest.counts.at("cleaning");
  EXPECT_EQ(cleaning.at("playlists_read"), 5);
  EXPECT_EQ(cleaning.at("playlists_repeating_a_track"), 2);
  EXPECT_EQ(cleaning.at("dropped_empty_title"), 1);
  EXPECT_EQ(cleaning.at("dropped_few_tracks"), 1);

  const Dataset dataset = Dataset::open(folder / "out");
  ASSERT_EQ(dataset.num_playlists(), 3);
  const PlaylistBlock block = dataset.read(0, 3);
  const Catalog& catalog = dataset.catalog();
  EXPECT_EQ(dataset.titles().raw[block.titles[1]], "😎🔥");
  EXPECT_EQ(dataset.titles().normalized[dataset.titles().normalized_of[block.titles[2]]],
            "throwbacks");
  EXPECT_THAT(block.tracks_of(1), ElementsAre(2, 3));
  EXPECT_EQ(catalog.track_keys[4], "spotify:track:5");
  EXPECT_EQ(catalog.track_names[4], "Song 5");
  EXPECT_EQ(catalog.artist_names[catalog.track_artist[4]], "Artist 1");
  EXPECT_EQ(catalog.album_keys[catalog.track_album[4]], "spotify:album:0");
  EXPECT_FLOAT_EQ(catalog.track_duration_s[4], 226.863F);
  EXPECT_EQ(dataset.keys(2, 3)[0], "1000");
}

TEST(ImportMpd, FindsSlicesInTheDataSubfolderAndCompressed) {
  TempFolder folder;
  std::filesystem::create_directories(folder / "mpd/data");
  write_gzip(folder / "mpd/data/mpd.slice.0-999.json.gz",
             slice_json({playlist_json(0, "title", {1, 2})}).dump());
  EXPECT_EQ(import(folder / "mpd", folder / "out").counts.at("playlists"), 1);
}

TEST(ImportMpd, GivesTheSameBytesAgain) {
  TempFolder folder;
  write_slices(folder / "mpd");
  EXPECT_EQ(import(folder / "mpd", folder / "a").hash, import(folder / "mpd", folder / "b").hash);
}

TEST(ImportMpd, TakesOutRareTracksInASecondPass) {
  TempFolder folder;
  write_slices(folder / "mpd");
  ImportOptions options;
  options.min_track_count = 2;
  int last_pass = 0;
  options.progress = [&](int pass, double fraction, int64_t /*playlists*/) {
    EXPECT_GE(pass, last_pass);
    EXPECT_GT(fraction, 0);
    EXPECT_LE(fraction, 1);
    last_pass = pass;
  };
  const Manifest manifest = import(folder / "mpd", folder / "out", options);
  EXPECT_EQ(last_pass, 2);
  // Tracks 4, 5 and 7 are in one playlist; those that are left with one track or none go.
  EXPECT_EQ(manifest.counts.at("cleaning").at("rare_tracks_removed"), 4);
  EXPECT_EQ(manifest.counts.at("cleaning").at("dropped_few_tracks"), 3);
  EXPECT_EQ(manifest.counts.at("playlists"), 1);
  EXPECT_EQ(manifest.counts.at("tracks"), 3);
}

TEST(ImportMpd, RefusesWhenNoPlaylistIsLeft) {
  TempFolder folder;
  write_slices(folder / "mpd");
  ImportOptions options;
  options.dataset.min_tracks = 100;
  EXPECT_THAT(message_of<DataError>([&] { import(folder / "mpd", folder / "out", options); }),
              HasSubstr("no playlist is left of 5"));
  EXPECT_FALSE(std::filesystem::exists(folder / "out"));
}

TEST(ImportMpd, NamesSlicePlaylistAndReasonWhenStrict) {
  TempFolder folder;
  write_slices(folder / "mpd");
  ImportOptions options;
  options.dataset.strict = true;
  EXPECT_THAT(message_of<DataError>([&] { import(folder / "mpd", folder / "out", options); }),
              HasSubstr("mpd.slice.0-999.json: playlist '1': found 1 repeated tracks"));
}

TEST(ImportMpd, NamesAMissingFolderAndOneWithoutSlices) {
  TempFolder folder;
  EXPECT_THAT(message_of<DataError>([&] { import(folder / "none", folder / "out"); }),
              HasSubstr("none: found no such folder"));
  write_bytes(folder / "mpd/other.json", "{}");
  EXPECT_THAT(message_of<DataError>([&] { import(folder / "mpd", folder / "out"); }),
              HasSubstr("no mpd.slice.*.json"));
  EXPECT_THAT(message_of<DataError>([&] { import(folder / "mpd/other.json", folder / "out"); }),
              HasSubstr("found a file, expected a folder"));
  EXPECT_FALSE(std::filesystem::exists(folder / "out"));
}

TEST(ImportMpd, NamesSliceAndByteOfMalformedJson) {
  const std::string good = slice_json({playlist_json(0, "title", {1, 2})}).dump();
  const size_t at = good.find("\"pid\"");
  std::string bad = good;
  bad.insert(at, "@");
  EXPECT_THAT(import_error(bad), HasSubstr(fmt::format("mpd.slice.0-999.json: byte {}: found "
                                                       "malformed JSON",
                                                       at + 1)));
  EXPECT_THAT(import_error(good.substr(0, at)),
              HasSubstr(fmt::format("malformed JSON: it ends after {} bytes", at)));
  EXPECT_THAT(import_error(""), HasSubstr("malformed JSON"));
  bad = good;
  bad[good.find("Artist")] = '\xff';
  EXPECT_THAT(import_error(bad),
              HasSubstr(fmt::format("byte {}: found malformed JSON", good.find("Artist") + 1)));
}

TEST(ImportMpd, NamesTheMissingField) {
  const auto error = [](const std::function<void(json*)>& change) {
    json slice = slice_json({playlist_json(0, "title", {1, 2}), playlist_json(1, "b", {1, 2})});
    change(&slice);
    return import_error(slice.dump());
  };
  EXPECT_THAT(error([](json* s) { s->erase("playlists"); }),
              HasSubstr("mpd.slice.0-999.json: top level: found no field 'playlists'"));
  EXPECT_THAT(error([](json* s) { (*s)["playlists"][1].erase("pid"); }),
              HasSubstr("playlist 1: found no field 'pid'"));
  EXPECT_THAT(error([](json* s) { (*s)["playlists"][1].erase("name"); }),
              HasSubstr("playlist 1 (pid 1): found no field 'name'"));
  EXPECT_THAT(error([](json* s) { (*s)["playlists"][1]["tracks"][1].erase("track_uri"); }),
              HasSubstr("playlist 1 (pid 1), track 1: found no field 'track_uri'"));
  EXPECT_THAT(error([](json* s) { (*s)["playlists"][0]["tracks"][0]["track_uri"] = ""; }),
              HasSubstr("playlist 0 (pid 0), track 0: found an empty track_uri"));
  EXPECT_THAT(error([](json* s) { (*s)["playlists"][0]["name"] = 7; }),
              HasSubstr("field 'name' of another type, expected a string"));
  EXPECT_THAT(error([](json* s) { (*s)["playlists"][0]["tracks"][1] = 7; }),
              HasSubstr("playlist 0 (pid 0), track 1: found no JSON object"));
  EXPECT_THAT(error([](json* s) { *s = json::array(); }), HasSubstr("no JSON object"));
}

}  // namespace
}  // namespace tutti::data
