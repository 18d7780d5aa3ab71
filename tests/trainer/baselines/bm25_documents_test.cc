#include <gmock/gmock.h>

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "data/dataset_writer.h"
#include "dist/communicator.h"
#include "tests/support/temp_folder.h"
#include "trainer/baselines/bm25.h"
#include "trainer/baselines/tuned_baselines.h"

namespace tutti::trainer {
namespace {

using testing::ElementsAre;
using testing::StartsWith;

// Two tracks with names, one without; the last is in no playlist.
data::Dataset named_tracks(const std::filesystem::path& path) {
  data::DatasetOptions options;
  options.split.unseen_titles = 0;
  options.split.held_out = 0;
  options.min_tracks = 1;
  data::DatasetWriter writer(path, options, {{"command", "test"}}, false);
  const std::vector<std::string_view> rock = {"genre:slow rock"}, slow = {"mood:slow"};
  writer.add_track({"t0", "Blue Rain", "a0", "The Foos", "b0", "Rain & Snow", 0, rock});
  writer.add_track({"t1", "", "a1", "", "", "", 0, slow});
  writer.add_track({"t2", "Sunny", "a0", "The Foos", "", "", 0, {}});
  const std::vector<int32_t> both = {0, 1}, second = {1};
  writer.add_playlist("p0", "rainy day", both);
  writer.add_playlist("p1", "rain", second);
  writer.finish();
  return data::Dataset::open(path);
}

std::vector<std::pair<int, int>> counts_of(const Bm25Index& index, const char* word) {
  std::vector<std::pair<int, int>> counts;
  for (const auto& posting : index.postings_of(word))
    counts.emplace_back(posting.track, posting.count);
  return counts;
}

using Counts = std::vector<std::pair<int, int>>;

TEST(Bm25Documents, AreTitlesUnlessAskedOtherwise) {
  const TempFolder folder;
  const auto index = Bm25Index::build(named_tracks(folder.path() / "data"));
  EXPECT_EQ(counts_of(index, "rain"), (Counts{{1, 1}}));
  EXPECT_TRUE(counts_of(index, "foos").empty());
  EXPECT_EQ(index.lengths(), (std::vector<int64_t>{2, 3, 0}));
}

TEST(Bm25Documents, OfMetadataAreTheNamesOfTrackArtistAndAlbum) {
  const TempFolder folder;
  const auto index =
      Bm25Index::build(named_tracks(folder.path() / "data"), {.titles = false, .metadata = true});
  EXPECT_EQ(counts_of(index, "rain"), (Counts{{0, 2}}));
  EXPECT_EQ(counts_of(index, "foos"), (Counts{{0, 1}, {2, 1}}));
  EXPECT_TRUE(counts_of(index, "day").empty());
  EXPECT_EQ(index.num_documents(), 2);  // a track without names has no document
}

TEST(Bm25Documents, OfBothHoldBoth) {
  const TempFolder folder;
  const auto index =
      Bm25Index::build(named_tracks(folder.path() / "data"), {.titles = true, .metadata = true});
  EXPECT_EQ(counts_of(index, "rain"), (Counts{{0, 2}, {1, 1}}));
  EXPECT_EQ(counts_of(index, "day"), (Counts{{0, 1}, {1, 1}}));
}

TEST(Bm25Documents, OfTagsAreTheirPlainWords) {
  const TempFolder folder;
  const auto index =
      Bm25Index::build(named_tracks(folder.path() / "data"), {.titles = false, .tags = true});
  EXPECT_EQ(counts_of(index, "slow"), (Counts{{0, 1}, {1, 1}}));
  EXPECT_TRUE(counts_of(index, "genre").empty());
}

TEST(TunedBaselines, HaveARowForEachKindOfDocumentAndKnowWhichHaveReadTheTags) {
  const TempFolder folder;
  const auto dataset = named_tracks(folder.path() / "data");
  const auto comm = make_single_communicator();
  TunedBaselines baselines(dataset, {}, 10, *comm);
  std::vector<std::string> with_tags, without;
  for (const Ranker* ranker : baselines.rankers())
    (baselines.has_read_tags(ranker) ? with_tags : without).push_back(ranker->name());
  EXPECT_THAT(with_tags,
              ElementsAre(StartsWith("BM25 names+tags ("), StartsWith("BM25 titles+names+tags (")));
  EXPECT_THAT(without, ElementsAre("popularity", StartsWith("title vote"),
                                   StartsWith("query likelihood"), StartsWith("BM25 (")));
  ASSERT_NE(baselines.oracle(), nullptr);
  EXPECT_TRUE(baselines.has_read_tags(baselines.oracle()));
}

}  // namespace
}  // namespace tutti::trainer
