#include "ids/path_report.h"

#include <gmock/gmock.h>

#include <cmath>
#include <map>

#include <gtest/gtest.h>

#include "dist/runtime/errors.h"
#include "dist/runtime/rng.h"
#include "tests/support/temp_folder.h"

namespace tutti::ids {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

struct Tracks {
  int n = 400;
  std::vector<int64_t> num_codes{5, 4, 3};
  std::vector<int32_t> codes, artists;
};

// Codes that depend on each other and on the artist; some artists are not known.
Tracks random_tracks() {
  Tracks tracks;
  Rng rng(4, Purpose::kTest);
  for (int t = 0; t < tracks.n; ++t) {
    const auto artist = static_cast<int32_t>(rng.below(21)) - 1;
    const auto a = static_cast<int32_t>(rng.below(3) == 0 ? rng.below(4) : (artist + 1) % 4);
    const auto b = static_cast<int32_t>(rng.below(2) == 0 ? a : rng.below(4));
    tracks.artists.push_back(artist);
    tracks.codes.insert(tracks.codes.end(), {a, b, static_cast<int32_t>(rng.below(3))});
  }
  return tracks;
}

std::vector<int32_t> prefix_of(const Tracks& tracks, int t, const std::vector<int>& levels) {
  std::vector<int32_t> prefix;
  prefix.reserve(levels.size());
  for (const int l : levels) prefix.push_back(tracks.codes[t * 3 + l]);
  return prefix;
}

double entropy_of(const Tracks& tracks, const std::vector<int>& levels) {
  std::map<std::vector<int32_t>, int> counts;
  for (int t = 0; t < tracks.n; ++t) ++counts[prefix_of(tracks, t, levels)];
  double bits = 0;
  for (const auto& [path, count] : counts) {
    bits -= double(count) / tracks.n * std::log2(double(count) / tracks.n);
  }
  return bits;
}

TEST(Gini, IsZeroForEqualCountsAndNearOneWhenOneHasAll) {
  EXPECT_DOUBLE_EQ(gini({3, 3, 3, 3}), 0);
  EXPECT_DOUBLE_EQ(gini({0, 0, 4, 0}), 0.75);
  EXPECT_DOUBLE_EQ(gini({1, 2, 3, 4}), 0.25);  // mean difference 20/16 over twice the mean, 5
  EXPECT_DOUBLE_EQ(gini({}), 0);
}

TEST(PathReport, MeasuresUseEntropyAndWhatLevelsShare) {
  const auto tracks = random_tracks();
  const auto report = report_paths(tracks.codes, tracks.num_codes, {});
  EXPECT_EQ(report.num_tracks, tracks.n);
  EXPECT_EQ(report.levels[0].codes_used, 4);  // of 5
  EXPECT_EQ(report.levels[0].num_codes, 5);
  EXPECT_NEAR(report.levels[1].entropy_bits, entropy_of(tracks, {1}), 1e-12);
  EXPECT_NEAR(report.levels[1].perplexity, std::exp2(entropy_of(tracks, {1})), 1e-9);
  EXPECT_NEAR(report.joint_entropy_bits, entropy_of(tracks, {0, 1, 2}), 1e-12);
  EXPECT_NEAR(report.code_bits, std::log2(60.0), 1e-12);
  for (int a = 0; a < 3; ++a) {
    for (int b = 0; b < 3; ++b) {
      const double both = a == b ? entropy_of(tracks, {a}) : entropy_of(tracks, {a, b});
      EXPECT_NEAR(report.shared_bits[a * 3 + b],
                  entropy_of(tracks, {a}) + entropy_of(tracks, {b}) - both, 1e-12);
    }
  }
  EXPECT_GT(report.shared_bits[1], 0.1);
  EXPECT_TRUE(report.prefixes.empty());
}

TEST(PathReport, ComparesArtistsWithinEachPrefix) {
  const auto tracks = random_tracks();
  const auto report = report_paths(tracks.codes, tracks.num_codes, tracks.artists);
  ASSERT_EQ(report.prefixes.size(), 4U);
  const std::vector<std::vector<int>> levels{{}, {0}, {0, 1}, {0, 1, 2}};
  for (int length = 0; length <= 3; ++length) {
    double sum = 0;
    int compared = 0;
    for (int t = 0; t < tracks.n; ++t) {
      if (tracks.artists[t] < 0) continue;
      int others = 0, same = 0;
      for (int u = 0; u < tracks.n; ++u) {
        if (u == t || prefix_of(tracks, u, levels[length]) != prefix_of(tracks, t, levels[length]))
          continue;
        ++others;
        same += tracks.artists[u] == tracks.artists[t];
      }
      if (others == 0) continue;
      sum += double(same) / others;
      ++compared;
    }
    EXPECT_EQ(report.prefixes[length].length, length);
    EXPECT_EQ(report.prefixes[length].tracks_compared, compared);
    EXPECT_NEAR(report.prefixes[length].same_artist, sum / compared, 1e-12);
  }
  EXPECT_EQ(report.prefixes[0].num_prefixes, 1);
  EXPECT_EQ(report.prefixes[1].num_prefixes, 4);
  EXPECT_GT(report.prefixes[1].same_artist, 1.5 * report.prefixes[0].same_artist);
}

TEST(PathReport, CountsGroupsBySize) {
  // Groups of 1, 1, 2, 3 and 4 tracks.
  const std::vector<int32_t> codes{0, 1, 2, 2, 3, 3, 3, 4, 4, 4, 4};
  const auto report = report_paths(codes, {5}, {});
  ASSERT_EQ(report.sizes.size(), 3U);
  EXPECT_EQ(report.sizes[1].least, 2);  // 2 or 3
  EXPECT_EQ(report.sizes[1].num_groups, 2);
  EXPECT_EQ(report.sizes[1].num_tracks, 5);
  EXPECT_EQ(report.sizes[2].num_tracks, 4);
  EXPECT_EQ(report.groups.largest, 4);
  EXPECT_EQ(report.groups.tracks_alone, 2);
  // Suffixes 0 .. 3 stand behind 5, 3, 2 and 1 tracks.
  double bits = 0;
  for (const double n : {5.0, 3.0, 2.0, 1.0}) bits -= n / 11 * std::log2(n / 11);
  EXPECT_NEAR(report.suffix_entropy_bits, bits, 1e-12);
}

TEST(PathReport, TakesTheCodesOutOfATable) {
  IdTable table;
  table.strategy = "semantic";
  table.levels = {{0, 2}, {2, 3}, {5, 2}};
  table.offsets = {0, 3, 6};
  table.tokens = {0, 2, 5, 1, 4, 6};
  EXPECT_THAT(codes_of(table), ElementsAre(0, 0, 1, 2));
  auto other = table;
  other.tokens[1] = 1;  // a token of the first level
  EXPECT_THAT(message_of<DataError>([&] { codes_of(other); }), HasSubstr("token 1 at place 1"));
  other = table;
  other.offsets = {0, 2, 6};
  EXPECT_THAT(message_of<DataError>([&] { codes_of(other); }), HasSubstr("an ID of 2 tokens"));
  other = table;
  other.strategy = "track-integer";
  EXPECT_THAT(message_of<DataError>([&] { codes_of(other); }), HasSubstr("track-integer"));
}

}  // namespace
}  // namespace tutti::ids
