#include "ids/priors.h"

#include <gmock/gmock.h>

#include <gtest/gtest.h>

namespace tutti::ids {
namespace {

// Five tracks: 0 and 1 of artist 0, album 0; 2 of artist 0, no album; 3 of artist 1, album 1, in no
// playlist; 4 of nobody.
data::Catalog small_catalog() {
  data::Catalog catalog;
  for (const char* key : {"a", "b", "c", "d", "e"}) catalog.track_keys.push_back(key);
  for (const char* key : {"x", "y"}) catalog.artist_keys.push_back(key);
  for (const char* key : {"p", "q"}) catalog.album_keys.push_back(key);
  catalog.track_artist = {0, 0, 0, 1, -1};
  catalog.track_album = {0, 0, -1, 1, -1};
  return catalog;
}

TEST(Priors, ShrinkTracksTowardAlbumAlbumTowardArtistAndArtistTowardAll) {
  std::vector<float> vectors{8, 2, 5, 0, 1};
  shrink_to_priors(small_catalog(), {3, 1, 2, 0, 4}, 2, 1, vectors);
  const double all = (3 * 8 + 1 * 2 + 2 * 5 + 4 * 1) / 10.0;
  const double artist = (3 * 8 + 1 * 2 + 2 * 5 + 0.2 * all) / 6.2;
  const double album = (3 * 8 + 1 * 2 + 2 * artist) / 6;
  EXPECT_FLOAT_EQ(vectors[0], static_cast<float>((3 * 8 + 2 * album) / 5));
  EXPECT_FLOAT_EQ(vectors[1], static_cast<float>((1 * 2 + 2 * album) / 3));
  EXPECT_FLOAT_EQ(vectors[2], static_cast<float>((2 * 5 + 2 * artist) / 4));
  EXPECT_FLOAT_EQ(vectors[3], static_cast<float>(all));  // nothing is known of its artist
  EXPECT_FLOAT_EQ(vectors[4], static_cast<float>((4 * 1 + 2 * all) / 6));
}

TEST(Priors, OfNoStrengthLeaveTracksThatWereSeenAndFillInTheOthers) {
  auto catalog = small_catalog();
  catalog.track_artist[3] = 0;
  catalog.track_album[3] = 0;
  std::vector<float> vectors{8, 2, 5, 0, 1};
  shrink_to_priors(catalog, {3, 1, 2, 0, 4}, 0, 1, vectors);
  EXPECT_THAT(vectors, testing::ElementsAre(8, 2, 5, testing::FloatEq((3 * 8 + 1 * 2) / 4.0F), 1));
}

TEST(Priors, ChangeOnlyWhatTheyAreToldToAndLearnFromAll) {
  std::vector<float> all{8, 2, 5, 0, 1}, some = all;
  shrink_to_priors(small_catalog(), {3, 1, 2, 0, 4}, 2, 1, all);
  const std::vector<uint8_t> only{0, 1, 0, 0, 0};
  shrink_to_priors(small_catalog(), {3, 1, 2, 0, 4}, 2, 1, some, &only);
  EXPECT_THAT(some, testing::ElementsAre(8, all[1], 5, 0, 1));
}

TEST(Priors, OfACatalogNobodyPlayedAreZero) {
  std::vector<float> vectors(5);
  shrink_to_priors(small_catalog(), std::vector<int32_t>(5), 2, 1, vectors);
  EXPECT_THAT(vectors, testing::Each(0));
}

}  // namespace
}  // namespace tutti::ids
