#include "ids/interactions.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <mutex>

#include <gtest/gtest.h>

#include "tests/ids/small_dataset.h"
#include "tests/support/temp_folder.h"
#include "tests/support/thread_communicator.h"

namespace tutti::ids {
namespace {

int64_t by_entries(int64_t num_entries) {
  return num_entries;
}

TEST(Interactions, HoldTheTrainingPlaylistsAndNoOthersOnTheirRanks) {
  const TempFolder dir;
  write_small_dataset(dir / "data", 600, 1500);
  const auto dataset = data::Dataset::open(dir / "data");
  const auto train = dataset.playlists_in(data::Part::kTrain);
  ASSERT_LT(std::ssize(train), dataset.num_playlists());
  for (int num_ranks : {1, 3}) {
    std::vector<Interactions> parts(num_ranks);
    // HDF5 is for one thread, so ranks read in turn.
    std::mutex one_reader;
    run_ranks(num_ranks, [&](Communicator& comm) {
      auto source = training_playlists(dataset);
      source.visit = [&, visit = source.visit](int64_t first, int64_t last,
                                               const SeePlaylist& see) {
        const std::scoped_lock lock(one_reader);
        visit(first, last, see);
      };
      parts[comm.rank()] = share_interactions(source, by_entries, comm);
    });
    EXPECT_EQ(parts[0].num_playlists, std::ssize(train));
    EXPECT_EQ(parts[0].track_counts, dataset.train_counts());
    std::vector<std::pair<int32_t, int32_t>> expected, by_playlist, by_track;
    for (int64_t u = 0; u < std::ssize(train); ++u) {
      for (int32_t t : dataset.read(train[u], train[u] + 1).tracks) {
        expected.emplace_back(static_cast<int32_t>(u), t);
      }
    }
    for (int r = 0; r < num_ranks; ++r) {
      const auto& part = parts[r];
      EXPECT_EQ(part.num_entries, std::ssize(expected));
      for (int64_t i = 0; i < part.by_playlist.size(); ++i) {
        for (int32_t t : part.by_playlist.row(i)) {
          by_playlist.emplace_back(static_cast<int32_t>(part.playlist_split[r] + i), t);
        }
      }
      for (int64_t i = 0; i < part.by_track.size(); ++i) {
        for (int32_t u : part.by_track.row(i)) {
          by_track.emplace_back(u, static_cast<int32_t>(part.track_split[r] + i));
        }
      }
    }
    EXPECT_EQ(by_playlist, expected);
    std::ranges::sort(by_track);
    std::ranges::sort(expected);
    EXPECT_EQ(by_track, expected);
  }
}

TEST(SplitByCost, SharesTheWorkAndCoversAllItems) {
  const std::vector<int32_t> costs{10, 1, 1, 1, 1, 1, 1, 4};
  EXPECT_THAT(split_by_cost(costs, by_entries, 1, 2), testing::ElementsAre(0, 1, 8));
  EXPECT_THAT(split_by_cost(costs, by_entries, 1, 1), testing::ElementsAre(0, 8));
  EXPECT_THAT(split_by_cost({}, by_entries, 1, 3), testing::ElementsAre(0, 0, 0, 0));
  EXPECT_THAT(split_by_cost(std::vector<int32_t>{5}, by_entries, 1, 3),
              testing::ElementsAre(0, 1, 1, 1));
}

TEST(SplitByCost, CutsBetweenBlocksOnly) {
  const std::vector<int32_t> costs{10, 1, 1, 1, 1, 1, 1, 4};
  EXPECT_THAT(split_by_cost(costs, by_entries, 4, 2), testing::ElementsAre(0, 4, 8));
  EXPECT_THAT(split_by_cost(costs, by_entries, 3, 3), testing::ElementsAre(0, 3, 6, 8));
}

}  // namespace
}  // namespace tutti::ids
