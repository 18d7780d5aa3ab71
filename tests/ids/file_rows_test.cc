#include "ids/file_rows.h"

#include <gmock/gmock.h>

#include <gtest/gtest.h>

#include "dist/runtime/errors.h"
#include "ids/residual_quantizer.h"
#include "ids/row_budget.h"
#include "tests/ids/random_rows.h"
#include "tests/support/temp_folder.h"
#include "tests/support/thread_communicator.h"

namespace tutti::ids {
namespace {

using testing::HasSubstr;

constexpr int64_t kDim = 6;

Manifest dataset() {
  Manifest manifest;
  manifest.kind = "dataset";
  manifest.hash = std::string(64, 'd');
  return manifest;
}

EmbeddingsFile file_of(const TempFolder& dir, const std::vector<float>& rows) {
  const int64_t n = std::ssize(rows) / kDim;
  write_embeddings(dir / "e", {n, kDim, rows, std::vector<int32_t>(n, 1)}, dataset(), {}, false);
  return EmbeddingsFile::open(dir / "e");
}

// All rows of a source, by its blocks.
std::vector<float> all_rows(RowSource& source, int num_threads) {
  std::vector<float> rows(source.count() * kDim);
  ThreadPool pool(num_threads);
  source.for_each_block(pool, [&](const float* values, const RowBlock& part, int) {
    std::copy_n(values, part.count * kDim, &rows[part.local * kDim]);
  });
  return rows;
}

TEST(FileRows, GivesTheRowsOfItsShareWhateverTheChunks) {
  const TempFolder dir;
  const int64_t n = 4000;
  const auto rows = clustered_rows(n, kDim, 9, 1);
  const auto file = file_of(dir, rows);
  for (const Range own : {Range{0, n}, Range{512, 2700}, Range{3999, n}, Range{700, 700}}) {
    const std::vector<float> expected(&rows[own.first * kDim], rows.data() + own.last * kDim);
    for (const int64_t chunk_rows : {512, 1024, 8192}) {
      FileRows source(file, own, chunk_rows);
      EXPECT_EQ(all_rows(source, 1), expected);
      EXPECT_EQ(all_rows(source, 2), expected);  // a second pass, too
    }
  }
  FileRows source(file, {100, n}, 512);
  const std::vector<int64_t> places{0, 5, 6, 7, 3000};
  std::vector<float> gathered(places.size() * kDim);
  source.gather(places, gathered.data());
  for (size_t i = 0; i < places.size(); ++i) {
    EXPECT_EQ(std::vector<float>(&gathered[i * kDim], gathered.data() + (i + 1) * kDim),
              std::vector<float>(&rows[(100 + places[i]) * kDim],
                                 rows.data() + (101 + places[i]) * kDim));
  }
}

TEST(FileRows, GivesTheQuantizerTheSameBytesAsRowsInMemory) {
  const TempFolder dir;
  const int64_t n = 3000;
  const auto rows = clustered_rows(n, kDim, 60, 2);
  const auto file = file_of(dir, rows);
  ResidualQuantizerOptions options;
  options.num_codes = {16, 8, 12};
  auto comm = make_single_communicator();
  ThreadPool pool(2);
  auto in_memory = source_of(rows, kDim, 0, n);
  FileRows streamed(file, {0, n}, 512);
  const auto expected = train_residual_quantizer(in_memory, options, *comm, pool);
  const auto codebooks = train_residual_quantizer(streamed, options, *comm, pool);
  EXPECT_EQ(codebooks.mean, expected.mean);
  for (size_t l = 0; l < 3; ++l) {
    EXPECT_EQ(codebooks.levels[l].values, expected.levels[l].values);
  }
  EXPECT_EQ(encode(streamed, codebooks, 8, pool), encode(in_memory, expected, 8, pool));
}

TEST(FileRows, ThrowsWhatTheWorkThrowsAndReadsAgainAfterwards) {
  const TempFolder dir;
  const auto rows = clustered_rows(2000, kDim, 9, 3);
  const auto file = file_of(dir, rows);
  FileRows source(file, {0, 2000}, 512);
  ThreadPool pool(2);
  EXPECT_THROW(source.for_each_block(pool,
                                     [](const float*, const RowBlock& part, int) {
                                       if (part.local == 512) throw DataError({"", "", "", "", ""});
                                     }),
               DataError);
  EXPECT_EQ(all_rows(source, 2), rows);
}

TEST(RowBudget, HoldsRowsThatFitAndStreamsOthers) {
  const TempFolder dir;
  const int64_t n = 4000, bytes = n * kDim * 4;
  const auto rows = clustered_rows(n, kDim, 9, 4);
  const auto file = file_of(dir, rows);
  for (const int64_t budget : {bytes, bytes - 1}) {
    const auto opened = open_rows(file, {0, n}, budget, nullptr);
    EXPECT_EQ(opened.streamed, budget < bytes);
    EXPECT_EQ(all_rows(*opened.source, 2), rows);
  }
  EXPECT_FALSE(open_rows(file, {n, n}, 0, nullptr).streamed);  // no rows, no need
  const int64_t two_chunks = 2 * kRowBlock * kDim * 4;
  EXPECT_TRUE(open_rows(file, {0, n}, two_chunks, nullptr).streamed);
  for (const int64_t budget : {two_chunks - 1, int64_t{-5}}) {
    EXPECT_THAT(message_of<UsageError>([&] {
                  open_rows(file, {0, n}, budget, nullptr);
                }),
                HasSubstr("--memory"));
  }
}

}  // namespace
}  // namespace tutti::ids
