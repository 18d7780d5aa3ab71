#include "data/succession.h"

#include <fmt/format.h>

#include "data/dataset_writer.h"
#include "dist/runtime/errors.h"
#include "tests/data/damage.h"

namespace tutti::data {
namespace {

using testing::HasSubstr;

class Succession : public testing::Test {
 protected:
  // Playlists p0, p1, ... on one track, split by a seed.
  Dataset dataset(const std::string& name, int playlists, uint64_t seed) {
    DatasetOptions options;
    options.split.seed = seed;
    options.min_tracks = 1;
    DatasetWriter writer(folder_ / name, options, {{"seed", seed}}, false);
    writer.add_track({.key = "t", .name = "Track"});
    for (int p = 0; p < playlists; ++p) {
      writer.add_playlist(fmt::format("p{}", p), fmt::format("Title {}", p % 40),
                          std::vector<int32_t>{0}, 0);
    }
    writer.finish();
    return Dataset::open(folder_ / name);
  }
  TempFolder folder_;
};

TEST_F(Succession, OfADatasetThatGrewUnderTheSameSplitIsFine) {
  EXPECT_NO_THROW(require_successor(dataset("older", 100, 3), dataset("newer", 200, 3)));
}

TEST_F(Succession, IsRefusedWhenAHeldOutPlaylistWasForTraining) {
  const Dataset older = dataset("older", 200, 3), newer = dataset("newer", 200, 4);
  try {
    require_successor(older, newer);
    FAIL() << "not refused";
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(), HasSubstr("newer"));
    EXPECT_THAT(error.what(), HasSubstr("held-out playlists that"));
  }
}

}  // namespace
}  // namespace tutti::data
