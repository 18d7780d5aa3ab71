#include <unistd.h>

#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "data/hdf5.h"
#include "dist/runtime/errors.h"
#include "dist/together.h"
#include "ids/residual_quantizer.h"
#include "ids/row_budget.h"
#include "tests/mpi/world.h"

namespace tutti::ids {
namespace {

using test::world;

constexpr int64_t kRows = 5000, kDim = 8;

// An embeddings folder that all ranks name alike. Its file holds what the writer would refuse.
class RowsOverMpi : public testing::Test {
 protected:
  RowsOverMpi() {
    auto number = static_cast<int64_t>(::getpid());
    world().broadcast(&number, sizeof(number), 0);
    folder_ = std::filesystem::path(testing::TempDir()) / fmt::format("tutti-rows-{}", number);
    for (int64_t i = 0; i < kRows; ++i) {
      keys_.push_back(fmt::format("track-{}", i));
      for (int64_t j = 0; j < kDim; ++j) {
        values_.push_back(static_cast<float>((i * 7 + j * 3) % 23) - 11.0F);
      }
    }
  }

  ~RowsOverMpi() override {
    world().barrier();
    std::error_code ignored;
    if (world().is_root()) std::filesystem::remove_all(folder_, ignored);
  }

  EmbeddingsFile write() {
    if (world().is_root()) {
      const std::vector<int32_t> support(kRows, 1);
      Manifest dataset;
      dataset.hash = std::string(64, 'd');
      write_embeddings(folder_, {kRows, kDim, std::vector<float>(kRows * kDim), support}, dataset,
                       {}, true);
      auto file = data::Hdf5File::create(folder_ / "embeddings.h5");
      file.append("values", std::span<const float>(values_), kDim, data::Storage::kRaw);
      file.append("support", std::span<const int32_t>(support));
      file.close();
    }
    world().barrier();
    return EmbeddingsFile::open(folder_);
  }

  // What this rank throws when codebooks are trained on rows in memory, or streamed.
  std::string error(const EmbeddingsFile& file, int64_t budget_bytes) {
    try {
      const auto own = owned_range(kRows, kRowBlock, world().rank(), world().size());
      BudgetedRows rows;
      run_together(world(), [&] { rows = open_rows(file, own, budget_bytes, &keys_); });
      EXPECT_EQ(rows.streamed, budget_bytes < own.size() * kDim * 4);
      ResidualQuantizerOptions options;
      options.num_codes = {8, 4};
      ThreadPool pool(1);
      train_residual_quantizer(*rows.source, options, world(), pool);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::kBadData);
      return error.what();
    }
    return "";
  }

  std::filesystem::path folder_;
  data::StringTable keys_;
  std::vector<float> values_;
};

TEST_F(RowsOverMpi, EveryRankNamesTheFirstValueThatIsNotFinite) {
  for (const int64_t first_bad : {int64_t{3}, int64_t{2700}, kRows - 1}) {
    auto good = values_;
    values_[first_bad * kDim + 5] = std::numeric_limits<float>::quiet_NaN();
    values_.back() = std::numeric_limits<float>::infinity();
    const auto file = write();
    const std::string expected =
        fmt::format("{}: row {} (track track-{}), column 5: found nan, expected finite values",
                    (folder_ / "embeddings.h5").string(), first_bad, first_bad);
    for (const int64_t budget : {int64_t{1} << 30, int64_t{2} * kRowBlock * kDim * 4}) {
      const auto message = error(file, budget);
      EXPECT_TRUE(message.starts_with(expected)) << message;
    }
    values_ = std::move(good);
    world().barrier();
  }
  EXPECT_EQ(error(write(), 1 << 30), "");
}

}  // namespace
}  // namespace tutti::ids
