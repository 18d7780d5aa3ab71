#include "ids/import_vectors.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "dist/runtime/errors.h"
#include "dist/runtime/rng.h"
#include "tests/support/temp_folder.h"

namespace tutti::ids {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

// Rows that stand in memory; counts what is read.
class RowsOfTest final : public VectorFile {
 public:
  RowsOfTest(std::vector<float> rows, int64_t dim)
      : VectorFile("vectors", std::ssize(rows) / dim, dim), rows_(std::move(rows)) {}
  void read_rows(int64_t first, int64_t count, float* out) override {
    ASSERT_GE(first, 0);
    ASSERT_LE(first + count, num_rows());
    std::copy_n(rows_.data() + first * dim(), count * dim(), out);
    rows_read += count;
  }
  std::optional<data::StringTable> read_keys() override { return std::nullopt; }

  int64_t rows_read = 0;

 private:
  std::vector<float> rows_;
};

data::StringTable keys_of(const std::vector<std::string>& keys) {
  data::StringTable table;
  for (const auto& key : keys) table.push_back(key);
  return table;
}

// Tracks a b c of artist 0, d of artist 1, e of none.
data::Catalog catalog() {
  data::Catalog catalog;
  catalog.track_keys = keys_of({"a", "b", "c", "d", "e"});
  catalog.artist_keys = keys_of({"x", "y"});
  catalog.track_artist = {0, 0, 0, 1, -1};
  return catalog;
}

struct Imported {
  ImportReport report;
  Embeddings embeddings;
};

Imported import(VectorFile& file, const std::vector<std::string>& keys,
                const ImportOptions& options = {}, const data::Catalog& tracks = catalog()) {
  const TempFolder dir;
  EmbeddingsWriter writer(dir / "e", file.dim(), false);
  Imported imported;
  imported.report = import_vectors(file, keys_of(keys), tracks, options, &writer);
  Manifest dataset;
  dataset.hash = std::string(64, 'd');
  writer.finish(dataset, {});
  imported.embeddings = read_embeddings(dir / "e").embeddings;
  return imported;
}

TEST(ImportVectors, StandInTheOrderOfTheCatalogue) {
  RowsOfTest file({5, 50, 1, 10, 4, 40, 9, 90, 2, 20, 3, 30}, 2);
  const auto [report, embeddings] = import(file, {"e", "a", "d", "stranger", "b", "c"});
  EXPECT_THAT(embeddings.values, ElementsAre(1, 10, 2, 20, 3, 30, 4, 40, 5, 50));
  EXPECT_THAT(embeddings.support, ElementsAre(1, 1, 1, 1, 1));
  EXPECT_EQ(report.rows_in_file, 6);
  EXPECT_EQ(report.rows_used, 5);
  EXPECT_EQ(report.unknown_keys, 1);
  EXPECT_EQ(report.first_unknown, "stranger");
  EXPECT_EQ(report.passes, 1);
}

TEST(ImportVectors, AreSortedInPassesWhenTheBufferIsSmall) {
  const int n = 1000, dim = 3;
  data::Catalog tracks;
  std::vector<std::string> keys(n);
  std::vector<float> rows(n * dim), expected(n * dim);
  const Permutation shuffled(n, 7, Purpose::kTest);
  for (int t = 0; t < n; ++t) {
    tracks.track_keys.push_back(fmt::format("t{}", t));
    tracks.track_artist.push_back(-1);
    const auto row = static_cast<int64_t>(shuffled(t));
    keys[row] = fmt::format("t{}", t);
    for (int j = 0; j < dim; ++j) rows[row * dim + j] = expected[t * dim + j] = t + 0.25F * j;
  }
  RowsOfTest file(rows, dim);
  ImportOptions options;
  options.buffer_bytes = 300 * dim * 4;
  const auto [report, embeddings] = import(file, keys, options, tracks);
  EXPECT_EQ(report.passes, 4);
  EXPECT_EQ(embeddings.values, expected);
  // In the catalogue's order each pass reads its own part alone.
  for (int t = 0; t < n; ++t) keys[t] = fmt::format("t{}", t);
  RowsOfTest sorted(expected, dim);
  EXPECT_EQ(import(sorted, keys, options, tracks).embeddings.values, expected);
  EXPECT_EQ(sorted.rows_read, n);
}

TEST(ImportVectors, FillMissingTracksByTheRuleAskedFor) {
  RowsOfTest file({2, 4, 8}, 1);  // a, b and d
  ImportOptions options;
  options.missing = MissingRule::kMean;
  auto [report, embeddings] = import(file, {"a", "b", "d"}, options);
  EXPECT_FLOAT_EQ(embeddings.values[2], 14.0F / 3);
  EXPECT_FLOAT_EQ(embeddings.values[4], 14.0F / 3);
  EXPECT_THAT(embeddings.support, ElementsAre(1, 1, 0, 1, 0));
  EXPECT_EQ(report.tracks_filled, 2);
  options.missing = MissingRule::kArtist;
  embeddings = import(file, {"a", "b", "d"}, options).embeddings;
  EXPECT_THAT(embeddings.values, ElementsAre(2, 4, 3, 8, testing::FloatEq(14.0F / 3)));
  // An artist without any vector falls back on the mean of all.
  embeddings = import(file, {"a", "b", "c"}, options).embeddings;
  EXPECT_FLOAT_EQ(embeddings.values[3], 14.0F / 3);
}

TEST(ImportVectors, CountZeroRows) {
  RowsOfTest file({1, 0, 0, 0, 2, 2, 3, 3, 4, 4, 0, 0}, 2);
  const auto report = import(file, {"a", "b", "c", "d", "e", "stranger"}).report;
  EXPECT_EQ(report.zero_rows, 1);
}

TEST(ImportVectors, RefuseWhatTheyCannotTrust) {
  const auto message = [](std::vector<float> rows, const std::vector<std::string>& keys,
                          const ImportOptions& options = {}) {
    RowsOfTest file(std::move(rows), 1);
    return message_of<DataError>([&] { import(file, keys, options); });
  };
  EXPECT_THAT(message({1, 2}, {"a"}), HasSubstr("2 rows and 1 keys"));
  EXPECT_THAT(message({1, 2, 3}, {"a", "b", "a"}),
              AllOf(HasSubstr("row 2"), HasSubstr("the key 'a' of row 0 again")));
  EXPECT_THAT(message({1, 2}, {"A", "B"}),
              AllOf(HasSubstr("the first is 'A'"), HasSubstr("keys as 'a'")));
  EXPECT_THAT(message({1, 2, 3}, {"a", "c", "d"}),
              AllOf(HasSubstr("no vector for 2 of 5 tracks, the first is 'b'"),
                    HasSubstr("--missing artist")));
  ImportOptions options;
  options.refuse_unknown = true;
  EXPECT_THAT(message({1, 2, 3}, {"a", "z", "q"}, options),
              HasSubstr("2 keys that the catalogue does not have, the first is 'z'"));
  const float nan = std::nanf("");
  EXPECT_THAT(message({1, 2, 3, 4, nan}, {"e", "b", "c", "d", "a"}),
              HasSubstr("row 4 (track a), column 0: found nan"));
  options = {};
  options.missing = MissingRule::kMean;
  EXPECT_THAT(message({1, INFINITY}, {"a", "d"}, options), HasSubstr("row 1 (track d)"));
  EXPECT_THAT(message_of<UsageError>([] { missing_rule("drop"); }),
              HasSubstr("error, mean or artist"));
}

TEST(ImportVectors, DoNotMindANanInARowOfAnUnknownKey) {
  RowsOfTest file({1, 2, std::nanf(""), 3, 4, 5}, 1);
  EXPECT_THAT(import(file, {"a", "b", "stranger", "c", "d", "e"}).embeddings.values,
              ElementsAre(1, 2, 3, 4, 5));
}

}  // namespace
}  // namespace tutti::ids
