#include "checkpoints/checkpoint_store.h"

#include <gmock/gmock.h>

#include <array>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "dist/runtime/errors.h"
#include "tests/support/temp_folder.h"

namespace tutti::checkpoints {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

class CheckpointStoreTest : public testing::Test {
 protected:
  Manifest save(int64_t step, int keep = 10) {
    values_ = {static_cast<float>(step), 0.5F};
    CheckpointStore::Content content;
    content.model = {{"weight", TensorType::kF32, {2}, values_.data()}};
    content.optimizer = {{"weight.moment", TensorType::kF32, {2}, values_.data()}};
    content.state = {{"step", step}};
    content.files = {{"spiece.model", std::string("\0bytes", 6)}};
    content.made_from = {{"dataset", std::string(64, 'd')}, {"id-table", std::string(64, 'i')}};
    return CheckpointStore(run_.path()).save(step, content, keep);
  }
  CheckpointStore store() const { return CheckpointStore(run_.path()); }
  int64_t opened_step() const { return open_checkpoint(run_.path()).state.at("step"); }
  std::string warnings_while(const std::function<void()>& work) const {
    testing::internal::CaptureStderr();
    work();
    return testing::internal::GetCapturedStderr();
  }

  TempFolder run_;
  std::array<float, 2> values_{};
};

TEST_F(CheckpointStoreTest, GivesBackWhatWasSaved) {
  const Manifest written = save(123);
  const Checkpoint checkpoint = open_checkpoint(run_.path());
  EXPECT_EQ(checkpoint.path, run_ / "checkpoints/step-000000123");
  EXPECT_EQ(checkpoint.manifest.hash, written.hash);
  EXPECT_EQ(checkpoint.manifest.made_from.at("id-table"), std::string(64, 'i'));
  EXPECT_EQ(checkpoint.manifest.counts.at("parameters"), 2);
  EXPECT_EQ(checkpoint.state.at("step"), 123);
  EXPECT_EQ(checkpoint.model.metadata().at("format"), "pt");
  const std::array<int64_t, 1> shape{2};
  const auto& weight = checkpoint.model.require("weight", TensorType::kF32, shape);
  EXPECT_EQ(static_cast<const float*>(weight.data)[0], 123.0F);
  EXPECT_NE(SafetensorsFile::open(checkpoint.path / kOptimizerFile).find("weight.moment"), nullptr);
  EXPECT_EQ(read_bytes(checkpoint.path / "spiece.model"), std::string("\0bytes", 6));
}

TEST_F(CheckpointStoreTest, HoldsAFileThatAllCheckpointsShareOnceAndIsWholeWithoutIt) {
  const std::array<float, 3> frozen{1, 2, 3};
  const fs::path shared = run_ / "model-frozen.safetensors";
  write_safetensors(shared, {{"frozen", TensorType::kF32, {3}, frozen.data()}}, {});
  const CheckpointStore::LinkedFile linked = {
      .path = shared,
      .entry = {static_cast<int64_t>(fs::file_size(shared)), sha256_of_file(shared)},
      .num_tensors = 1,
      .num_parameters = 3};
  for (const int64_t step : {1, 2}) {
    values_ = {static_cast<float>(step), 0.5F};
    CheckpointStore::Content content;
    content.model = {{"weight", TensorType::kF32, {2}, values_.data()}};
    content.state = {{"step", step}};
    content.linked = {{"model-frozen.safetensors", linked}};
    EXPECT_EQ(store().save(step, content, 10).counts.at("parameters"), 5);
    EXPECT_TRUE(fs::equivalent(shared, store().path_of(step) / "model-frozen.safetensors"));
  }
  fs::remove(shared);
  fs::remove_all(store().path_of(1));
  const Checkpoint checkpoint = open_checkpoint(run_.path());
  EXPECT_EQ(checkpoint.model.tensors().size(), 2U);
  const std::array<int64_t, 1> shape{3};
  const auto& back = checkpoint.model.require("frozen", TensorType::kF32, shape);
  EXPECT_EQ(static_cast<const float*>(back.data)[2], 3.0F);

  std::fstream(checkpoint.path / "model-frozen.safetensors", std::ios::in | std::ios::out)
      .seekp(-1, std::ios::end)
      .put('x');
  EXPECT_THAT(message_of<DataError>([&] { open_checkpoint(checkpoint.path); }),
              HasSubstr("model-frozen.safetensors"));
}

TEST_F(CheckpointStoreTest, OpensOneCheckpointByItsFolder) {
  save(1);
  save(2);
  EXPECT_EQ(open_checkpoint(store().path_of(1)).state.at("step"), 1);
  EXPECT_EQ(opened_step(), 2);
}

TEST_F(CheckpointStoreTest, WritesTheSameBytesForTheSameContent) {
  const Manifest first = save(5);
  const std::string manifest = read_bytes(store().path_of(5) / "manifest.json");
  EXPECT_EQ(save(5).hash, first.hash);
  EXPECT_EQ(read_bytes(store().path_of(5) / "manifest.json"), manifest);
}

TEST_F(CheckpointStoreTest, ReplacesACheckpointOfTheSameStep) {
  save(5);
  values_ = {};
  save(5);
  EXPECT_THAT(store().steps(), ElementsAre(5));
}

TEST_F(CheckpointStoreTest, KeepsAsManyAsAskedFor) {
  for (const int64_t step : {10, 20, 30, 40}) save(step, 2);
  EXPECT_THAT(store().steps(), ElementsAre(30, 40));
  save(50, 1);
  EXPECT_THAT(store().steps(), ElementsAre(50));
  int entries = 0;
  for ([[maybe_unused]] const auto& entry : fs::directory_iterator(run_ / "checkpoints")) ++entries;
  EXPECT_EQ(entries, 2) << "the checkpoint and `latest`; nothing hidden stays behind";
  EXPECT_EQ(fs::read_symlink(run_ / "checkpoints/latest"), "step-000000050");
}

TEST_F(CheckpointStoreTest, DoesNotDeleteTheOneItHasJustSavedForNewerOnes) {
  save(100);
  save(200);
  save(150, 1);
  EXPECT_THAT(store().steps(), ElementsAre(150, 200));
}

TEST_F(CheckpointStoreTest, DoesNotCountADamagedCheckpointAsKept) {
  save(1);
  save(2);
  fs::resize_file(store().path_of(2) / kModelFile, 10);
  const std::string warnings = warnings_while([this] { save(3, 2); });
  EXPECT_THAT(warnings, HasSubstr("damaged"));
  EXPECT_THAT(store().steps(), ElementsAre(1, 2, 3));
}

TEST_F(CheckpointStoreTest, FallsBackFromATruncatedFileAndNamesIt) {
  save(1);
  save(2);
  fs::resize_file(store().path_of(2) / kModelFile, 10);
  const std::string warnings = warnings_while([this] { EXPECT_EQ(opened_step(), 1); });
  EXPECT_THAT(warnings, HasSubstr("step 2"));
  EXPECT_THAT(warnings, HasSubstr(kModelFile));
}

TEST_F(CheckpointStoreTest, FallsBackFromAFlippedBitInAnyFile) {
  for (const char* name : {kModelFile, kOptimizerFile, kStateFile, "spiece.model"}) {
    save(1);
    save(2);
    std::string bytes = read_bytes(store().path_of(2) / name);
    bytes.back() = static_cast<char>(bytes.back() ^ 1);
    write_bytes(store().path_of(2) / name, bytes);
    const std::string warnings = warnings_while([this] { EXPECT_EQ(opened_step(), 1); });
    EXPECT_THAT(warnings, HasSubstr(name));
  }
}

TEST_F(CheckpointStoreTest, FallsBackFromAMissingFile) {
  for (const char* name : {kModelFile, kOptimizerFile, kStateFile}) {
    save(1);
    save(2);
    fs::remove(store().path_of(2) / name);
    const std::string warnings = warnings_while([this] { EXPECT_EQ(opened_step(), 1); });
    EXPECT_THAT(warnings, HasSubstr(name));
  }
}

TEST_F(CheckpointStoreTest, RefusesADamagedCheckpointThatWasAskedForByFolder) {
  save(1);
  save(2);
  fs::remove(store().path_of(2) / kStateFile);
  EXPECT_THAT(message_of<DataError>([this] { open_checkpoint(store().path_of(2)); }),
              HasSubstr(kStateFile));
}

// What a kill leaves at each boundary of a save: the staging folder with the first k files, then
// all files but no rename; a folder without its manifest stands for file systems that lose order.
TEST_F(CheckpointStoreTest, IgnoresWhatAKilledSaveLeftBehind) {
  save(1);
  save(2);
  const fs::path whole = store().path_of(2);
  const std::vector<std::string> order{kModelFile, kOptimizerFile, kStateFile, "spiece.model",
                                       "manifest.json"};
  for (size_t kept = 0; kept <= order.size(); ++kept) {
    const fs::path staging = run_ / "checkpoints/.step-000000003.tmp-1";
    fs::create_directories(staging);
    for (size_t i = 0; i < kept; ++i) fs::copy_file(whole / order[i], staging / order[i]);
    EXPECT_THAT(store().steps(), ElementsAre(1, 2));
    EXPECT_EQ(opened_step(), 2);
    save(2);
    EXPECT_FALSE(fs::exists(staging)) << "the next save clears it away";
  }
  const fs::path bare = store().path_of(3);
  fs::create_directories(bare);
  fs::copy_file(whole / kModelFile, bare / kModelFile);
  EXPECT_THAT(store().steps(), ElementsAre(1, 2));
  EXPECT_EQ(opened_step(), 2);
  EXPECT_THAT(warnings_while([this] { save(3); }), HasSubstr("step-000000003"));
  EXPECT_EQ(opened_step(), 3);
}

TEST_F(CheckpointStoreTest, KeepsAReplacedFolderUntilTheNextSaveIsWhole) {
  save(1);
  const fs::path replaced = run_ / "checkpoints/.step-000000001.old-1";
  fs::rename(store().path_of(1), replaced);
  CheckpointStore::Content bad;
  bad.files = {{"manifest.json/x", "x"}};  // the manifest itself cannot be written
  EXPECT_THROW(store().save(2, bad, 1), StorageError);
  EXPECT_TRUE(fs::exists(replaced));
  save(2);
  EXPECT_FALSE(fs::exists(replaced));
}

TEST_F(CheckpointStoreTest, IgnoresFoldersOfOtherNames) {
  save(1);
  for (const char* name : {"step-", "step-9", "step-00000000x", "notes"}) {
    fs::create_directories(run_ / "checkpoints" / name);
    fs::copy_file(store().path_of(1) / "manifest.json",
                  run_ / "checkpoints" / name / "manifest.json");
  }
  EXPECT_THAT(store().steps(), ElementsAre(1));
}

TEST_F(CheckpointStoreTest, SaysThatThereIsNoCheckpoint) {
  EXPECT_THAT(message_of<DataError>([this] { open_checkpoint(run_ / "nowhere"); }),
              HasSubstr("nowhere"));
  fs::create_directories(run_ / "checkpoints");
  EXPECT_THAT(message_of<DataError>([this] { open_checkpoint(run_.path()); }),
              HasSubstr("a run without a checkpoint"));
  save(1);
  fs::resize_file(store().path_of(1) / kStateFile, 0);
  warnings_while([this] {
    EXPECT_THAT(message_of<DataError>([this] { open_checkpoint(run_.path()); }),
                HasSubstr("only damaged checkpoints"));
  });
}

TEST_F(CheckpointStoreTest, ChangesNothingWhenItCannotWrite) {
  write_bytes(run_ / "file", "");
  const CheckpointStore::Content content{
      .model = {}, .optimizer = {}, .state = {}, .files = {}, .made_from = {}};
  EXPECT_THAT(message_of<StorageError>([&] { CheckpointStore(run_ / "file").save(1, content, 1); }),
              HasSubstr("cannot make the folder"));
  save(1);
  CheckpointStore::Content bad = content;
  bad.files = {{std::string(300, 'n'), "x"}};
  EXPECT_THAT(message_of<StorageError>([&] { store().save(2, bad, 1); }),
              HasSubstr("cannot write"));
  EXPECT_THAT(store().steps(), ElementsAre(1));
}

}  // namespace
}  // namespace tutti::checkpoints
