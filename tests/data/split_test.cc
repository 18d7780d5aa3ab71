#include "data/split.h"

#include <fmt/format.h>

#include "dist/runtime/errors.h"
#include "tests/data/damage.h"

namespace tutti::data {
namespace {

using testing::HasSubstr;

TEST(PartOf, HoldsOutTheSharesAskedFor) {
  const SplitOptions options;
  constexpr int kTitles = 2000, kPlaylists = 20;
  int whole_titles = 0, held_out = 0, validation = 0, others = 0;
  for (int t = 0; t < kTitles; ++t) {
    int outside = 0, in_validation = 0;
    for (int p = 0; p < kPlaylists; ++p) {
      const Part part = part_of(options, fmt::format("title {}", t), fmt::format("{}-{}", t, p));
      outside += part != Part::kTrain ? 1 : 0;
      in_validation += part == Part::kValidation ? 1 : 0;
    }
    if (outside == kPlaylists) {
      ++whole_titles;
      EXPECT_TRUE(in_validation == 0 || in_validation == kPlaylists);  // one part, whole
    } else {
      others += kPlaylists;
      held_out += outside;
      validation += in_validation;
    }
  }
  // Five standard deviations of the binomial around 10 % of titles, 5 % of playlists, one half.
  EXPECT_NEAR(whole_titles, 200, 67);
  EXPECT_NEAR(held_out, 0.05 * others, 5 * std::sqrt(0.05 * 0.95 * others));
  EXPECT_NEAR(validation, 0.5 * held_out, 5 * std::sqrt(0.25 * held_out));
}

TEST(PartOf, DependsOnSeedAndTextsOnly) {
  SplitOptions other;
  other.seed = 1;
  int differ = 0;
  for (int i = 0; i < 1000; ++i) {
    const std::string title = fmt::format("title {}", i % 100), key = std::to_string(i);
    EXPECT_EQ(part_of({}, title, key), part_of({}, title, key));
    differ += part_of({}, title, key) != part_of(other, title, key) ? 1 : 0;
  }
  EXPECT_GT(differ, 0);
}

TEST(PartOf, KeepsEverythingForTrainingWithSharesOfZero) {
  for (int i = 0; i < 1000; ++i) {
    EXPECT_EQ(part_of({0, 0, 3}, std::to_string(i), std::to_string(i)), Part::kTrain);
  }
}

TEST(SplitFile, GivesThePartOfEachPlaylist) {
  TempFolder folder;
  const auto path =
      write_bytes(folder / "s.csv", "part,playlist_id\ntrain,a\nval,\"b,c\"\ntest,d\n");
  const SplitFile split = SplitFile::read(path);
  EXPECT_EQ(split.size(), 3);
  EXPECT_EQ(split.find("a"), Part::kTrain);
  EXPECT_EQ(split.find("b,c"), Part::kValidation);
  EXPECT_EQ(split.find("d"), Part::kTest);
  EXPECT_EQ(split.find("e"), std::nullopt);
}

TEST(SplitFile, RefusesUnknownPartsAndDoubles) {
  TempFolder folder;
  const auto unknown = write_bytes(folder / "u.csv", "playlist_id,part\na,train\nb,holdout\n");
  EXPECT_THAT(message_of<DataError>([&] { SplitFile::read(unknown); }),
              HasSubstr("u.csv: line 3: found part 'holdout'"));
  const auto twice = write_bytes(folder / "t.csv", "playlist_id,part\na,train\na,train\n");
  EXPECT_THAT(message_of<DataError>([&] { SplitFile::read(twice); }),
              HasSubstr("t.csv: line 3: found playlist 'a' a second time"));
  const auto header = write_bytes(folder / "h.csv", "playlist,part\n");
  EXPECT_THAT(message_of<DataError>([&] { SplitFile::read(header); }),
              HasSubstr("expected a column 'playlist_id'"));
}

}  // namespace
}  // namespace tutti::data
