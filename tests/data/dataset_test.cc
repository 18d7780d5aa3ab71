#include "data/dataset.h"

#include <functional>

#include <fmt/format.h>

#include "data/dataset_files.h"
#include "data/dataset_writer.h"
#include "data/hdf5.h"
#include "dist/runtime/errors.h"
#include "tests/data/damage.h"

namespace tutti::data {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr int kPlaylists = 25, kTracks = 12;

std::vector<int32_t> tracks_of(int playlist) {
  return {playlist % kTracks, (playlist + 1) % kTracks, (playlist * 5 + 2) % kTracks};
}

DatasetOptions small_shards() {
  DatasetOptions options;
  options.playlists_per_shard = 10;
  return options;
}

Manifest write_dataset(const std::filesystem::path& path) {
  DatasetWriter writer(path, small_shards(), {{"command", "test"}}, false);
  for (int t = 0; t < kTracks; ++t) {
    const std::string key = fmt::format("t{}", t), artist = fmt::format("a{}", t % 3);
    const std::string_view tags[] = {t % 2 == 0 ? "mood:calm" : "genre:rock", "genre:pop"};
    writer.add_track({key, "Name " + key, artist, "Artist " + artist, "", "", 100.5, tags});
  }
  for (int p = 0; p < kPlaylists; ++p) {
    writer.add_playlist(fmt::format("p{}", p), fmt::format("Title {}!", p % 7), tracks_of(p), p);
  }
  return writer.finish();
}

// Replaces a file of the dataset and makes the manifest agree, as a wrong writer would have.
template <typename Change>
void rewrite(const std::filesystem::path& dataset, Change change) {
  Manifest manifest = read_manifest(dataset, "dataset");
  const auto copy = dataset.parent_path() / "rewritten";
  ArtefactWriter writer(copy, "dataset");
  for (const auto& [name, entry] : manifest.files) {
    std::filesystem::copy_file(dataset / name, writer.file(name));
  }
  change(writer, &manifest);
  manifest.files.clear();  // to be hashed anew
  writer.commit(manifest);
  std::filesystem::remove_all(dataset);
  std::filesystem::rename(copy, dataset);
}

TEST(Dataset, GivesBackWhatTheWriterWasGiven) {
  TempFolder folder;
  const Manifest manifest = write_dataset(folder / "d");
  const Dataset dataset = Dataset::open(folder / "d", /*verify=*/true);
  EXPECT_EQ(dataset.manifest().hash, manifest.hash);
  EXPECT_EQ(dataset.num_tracks(), kTracks);
  ASSERT_EQ(dataset.num_playlists(), kPlaylists);

  const Catalog& catalog = dataset.catalog();
  EXPECT_EQ(catalog.track_keys[4], "t4");
  EXPECT_EQ(Dataset::open(folder / "d").track_keys().bytes, catalog.track_keys.bytes);
  EXPECT_EQ(catalog.track_names[4], "Name t4");
  EXPECT_EQ(catalog.artist_names[catalog.track_artist[4]], "Artist a1");
  EXPECT_EQ(catalog.track_album[4], -1);
  EXPECT_EQ(catalog.track_duration_s[4], 100.5F);
  ASSERT_EQ(catalog.tags_of(1).size(), 2);
  EXPECT_EQ(catalog.tag_names[catalog.tags_of(1)[0]], "genre:pop");
  EXPECT_EQ(catalog.tag_names[catalog.tags_of(1)[1]], "genre:rock");

  const TitleTable& titles = dataset.titles();
  const PlaylistBlock block = dataset.read(0, kPlaylists);
  const StringTable keys = dataset.keys(0, kPlaylists);
  std::vector<int32_t> train_counts(kTracks, 0), by_title(7, 0);
  int64_t entries = 0;
  for (int p = 0; p < kPlaylists; ++p) {
    std::vector<int32_t> distinct;  // brute force: the first of each
    for (const int32_t track : tracks_of(p)) {
      if (std::ranges::find(distinct, track) == distinct.end()) distinct.push_back(track);
    }
    EXPECT_THAT(block.tracks_of(p), testing::ElementsAreArray(distinct));
    EXPECT_EQ(titles.raw[block.titles[p]], fmt::format("Title {}!", p % 7));
    EXPECT_EQ(titles.normalized[titles.normalized_of[block.titles[p]]],
              fmt::format("title {}", p % 7));
    EXPECT_EQ(keys[p], fmt::format("p{}", p));
    EXPECT_EQ(block.parts[p], part_of({}, fmt::format("title {}", p % 7), keys[p]));
    EXPECT_EQ(block.parts[p], dataset.parts()[p]);
    entries += std::ssize(distinct);
    if (block.parts[p] != Part::kTrain) continue;
    for (const int32_t track : distinct) ++train_counts[track];
    ++by_title[p % 7];
  }
  EXPECT_EQ(dataset.num_entries(), entries);
  EXPECT_EQ(dataset.train_counts(), train_counts);
  EXPECT_EQ(titles.train_playlists_of, by_title);
}

TEST(Dataset, ReadsRangesAcrossShards) {
  TempFolder folder;
  write_dataset(folder / "d");
  const Dataset dataset = Dataset::open(folder / "d");
  const PlaylistBlock all = dataset.read(0, kPlaylists);
  for (int first = 0; first <= kPlaylists; ++first) {
    for (int last = first; last <= kPlaylists; ++last) {
      const PlaylistBlock block = dataset.read(first, last);
      ASSERT_EQ(block.first, first);
      ASSERT_EQ(block.size(), last - first);
      for (int p = first; p < last; ++p) {
        ASSERT_TRUE(std::ranges::equal(block.tracks_of(p - first), all.tracks_of(p)));
        ASSERT_EQ(block.titles[p - first], all.titles[p]);
        ASSERT_EQ(block.parts[p - first], all.parts[p]);
      }
    }
  }
  EXPECT_EQ(dataset.keys(8, 12)[3], "p11");
}

TEST(Dataset, ListsThePlaylistsOfAPart) {
  TempFolder folder;
  write_dataset(folder / "d");
  const Dataset dataset = Dataset::open(folder / "d");
  size_t listed = 0;
  for (const Part part : {Part::kTrain, Part::kValidation, Part::kTest}) {
    const std::vector<int64_t> playlists = dataset.playlists_in(part);
    EXPECT_TRUE(std::ranges::is_sorted(playlists));
    for (const int64_t p : playlists) EXPECT_EQ(dataset.parts()[p], part);
    listed += playlists.size();
  }
  EXPECT_EQ(listed, kPlaylists);
}

TEST(Dataset, MayHaveACatalogOnly) {
  TempFolder folder;
  DatasetWriter writer(folder / "d", {}, {}, false);
  writer.add_track({.key = "t"});
  writer.finish();
  const Dataset dataset = Dataset::open(folder / "d");
  EXPECT_EQ(dataset.num_tracks(), 1);
  EXPECT_EQ(dataset.read(0, 0).size(), 0);
  EXPECT_TRUE(dataset.parts().empty());
  EXPECT_EQ(dataset.titles().raw.size(), 0);
  EXPECT_THAT(dataset.train_counts(), ElementsAre(0));
}

TEST(Dataset, RefusesAnotherArtefact) {
  TempFolder folder;
  ArtefactWriter(folder / "e", "embeddings").commit({});
  EXPECT_THAT(message_of<DataError>([&] { Dataset::open(folder / "e"); }), HasSubstr("embeddings"));
  EXPECT_THAT(message_of<DataError>([&] { Dataset::open(folder / "none"); }),
              HasSubstr("no such folder"));
}

TEST(Dataset, RefusesATruncatedShard) {
  TempFolder folder;
  write_dataset(folder / "d");
  std::filesystem::resize_file(folder / "d/playlists-00001.h5", 1000);
  EXPECT_THAT(message_of<DataError>([&] { Dataset::open(folder / "d"); }),
              HasSubstr("playlists-00001.h5"));
}

TEST(Dataset, FindsChangedBytesWhenAskedToVerify) {
  TempFolder folder;
  write_dataset(folder / "d");
  std::string bytes = read_bytes(folder / "d/titles.h5");
  bytes[bytes.size() / 2] ^= 1;
  write_bytes(folder / "d/titles.h5", bytes);
  EXPECT_THAT(message_of<DataError>([&] { Dataset::open(folder / "d", true); }),
              HasSubstr("titles.h5"));
}

TEST(Dataset, RefusesARowThatPointsNowhere) {
  TempFolder folder;
  write_dataset(folder / "d");
  const PlaylistBlock good = Dataset::open(folder / "d").read(0, 10);
  const auto message = [&](const std::function<void(PlaylistBlock*)>& spoil) {
    PlaylistBlock block = good;
    spoil(&block);
    rewrite(folder / "d", [&](const ArtefactWriter& writer, Manifest* /*manifest*/) {
      StringTable keys;
      for (int i = 0; i < 10; ++i) keys.push_back("p");
      write_shard(writer.file("playlists-00000.h5"), block, {keys, std::vector<int64_t>(10, 0)});
    });
    const Dataset dataset = Dataset::open(folder / "d");
    return message_of<DataError>([&] { dataset.read(0, 10); });
  };
  EXPECT_THAT(message([](PlaylistBlock* b) { b->tracks[3] = kTracks; }),
              HasSubstr("playlists-00000.h5: dataset 'tracks', row 3: found 12, expected 0 to 11"));
  EXPECT_THAT(message([](PlaylistBlock* b) { b->titles[2] = -1; }),
              HasSubstr("dataset 'titles', row 2: found -1"));
  EXPECT_THAT(message([](PlaylistBlock* b) { b->parts[1] = static_cast<Part>(3); }),
              HasSubstr("dataset 'parts', row 1: found 3"));
  EXPECT_THAT(message([](PlaylistBlock* b) { std::swap(b->offsets[4], b->offsets[5]); }),
              HasSubstr("dataset 'offsets', row 5"));
  EXPECT_THAT(message([](PlaylistBlock* b) { b->offsets[0] = 1; }),
              HasSubstr("dataset 'offsets', row 0: found 1"));
}

TEST(Dataset, RefusesRowCountsThatDifferFromTheManifest) {
  TempFolder folder;
  write_dataset(folder / "d");
  const PlaylistBlock good = Dataset::open(folder / "d").read(0, 9);
  rewrite(folder / "d", [&](const ArtefactWriter& writer, Manifest* /*manifest*/) {
    StringTable keys;
    for (int i = 0; i < 9; ++i) keys.push_back("p");
    write_shard(writer.file("playlists-00000.h5"), good, {keys, std::vector<int64_t>(9, 0)});
  });
  const Dataset dataset = Dataset::open(folder / "d");
  EXPECT_THAT(message_of<DataError>([&] { dataset.read(0, 1); }),
              HasSubstr("dataset 'offsets': found shape [10], expected [11] as the manifest says"));
}

TEST(Dataset, RefusesAManifestThatContradictsItself) {
  const auto message = [](const std::function<void(nlohmann::json*)>& change) {
    TempFolder folder;
    write_dataset(folder / "d");
    rewrite(folder / "d", [&](const ArtefactWriter& /*writer*/, Manifest* manifest) {
      change(&manifest->counts);
    });
    return message_of<DataError>([&] {
      const Dataset dataset = Dataset::open(folder / "d");
      dataset.catalog();
      dataset.titles();
    });
  };
  EXPECT_THAT(message([](nlohmann::json* c) { c->erase("playlists"); }),
              HasSubstr("counts.playlists: found nothing"));
  EXPECT_THAT(message([](nlohmann::json* c) { (*c)["playlists"] = 26; }),
              HasSubstr("found 25 playlists"));
  EXPECT_THAT(message([](nlohmann::json* c) { (*c)["shards"] = 3; }), HasSubstr("counts.shards"));
  EXPECT_THAT(message([](nlohmann::json* c) { (*c)["shards"][1]["first"] = 11; }),
              HasSubstr("counts.shards[1]"));
  EXPECT_THAT(message([](nlohmann::json* c) { (*c)["tracks"] = 11; }),
              HasSubstr("catalog.h5: dataset 'track_keys': found 12 tracks, expected 11"));
  EXPECT_THAT(message([](nlohmann::json* c) { (*c)["raw_titles"] = 6; }),
              HasSubstr("titles.h5: dataset 'raw': found 7 titles, expected 6"));
}

TEST(Catalog, RefusesTablesOfDifferentLength) {
  TempFolder folder;
  Catalog catalog;
  catalog.track_keys.push_back("t");
  catalog.track_names.push_back("");
  catalog.track_artist = {0};  // there is no artist
  catalog.track_album = {-1};
  catalog.track_duration_s = {0};
  catalog.tag_offsets = {0, 0};
  write_catalog(folder / "c.h5", catalog, {0});
  EXPECT_THAT(message_of<DataError>([&] { read_catalog(folder / "c.h5"); }),
              HasSubstr("dataset 'track_artist', row 0: found 0"));
  catalog.track_artist = {-1, -1};
  write_catalog(folder / "c.h5", catalog, {0});
  EXPECT_THAT(message_of<DataError>([&] { read_catalog(folder / "c.h5"); }),
              HasSubstr("dataset 'track_artist': found 2 rows, expected 1"));
}

}  // namespace
}  // namespace tutti::data
