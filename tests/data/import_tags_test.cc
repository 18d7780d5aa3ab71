#include "data/dataset.h"
#include "data/import/tags.h"
#include "dist/runtime/errors.h"
#include "tests/data/damage.h"

namespace tutti::data {
namespace {

using testing::HasSubstr;

const std::string kHeader = "track_id\tartist_id\talbum_id\tduration_s\ttags\n";

TEST(ImportTags, MakesACatalogueWithoutPlaylists) {
  TempFolder folder;
  const auto file =
      write_gzip(folder / "t.tsv.gz",
                 kHeader + "t1\ta1\tb1\t124.6\tgenre:rock,mood/theme:dark\n" + "t2\ta1\t\t\t\n");
  const Manifest manifest = import_tags(file, folder / "out", {}, false);
  EXPECT_EQ(manifest.counts.at("tracks"), 2);
  EXPECT_EQ(manifest.counts.at("playlists"), 0);
  const Dataset dataset = Dataset::open(folder / "out");
  EXPECT_EQ(dataset.catalog().tags_of(0).size(), 2);
  EXPECT_EQ(dataset.catalog().tags_of(1).size(), 0);
  EXPECT_EQ(dataset.catalog().track_duration_s[0], 124.6F);
  EXPECT_EQ(dataset.catalog().track_album[1], -1);
}

TEST(ImportTags, ReadsTheBundledCatalogue) {
  TempFolder folder;
  const Manifest manifest =
      import_tags(std::filesystem::path(TUTTI_SOURCE_DIR) / "data/demo/jamendo-tags.tsv.gz",
                  folder / "out", {}, false);
  // The figures of data/demo/README.md.
  EXPECT_EQ(manifest.counts.at("tracks"), 55'525);
  EXPECT_EQ(manifest.counts.at("artists"), 3'565);
  EXPECT_EQ(manifest.counts.at("albums"), 11'256);
  EXPECT_EQ(manifest.counts.at("tags"), 187);
  EXPECT_EQ(Dataset::open(folder / "out").catalog().tags.size(), 231'419);
}

TEST(ImportTags, RefusesTablesItCannotUse) {
  const auto error = [](const std::string& text) {
    TempFolder folder;
    const auto file = write_bytes(folder / "t.tsv", text);
    std::string message =
        message_of<DataError>([&] { import_tags(file, folder / "out", {}, false); });
    std::filesystem::remove(file);
    EXPECT_TRUE(folder.is_empty());
    return message;
  };
  EXPECT_THAT(error(""), HasSubstr("an empty file"));
  EXPECT_THAT(error("track\ttags\n"), HasSubstr("t.tsv: line 1: found header 'track\\ttags'"));
  EXPECT_THAT(error(kHeader + "t\ta\tb\t1\n"), HasSubstr("line 2: found 4 columns, expected 5"));
  EXPECT_THAT(error(kHeader + "t\ta\tb\t1\t\nt\ta\tb\t1\t\n"),
              HasSubstr("line 3: found track 't' a second time"));
  EXPECT_THAT(error(kHeader + "t\ta\tb\t1:30\t\n"), HasSubstr("line 2: found duration_s '1:30'"));
  EXPECT_THAT(error(kHeader + "t\ta\tb\tnan\t\n"), HasSubstr("line 2: found duration_s 'nan'"));
  EXPECT_THAT(error(kHeader + "\ta\tb\t1\t\n"), HasSubstr("line 2: found an empty track_id"));
  EXPECT_THAT(error(kHeader), HasSubstr("no tracks"));
}

TEST(ImportTags, LeavesNothingOfATruncatedGzip) {
  TempFolder folder;
  std::string text = kHeader;
  for (int i = 0; i < 50'000; ++i) text += std::to_string(i * 7919) + "\ta\tb\t1\tgenre:x\n";
  const auto file = write_gzip(folder / "t.tsv.gz", text);
  std::filesystem::resize_file(file, std::filesystem::file_size(file) - 100);
  EXPECT_THAT(message_of<DataError>([&] { import_tags(file, folder / "out", {}, false); }),
              HasSubstr("truncated gzip"));
  std::filesystem::remove(file);
  EXPECT_TRUE(folder.is_empty());
}

}  // namespace
}  // namespace tutti::data
