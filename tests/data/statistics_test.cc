#include "data/statistics.h"

#include <fmt/format.h>

#include "data/dataset_writer.h"
#include "tests/data/damage.h"

namespace tutti::data {
namespace {

using testing::HasSubstr;

TEST(Quantile, IsTheSmallestValueThatCoversTheShare) {
  const Histogram histogram = {{1, 2}, {5, 1}, {9, 1}};  // 1 1 5 9
  EXPECT_EQ(quantile(histogram, 0), 1);
  EXPECT_EQ(quantile(histogram, 0.5), 1);
  EXPECT_EQ(quantile(histogram, 0.75), 5);
  EXPECT_EQ(quantile(histogram, 1), 9);
  EXPECT_EQ(quantile({}, 0.5), 0);
}

// Two titles in training, one playlist of a seen and one of an unseen title held out.
Dataset example(const TempFolder& folder) {
  const auto split = write_bytes(folder / "s.csv",
                                 "playlist_id,part\np1,train\np2,train\np3,test\np4,validation\n");
  DatasetOptions options;
  options.given_split = std::make_shared<const SplitFile>(SplitFile::read(split));
  DatasetWriter writer(folder / "d", options, {{"command", "test"}}, false);
  const TrackRow a{.key = "a", .name = "Song", .artist_name = "Band"};
  const TrackRow b{.key = "b"}, c{.key = "c"}, d{.key = "d"};
  writer.add_playlist("p1", "Rainy Day", std::vector{a, b});
  writer.add_playlist("p2", "sun", std::vector{a, b, c});
  writer.add_playlist("p3", "rainy day!", std::vector{a, c});
  writer.add_playlist("p4", "new words here", std::vector{a, d});
  writer.add_track({.key = "never"});
  writer.finish();
  return Dataset::open(folder / "d");
}

TEST(Statistics, CountWhatADatasetHolds) {
  TempFolder folder;
  const DatasetStatistics s = compute_statistics(example(folder));
  EXPECT_EQ(s.playlist_lengths, (Histogram{{2, 3}, {3, 1}}));
  EXPECT_EQ(s.track_playlists, (Histogram{{0, 1}, {1, 1}, {2, 2}, {4, 1}}));
  EXPECT_EQ(s.title_words, (Histogram{{1, 1}, {2, 1}, {3, 1}}));
  EXPECT_EQ(s.title_playlists, (Histogram{{1, 2}, {2, 1}}));
  EXPECT_EQ(s.parts[0].playlists, 2);
  EXPECT_EQ(s.parts[0].entries, 5);
  EXPECT_EQ(s.parts[1].seen, 0);
  EXPECT_EQ(s.parts[2].seen, 1);
  EXPECT_EQ(s.held_out_entries_never_trained, 1);  // d
  ASSERT_EQ(s.top_titles.size(), 3);
  EXPECT_EQ(s.top_titles[0].name, "rainy day");
  EXPECT_EQ(s.top_tracks[0].name, "a (Song, Band)");
  EXPECT_EQ(s.top_tracks[0].playlists, 4);
  EXPECT_EQ(s.top_tracks.size(), 4);  // not the one that is in no playlist
}

TEST(Statistics, ArePrintedForPeopleAndAsJson) {
  TempFolder folder;
  const Dataset dataset = example(folder);
  const DatasetStatistics s = compute_statistics(dataset, 1);
  EXPECT_THAT(to_text(s), HasSubstr("1 with a seen title, 0 unseen"));
  EXPECT_THAT(to_text(s), HasSubstr("25.0 % of 4 tracks in playlists are in one only"));
  EXPECT_THAT(to_text(s), HasSubstr("rainy day"));
  const nlohmann::json json = to_json(s);
  EXPECT_EQ(json["parts"]["validation"]["unseen_title"], 1);
  EXPECT_EQ(json["tracks"]["in_playlists"], 4);
  EXPECT_EQ(json["titles"]["top"].size(), 1);
  const std::string summary = manifest_summary(dataset.manifest());
  EXPECT_THAT(summary, HasSubstr("hash " + dataset.manifest().hash));
  EXPECT_THAT(summary, HasSubstr("catalog.h5"));
  EXPECT_THAT(summary, HasSubstr("not_in_split_file: 0"));
}

}  // namespace
}  // namespace tutti::data
