#include "data/dataset.h"
#include "data/import/csv.h"
#include "dist/runtime/errors.h"
#include "tests/data/damage.h"

namespace tutti::data {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Manifest import(const std::filesystem::path& file, const std::filesystem::path& out,
                const ImportOptions& options = {}) {
  return import_playlists([&](const PlaylistSink& sink) { read_csv(file, sink); }, out, options);
}

constexpr const char* kTable =
    "playlist_id,title,track_id,artist,name,tags,duration_s,modified_at\n"
    "p1,\"Rock, loud\",t1,Alpha,One,genre:rock|mood/theme:loud,180.5,1493424000\n"
    "p1,\"Rock, loud\",t2,Beta,Two,,,\n"
    "p2,calm,t2,Beta,Two,,,\n"
    "p2,calm,t3,,Three,,,\n";

TEST(ImportCsv, MakesADatasetOfPlainAndGzipTables) {
  TempFolder folder;
  const Manifest plain = import(write_bytes(folder / "a.csv", kTable), folder / "plain");
  const Manifest gzip = import(write_gzip(folder / "a.csv.gz", kTable), folder / "gzip");
  EXPECT_EQ(plain.hash, gzip.hash);
  const Dataset dataset = Dataset::open(folder / "plain");
  ASSERT_EQ(dataset.num_playlists(), 2);
  const PlaylistBlock block = dataset.read(0, 2);
  const Catalog& catalog = dataset.catalog();
  EXPECT_EQ(dataset.titles().raw[0], "Rock, loud");
  EXPECT_THAT(block.tracks_of(1), ElementsAre(1, 2));
  EXPECT_EQ(catalog.track_names[2], "Three");
  EXPECT_EQ(catalog.artist_keys[catalog.track_artist[1]], "Beta");
  EXPECT_EQ(catalog.track_artist[2], -1);
  EXPECT_EQ(catalog.tags_of(0).size(), 2);
  EXPECT_EQ(catalog.tag_names[1], "mood/theme:loud");
  EXPECT_EQ(catalog.track_duration_s[0], 180.5F);
}

TEST(ImportCsv, NamesColumnsItDoesNotUse) {
  TempFolder folder;
  const auto file = write_bytes(folder / "a.csv", "playlist_id,title,track_id,Artist\n");
  EXPECT_THAT(unused_csv_columns(file), ElementsAre("Artist"));
}

TEST(ImportCsv, RefusesTablesItCannotUse) {
  const auto error = [](const std::string& text) {
    TempFolder folder;
    const auto file = write_bytes(folder / "a.csv", text);
    std::string message = message_of<DataError>([&] { import(file, folder / "out"); });
    std::filesystem::remove(file);
    EXPECT_TRUE(folder.is_empty());
    return message;
  };
  const std::string header = "playlist_id,title,track_id,duration_s\n";
  EXPECT_THAT(error("playlist_id,track_id\n"), HasSubstr("expected a column 'title'"));
  EXPECT_THAT(error(header + "p,x,t,\nq,y,t,\np,x,u,\n"),
              HasSubstr("a.csv: line 4: found playlist 'p' a second time, expected its rows "
                        "together; sort the file by playlist_id"));
  EXPECT_THAT(error(header + "p,x,t,\np,y,u,\n"),
              HasSubstr("line 3: found title 'y', expected 'x'"));
  EXPECT_THAT(error(header + ",x,t,\n"), HasSubstr("line 2: found an empty playlist_id"));
  EXPECT_THAT(error(header + "p,x,,\n"), HasSubstr("line 2: found an empty track_id"));
  EXPECT_THAT(error(header + "p,x,t,long\n"),
              HasSubstr("line 2: found duration_s 'long', expected a number"));
  EXPECT_THAT(error(header), HasSubstr("no playlist is left of 0"));
}

TEST(ReadStopTitles, NormalisesAndSkipsEmptyLines) {
  TempFolder folder;
  const auto file = write_bytes(folder / "stop.txt", "My Playlist!\n\n...\nmusic\n");
  EXPECT_THAT(read_stop_titles(file), ElementsAre("music", "my playlist"));
}

}  // namespace
}  // namespace tutti::data
