#include "checkpoints/shards.h"

#include <gmock/gmock.h>

#include <cstring>
#include <numeric>
#include <set>

#include <gtest/gtest.h>

#include "checkpoints/checkpoint_store.h"
#include "dist/runtime/errors.h"
#include "tests/support/temp_folder.h"

namespace tutti::checkpoints {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::UnorderedElementsAre;

constexpr int64_t kElements = 23;

class ShardsTest : public testing::Test {
 protected:
  ShardsTest() { std::iota(values_.begin(), values_.end(), 0.0F); }

  std::vector<NamedTensor> model() const {
    return {{"large", TensorType::kF32, {5, 4}, values_.data()},
            {"middle", TensorType::kF32, {12}, values_.data()},
            {"small", TensorType::kF32, {7}, values_.data()},
            {"empty", TensorType::kF32, {0}, values_.data()}};
  }
  NamedTensor moments() const { return {"exp_avg", TensorType::kF32, {kElements}, values_.data()}; }

  // Rank r holds elements splits[r] .. splits[r + 1] of the moments.
  Checkpoint save(const std::vector<int64_t>& splits) const {
    CheckpointStore store(run_.path());
    const int num_ranks = static_cast<int>(splits.size()) - 1;
    const fs::path staging = store.begin(1);
    for (int r = num_ranks - 1; r >= 0; --r) {  // in any order
      const int64_t first = splits[static_cast<size_t>(r)];
      Shard shard{.rank = r,
                  .num_ranks = num_ranks,
                  .model = share_of(model(), r, num_ranks),
                  .optimizer = {}};
      NamedTensor part = moments();
      part.data = values_.data() + first;
      const int64_t count = splits[static_cast<size_t>(r) + 1] - first;
      if (count > 0) shard.optimizer.push_back({.whole = part, .first = first, .count = count});
      CheckpointStore::write_shard(staging, ShardCopy(shard).shard());
    }
    store.commit({.state = {{"step", 1}}, .files = {}, .made_from = {}}, num_ranks, 1);
    return open_checkpoint(run_.path());
  }
  std::vector<float> read(const ShardedTensors& stored, int64_t first, int64_t count) const {
    std::vector<float> out(static_cast<size_t>(count), -1.0F);
    stored.copy("exp_avg", TensorType::kF32, std::vector<int64_t>{kElements}, first, count,
                out.data());
    return out;
  }

  TempFolder run_;
  std::vector<float> values_ = std::vector<float>(kElements);
};

TEST_F(ShardsTest, GiveBackWhatAnyNumberOfRanksWroteToAnyOther) {
  for (const std::vector<int64_t>& splits :
       {std::vector<int64_t>{0, kElements}, {0, 11, kElements}, {0, 0, 9, 9, 22, kElements}}) {
    const Checkpoint checkpoint = save(splits);
    EXPECT_EQ(checkpoint.manifest.counts.at("world_size"), splits.size() - 1);
    EXPECT_EQ(checkpoint.manifest.counts.at("parameters"), 39);
    for (const NamedTensor& tensor : model()) {
      const NamedTensor& stored =
          checkpoint.model.require(tensor.name, TensorType::kF32, tensor.shape);
      EXPECT_EQ(std::memcmp(stored.data, tensor.data, static_cast<size_t>(tensor.num_bytes())), 0);
    }
    const ShardedTensors optimizer = checkpoint.optimizer();
    for (int64_t first = 0; first < kElements; ++first) {
      for (int64_t count = 0; first + count <= kElements; ++count) {
        const std::vector<float> out = read(optimizer, first, count);
        for (int64_t i = 0; i < count; ++i)
          EXPECT_EQ(out[static_cast<size_t>(i)], static_cast<float>(first + i));
      }
    }
  }
}

TEST_F(ShardsTest, GiveEachTensorToOneRankAndAboutAsManyBytesToEach) {
  std::multiset<std::string> names;
  for (int rank = 0; rank < 2; ++rank) {
    int64_t bytes = 0;
    for (const NamedTensor& tensor : share_of(model(), rank, 2)) {
      names.insert(tensor.name);
      bytes += tensor.num_bytes();
    }
    EXPECT_NEAR(static_cast<double>(bytes), 39.0 * 4 / 2, 4.0);
  }
  EXPECT_THAT(names, UnorderedElementsAre("large", "middle", "small", "empty"));
}

TEST_F(ShardsTest, ACopyKeepsTheValuesThatTrainingChanges) {
  const ShardCopy copy({.model = {model()[2]}, .optimizer = {{moments(), 0, kElements}}});
  values_.assign(values_.size(), 99.0F);
  EXPECT_EQ(static_cast<const float*>(copy.shard().model[0].data)[6], 6.0F);
  EXPECT_EQ(static_cast<const float*>(copy.shard().optimizer[0].whole.data)[22], 22.0F);
}

TEST_F(ShardsTest, AHoleBetweenSlicesIsRefused) {
  CheckpointStore store(run_.path());
  const fs::path staging = store.begin(1);
  for (int r = 0; r < 2; ++r) {
    CheckpointStore::write_shard(staging, {.rank = r,
                                           .num_ranks = 2,
                                           .model = share_of(model(), r, 2),
                                           .optimizer = {{moments(), r * 12, 11}}});
  }
  store.commit({.state = {{"step", 1}}, .files = {}, .made_from = {}}, 2, 1);
  const Checkpoint checkpoint = open_checkpoint(run_.path());
  EXPECT_THAT(message_of<DataError>([&] { static_cast<void>(checkpoint.optimizer()); }),
              HasSubstr("from element 12, expected one of shape [23] from element 11"));
}

TEST_F(ShardsTest, AnotherShapeOrAnUnknownTensorIsRefusedByName) {
  const ShardedTensors optimizer = save({0, 11, kElements}).optimizer();
  float out = 0;
  EXPECT_THAT(message_of<DataError>([&] {
                optimizer.copy("exp_avg", TensorType::kF32, std::vector<int64_t>{7}, 0, 1, &out);
              }),
              HasSubstr("found F32 of shape [23], expected F32 of shape [7]"));
  EXPECT_THAT(message_of<DataError>([&] {
                optimizer.copy("nobody", TensorType::kF32, std::vector<int64_t>{7}, 0, 1, &out);
              }),
              HasSubstr("'nobody'"));
}

TEST_F(ShardsTest, ARankThatDoesNotSeeTheFolderOfRank0IsToldWhatToDo) {
  EXPECT_THAT(message_of<StorageError>([&] {
                CheckpointStore::write_shard(
                    run_ / "elsewhere", {.rank = 1, .num_ranks = 2, .model = {}, .optimizer = {}});
              }),
              HasSubstr("put --out on a file system that all ranks see"));
}

TEST_F(ShardsTest, ASaveWithoutTheShardOfARankIsRefused) {
  CheckpointStore store(run_.path());
  CheckpointStore::write_shard(store.begin(1),
                               {.rank = 0, .num_ranks = 2, .model = model(), .optimizer = {}});
  EXPECT_THROW(store.commit({.state = {}, .files = {}, .made_from = {}}, 2, 1), Error);
  EXPECT_THAT(store.steps(), ElementsAre());
}

// Every bit of every byte that lies in a checkpoint.
TEST_F(ShardsTest, EveryFlippedBitAndEveryTruncationIsRefusedWithTheFileNamed) {
  const Checkpoint whole = save({0, 11, kElements});
  int refused = 0;
  for (const auto& entry : fs::directory_iterator(whole.path)) {
    const std::string bytes = read_bytes(entry.path());
    const std::string name = entry.path().filename();
    const auto expect_refused = [&](const std::string& what) {
      EXPECT_THAT(message_of<DataError>([&] { open_checkpoint(whole.path); }), HasSubstr(name))
          << what;
      ++refused;
    };
    for (size_t i = 0; i < bytes.size(); i += 3) {
      std::string damaged = bytes;
      damaged[i] = static_cast<char>(damaged[i] ^ (1 << (i % 8)));
      write_bytes(entry.path(), damaged);
      expect_refused("bit " + std::to_string(i % 8) + " of byte " + std::to_string(i));
    }
    for (size_t size = 0; size < bytes.size(); size += 7) {
      write_bytes(entry.path(), bytes.substr(0, size));
      expect_refused("cut to " + std::to_string(size));
    }
    write_bytes(entry.path(), bytes);
    open_checkpoint(whole.path);
  }
  EXPECT_GT(refused, 1000);
}

}  // namespace
}  // namespace tutti::checkpoints
